//! The metrics that devices report, and how each is judged.

use interlock_plugin_sdk::prelude::*;

use crate::settings::Settings;
use crate::unjudged;

/// A metric that devices report.
pub(crate) struct Metric {
    /// Its name, which is also the query's id.
    pub(crate) name: &'static str,
    /// How its samples become one value.
    pub(crate) aggregation: Aggregation,
    /// What its finding codes begin with.
    code: &'static str,
    /// How messages call it.
    title: &'static str,
    /// From the reported value to the unit of the levels.
    scale: f64,
    levels: fn(&Settings) -> Levels,
    show: fn(f64) -> String,
}

impl Metric {
    pub(crate) const ALL: [Self; 2] = [
        Self {
            name: "error_rate",
            aggregation: Aggregation::Mean,
            code: "error-rate",
            title: "error rate",
            scale: 10_000.0,
            levels: |settings| settings.error_rate_bp,
            show: basis_points,
        },
        Self {
            name: "latency_ms",
            // A mean would hide the slow tail, a maximum would judge one hiccup.
            aggregation: Aggregation::P95,
            code: "latency",
            title: "latency (p95)",
            scale: 1.0,
            levels: |settings| settings.latency_ms,
            show: |value| format!("{} ms", rounded(value)),
        },
    ];

    /// What there is to say about this metric; nothing when all is well.
    pub(crate) fn judge(&self, observed: &Observation, settings: &Settings) -> Vec<Finding> {
        let Self { code, title, name, .. } = self;
        let samples = observed.treatment.samples;
        let findings = match self.value(&observed.treatment, settings) {
            None if samples == 0 => {
                let message =
                    format!("no target of the treatment reported `{name}`, so {title} is not judged");
                vec![unjudged(&format!("{code}-no-samples"), message, settings)]
            }
            None => {
                let (min, plural) = (settings.min_samples, if samples == 1 { "" } else { "s" });
                let message =
                    format!("only {samples} sample{plural} of `{name}`; {title} is judged from {min} on");
                vec![unjudged(&format!("{code}-few-samples"), message, settings)]
            }
            Some(value) if !value.is_finite() => {
                let message = format!("the treatment reported a `{name}` that is not a number");
                vec![Finding::critical(&format!("{code}-not-a-number"), message)]
            }
            Some(value) => {
                let described = format!("{title} is {} over {samples} samples", (self.show)(value));
                against_levels(code, &described, value, (self.levels)(settings), self.show)
                    .into_iter()
                    .chain(self.against_control(value, &observed.control, settings))
                    .collect()
            }
        };
        findings.into_iter().map(|finding| finding.about(*name)).collect()
    }

    /// The aggregated value in the unit of the levels; nothing with too few samples.
    fn value(&self, series: &Series, settings: &Settings) -> Option<f64> {
        series.value.filter(|_| series.samples >= settings.min_samples).map(|value| value * self.scale)
    }

    fn against_control(&self, value: f64, control: &Series, settings: &Settings) -> Option<Finding> {
        let tolerated_bp = settings.relative_to_control_bp?;
        let Self { code, title, name, show, .. } = self;
        // A control of zero has no "so many percent worse"; the levels judge that case alone.
        let Some(control) = self.value(control, settings).filter(|control| *control > 0.0) else {
            let message = format!("the control cohort shows no `{name}` to compare {title} with");
            return Some(Finding::info(&format!("{code}-no-control"), message));
        };
        let tolerated = 1.0 + tolerated_bp as f64 / 10_000.0;
        (value > control * tolerated).then(|| {
            let message = format!(
                "{title} is {}, and {} in the control cohort; it may be at most {} worse",
                show(value),
                show(control),
                percent(tolerated_bp)
            );
            Finding::critical(&format!("{code}-worse-than-control"), message)
        })
    }
}

/// The finding when `value` reached a level.
pub(crate) fn against_levels(
    code: &str,
    described: &str,
    value: f64,
    levels: Levels,
    show: fn(f64) -> String,
) -> Option<Finding> {
    let Levels { warning, critical } = levels;
    let (warning, critical) = (show(warning as f64), show(critical as f64));
    match levels.reached(value)? {
        Severity::Critical => {
            let message = format!("{described}; it is critical from {critical} on");
            Some(Finding::critical(&format!("{code}-critical"), message))
        }
        Severity::Warning | Severity::Info => {
            let message = format!("{described}; it is worrying from {warning} on");
            Some(Finding::warning(&format!("{code}-warning"), message))
        }
    }
}

/// A value in basis points as a percentage.
pub(crate) fn basis_points(value: f64) -> String {
    format!("{} %", rounded(value / 100.0))
}

/// With at most two digits after the point.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
