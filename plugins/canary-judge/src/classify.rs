//! What one metric shows: the judgement of Kayenta's `NetflixACAJudge-v1.0`.

use crate::mann_whitney::{self, QUANTILE_98, Shift};
use crate::samples;
use crate::settings::{Direction, EffectSize, MetricSettings, NanStrategy, WHOLE_BP};

/// A shift counts when the whole confidence interval lies beyond this share of its estimate. Kayenta's, and not a setting.
const TOLERANCE: f64 = 0.25;

/// What a metric shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Treatment is above control.
    High,
    /// Treatment is below control.
    Low,
    /// No difference that counts.
    Pass,
    /// Nothing to compare; does not count in its groups.
    NoData,
    /// Nothing to compare, and that counts against its groups.
    NoDataFail,
}

/// What a metric shows and what that rests on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Classified {
    pub(crate) class: Class,
    /// Whether it brings the whole score down to 0.
    pub(crate) critical: bool,
    /// The two cohorts compared; absent without data, and where they are the same.
    pub(crate) compared: Option<Compared>,
    /// How many samples of treatment and of control were compared.
    pub(crate) samples: (usize, usize),
}

/// Two cohorts, compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Compared {
    /// By how much treatment lies above control.
    pub(crate) shift: Shift,
    /// The size of the difference in the metric's own terms; absent when a mean is 0.
    pub(crate) effect: Option<f64>,
}

/// Classifies a metric by the samples of treatment and control that [`samples::prepare`] made.
pub(crate) fn classify(metric: &MetricSettings, treatment: &[f64], control: &[f64]) -> Classified {
    let samples = (treatment.len(), control.len());
    let passing = Classified { class: Class::Pass, critical: false, compared: None, samples };
    if treatment.is_empty() || control.is_empty() {
        return match metric.nan_strategy {
            NanStrategy::Replace => passing,
            NanStrategy::Remove => without_data(metric, samples),
        };
    }
    let (constant_treatment, constant_control) = (constant(treatment), constant(control));
    let one_value = constant_treatment.is_some() && constant_treatment == constant_control;
    if treatment == control || one_value {
        return passing;
    }
    let compared = if constant_treatment.is_some() && constant_control.is_some() {
        compare(metric, &samples::spread(treatment), &samples::spread(control))
    } else {
        compare(metric, treatment, control)
    };
    let Some(compared) = compared else { return without_data(metric, samples) };
    let (class, critical) = compared.class(metric);
    Classified { class, critical, compared: Some(compared), samples }
}

fn without_data(metric: &MetricSettings, samples: (usize, usize)) -> Classified {
    let class = if metric.must_have_data && !metric.critical { Class::NoDataFail } else { Class::NoData };
    Classified { class, critical: metric.critical, compared: None, samples }
}

/// Nothing where the samples allow no comparison: one of each, for example.
fn compare(metric: &MetricSettings, treatment: &[f64], control: &[f64]) -> Option<Compared> {
    let shift = mann_whitney::shift(treatment, control, QUANTILE_98)?;
    let effect = match metric.effect_size {
        EffectSize::MeanRatio => mean_ratio(treatment, control),
        EffectSize::Cles => Some(mann_whitney::superiority(treatment, control)),
    };
    Some(Compared { shift, effect })
}

fn mean_ratio(treatment: &[f64], control: &[f64]) -> Option<f64> {
    let (treatment, control) = (samples::mean(treatment), samples::mean(control));
    let ratio = treatment / control;
    (treatment != 0.0 && control != 0.0 && ratio.is_finite()).then_some(ratio)
}

/// The one value of sorted samples that do not vary.
fn constant(sorted: &[f64]) -> Option<f64> {
    let (first, last) = (sorted.first()?, sorted.last()?);
    (first == last).then_some(*first)
}

impl Compared {
    /// The class, and whether it is critical.
    fn class(&self, metric: &MetricSettings) -> (Class, bool) {
        let bound = TOLERANCE * self.shift.estimate.abs();
        let none = metric.effect_size.none_bp();
        let limit = |limit: Option<u32>| f64::from(limit.unwrap_or(none)) / f64::from(WHOLE_BP);
        // An effect that cannot be told does not excuse a shift.
        let reaches = |bp| self.effect.is_none_or(|effect| effect >= limit(bp));
        let falls_to = |bp| self.effect.is_none_or(|effect| effect <= limit(bp));
        let up = metric.direction != Direction::Decrease && self.shift.low > bound;
        let down = metric.direction != Direction::Increase && self.shift.high < -bound;
        if up && reaches(metric.allowed_increase_bp) {
            (Class::High, metric.critical && reaches(metric.critical_increase_bp))
        } else if down && falls_to(metric.allowed_decrease_bp) {
            (Class::Low, metric.critical && falls_to(metric.critical_decrease_bp))
        } else {
            (Class::Pass, false)
        }
    }
}
