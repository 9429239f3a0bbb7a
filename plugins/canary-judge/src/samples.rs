//! From what a cohort reported to what is compared.

use crate::settings::{MetricSettings, NanStrategy, OutlierStrategy};

/// How many interquartile ranges beyond the quartiles an outlier begins.
const OUTLIER_FACTOR: f64 = 3.0;
/// The standard deviation that constant samples are given, as a share of their value.
const SPREAD: f64 = 1e-5;

/// Beyond it a number is no measurement, and each doubling would cost the root search a step.
const LARGEST: f64 = 1e15;

/// The samples of one cohort, sorted and finite.
///
/// Infinities and numbers beyond [`LARGEST`] count as missing, as NaN does. Samples beyond `samples_max` are thinned evenly over
/// time, because each costs fuel.
pub(crate) fn prepare(raw: &[f64], metric: &MetricSettings, samples_max: usize) -> Vec<f64> {
    // False for NaN as well.
    let measured = |sample: f64| sample.abs() <= LARGEST;
    let kept = thinned(raw, samples_max).filter_map(|sample| match metric.nan_strategy {
        NanStrategy::Remove => measured(sample).then_some(sample),
        NanStrategy::Replace => Some(if measured(sample) { sample } else { 0.0 }),
    });
    // Adding zero makes one zero of -0 and 0, which are sorted apart and yet equal.
    let mut samples: Vec<f64> = kept.map(|sample| sample + 0.0).collect();
    samples.sort_unstable_by(f64::total_cmp);
    match metric.outlier_strategy {
        OutlierStrategy::Keep => samples,
        OutlierStrategy::Remove => without_outliers(samples),
    }
}

fn thinned(raw: &[f64], samples_max: usize) -> impl Iterator<Item = f64> {
    let kept = raw.len().min(samples_max);
    (0..kept).filter_map(move |index| raw.get(index * raw.len() / kept).copied())
}

/// Without those beyond Tukey's outer fences (J. W. Tukey, *Exploratory Data Analysis*, 1977), which are pushed out to the
/// 1st and 99th percentile so that they cut off no more than a hundredth at either end.
fn without_outliers(sorted: Vec<f64>) -> Vec<f64> {
    let at = |share| percentile(&sorted, share);
    let (Some(p01), Some(q1), Some(q3), Some(p99)) = (at(0.01), at(0.25), at(0.75), at(0.99)) else {
        return sorted;
    };
    let reach = OUTLIER_FACTOR * (q3 - q1);
    let (low, high) = (p01.min(q1 - reach), p99.max(q3 + reach));
    sorted.into_iter().filter(|sample| (low..=high).contains(sample)).collect()
}

/// Between the two nearest samples, in proportion: type 7 of R. J. Hyndman, Y. Fan, *Sample Quantiles in Statistical
/// Packages*, The American Statistician 50, 1996.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = share * sorted.len().checked_sub(1)? as f64;
    let below = *sorted.get(rank as usize)?;
    let above = sorted.get(rank as usize + 1).copied().unwrap_or(below);
    Some(below + (above - below) * rank.fract())
}

/// Constant samples, spread a little around their value.
///
/// Two constants have no variance to measure a shift by. Kayenta adds Gaussian noise to them; a plugin has no randomness, so
/// these lie evenly, with the same standard deviation: that of a uniform distribution is its half width over √3.
pub(crate) fn spread(constant: &[f64]) -> Vec<f64> {
    let count = constant.len() as f64;
    let half_width = |value: f64| 3f64.sqrt() * SPREAD * value.abs();
    let position = |index: usize| (2.0 * index as f64 + 1.0 - count) / count;
    constant.iter().enumerate().map(|(index, value)| value + half_width(*value) * position(index)).collect()
}

/// The arithmetic mean.
pub(crate) fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}
