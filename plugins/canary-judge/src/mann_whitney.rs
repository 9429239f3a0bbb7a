//! How far treatment lies above control, by the Mann-Whitney test.
//!
//! H. B. Mann, D. R. Whitney, *On a Test of Whether one of Two Random Variables is Stochastically Larger than the Other*,
//! Ann. Math. Stat. 18, 1947; the limits of the shift as in D. F. Bauer, *Constructing Confidence Sets Using Rank
//! Statistics*, J. Am. Stat. Assoc. 67, 1972, and its estimate after J. L. Hodges and E. L. Lehmann, *Estimates of Location
//! Based on Rank Tests*, Ann. Math. Stat. 34, 1963. This is what R's `wilcox.test(x, y, conf.int = TRUE, exact = FALSE)`
//! computes, and with it Kayenta's judge.
//!
//! Samples are sorted, finite and not empty.

use crate::brent;

/// The upper 1 % point of the standard normal distribution: `scipy.stats.norm.isf(0.01)`. Kayenta's confidence is 98 %, and
/// not a setting.
pub(crate) const QUANTILE_98: f64 = 2.326_347_874_040_840_8;

/// By how much treatment lies above control.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shift {
    /// The lower limit of the confidence interval.
    pub(crate) low: f64,
    /// The upper limit.
    pub(crate) high: f64,
    /// The Hodges-Lehmann estimate: about the median of all differences between a treatment and a control sample.
    pub(crate) estimate: f64,
}

/// The shift of `treatment` over `control`, with limits at `quantile` standard deviations. Nothing when neither sample
/// varies, because then there is nothing to measure a shift by, or when their range is beyond what `f64` holds.
pub(crate) fn shift(treatment: &[f64], control: &[f64], quantile: f64) -> Option<Shift> {
    let smallest = treatment.first()? - control.last()?;
    let largest = treatment.last()? - control.first()?;
    if smallest >= largest || !(largest - smallest).is_finite() {
        return None;
    }
    let limit = |quantile: f64| {
        let above = |shift| z(treatment, control, shift) - quantile;
        // With few samples even the widest shift is not significant; the limits are then those of the data.
        if above(smallest) <= 0.0 {
            smallest
        } else if above(largest) >= 0.0 {
            largest
        } else {
            brent::root(above, smallest, largest)
        }
    };
    let estimate = brent::root(|shift| z(treatment, control, shift), smallest, largest);
    Some(Shift { low: limit(quantile), high: limit(-quantile), estimate })
}

/// The standardised statistic for the hypothesis that treatment lies `shift` above control, with the standard deviation
/// corrected for ties and the continuity correction of a half.
pub(crate) fn z(treatment: &[f64], control: &[f64], shift: f64) -> f64 {
    let (m, n) = (count(treatment), count(control));
    let Ranked { u, ties } = rank(treatment, control, shift);
    let distance = u - m * n / 2.0;
    let sigma = (m * n / 12.0 * (m + n + 1.0 - ties / ((m + n) * (m + n - 1.0)))).sqrt();
    // All tied, or exactly in the middle: no difference at this shift. (`signum` of zero would be one.)
    if sigma == 0.0 || distance == 0.0 {
        return 0.0;
    }
    (distance - distance.signum() / 2.0) / sigma
}

/// The chance that a treatment sample is above a control sample, ties counting half: the common language effect size
/// (K. O. McGraw, S. P. Wong, *A Common Language Effect Size Statistic*, Psychological Bulletin 111, 1992).
pub(crate) fn superiority(treatment: &[f64], control: &[f64]) -> f64 {
    rank(treatment, control, 0.0).u / (count(treatment) * count(control))
}

/// What ranking both samples together gives.
struct Ranked {
    /// Mann and Whitney's U: pairs in which the shifted treatment is above control, ties counting half.
    u: f64,
    /// The sum of t³ - t over groups of t tied values.
    ties: f64,
}

/// Walks through both sorted samples at once, which is as good as ranking them and takes no sort per shift.
fn rank(treatment: &[f64], control: &[f64], shift: f64) -> Ranked {
    let (mut treatment, mut control) = (treatment, control);
    let mut below = 0.0;
    let mut ranked = Ranked { u: 0.0, ties: 0.0 };
    loop {
        let value = match (treatment.first(), control.first()) {
            (Some(x), Some(y)) => (x - shift).min(*y),
            (Some(x), None) => x - shift,
            (None, Some(y)) => *y,
            (None, None) => return ranked,
        };
        let (tied_treatment, rest) = split(treatment, |x| x - shift <= value);
        treatment = rest;
        let (tied_control, rest) = split(control, |y| y <= value);
        control = rest;
        ranked.u += tied_treatment * (below + tied_control / 2.0);
        below += tied_control;
        let tied = tied_treatment + tied_control;
        ranked.ties += tied * tied * tied - tied;
    }
}

/// How many leading samples hold, and the others.
fn split(samples: &[f64], holds: impl Fn(f64) -> bool) -> (f64, &[f64]) {
    let holding = samples.iter().take_while(|sample| holds(**sample)).count();
    let (leading, rest) = samples.split_at(holding);
    (count(leading), rest)
}

/// Samples are far fewer than what `f64` counts exactly.
fn count(samples: &[f64]) -> f64 {
    samples.len() as f64
}
