//! One named test: what it measures, what it compares with, and what it says.

use interlock_plugin_sdk::prelude::*;

use crate::settings::Settings;

/// A named test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Test {
    /// What its finding codes begin with.
    pub(crate) name: &'static str,
    pub(crate) metric: Metric,
    pub(crate) score: Score,
    pub(crate) criterion: Criterion,
}

/// A metric that targets report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Accuracy,
    ErrorRate,
    LatencyMs,
    Drift,
    DataQuality,
}

/// What of the metric is held against the criterion.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Score {
    /// Its value in the treatment cohort.
    Value,
    /// How far that is below the baseline, as a share of the baseline.
    Drop,
}

/// When a test passes. The unit is that of the metric: basis points or milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Criterion {
    /// This much is enough.
    AtLeast(u64),
    /// This much is borne.
    AtMost(u64),
    /// This much is already too much.
    Below(Levels),
}

/// Why a test was not run.
enum NotRun {
    TooFewSamples,
    NoBaseline,
}

impl Test {
    /// The tests that the operator wants, in the order in which they are reported.
    pub(crate) fn wanted(settings: &Settings) -> Vec<Self> {
        use Criterion::{AtLeast, AtMost, Below};
        use Metric::{Accuracy, DataQuality, Drift, ErrorRate, LatencyMs};
        [
            ("minimum-accuracy", Accuracy, Score::Value, settings.min_accuracy_bp.map(AtLeast)),
            ("accuracy-drop", Accuracy, Score::Drop, settings.accuracy_drop_bp.map(Below)),
            ("maximum-error-rate", ErrorRate, Score::Value, settings.max_error_rate_bp.map(AtMost)),
            ("error-rate", ErrorRate, Score::Value, settings.error_rate_bp.map(Below)),
            ("latency", LatencyMs, Score::Value, settings.latency_ms.map(Below)),
            ("drift", Drift, Score::Value, settings.max_drift_bp.map(AtMost)),
            ("data-quality", DataQuality, Score::Value, settings.min_data_quality_bp.map(AtLeast)),
        ]
        .into_iter()
        .filter_map(|(name, metric, score, criterion)| {
            criterion.map(|criterion| Self { name, metric, score, criterion })
        })
        .collect()
    }

    /// Name, score, threshold and result, as one finding.
    pub(crate) fn run(&self, observed: &Observation, settings: &Settings) -> Finding {
        let name = self.name;
        let finding = match self.score(observed, settings) {
            Err(NotRun::NoBaseline) => {
                let message = format!(
                    "{name}: not run, the control cohort shows no `{}`; `baseline_accuracy_bp` would stand in for it",
                    self.metric.name()
                );
                Finding::info(&format!("{name}-not-run"), message)
            }
            Err(NotRun::TooFewSamples) => {
                let (seen, min) = (observed.treatment.samples, settings.min_samples);
                let metric = self.metric.name();
                let message =
                    format!("{name}: not run, {seen} samples of `{metric}` were seen and {min} are needed");
                let severity = if settings.require_samples { Severity::Critical } else { Severity::Info };
                Finding::new(severity, &format!("{name}-not-run"), message)
            }
            Ok(score) if !score.is_finite() => {
                let message = format!("{name}: fail, `{}` is not a number", self.metric.name());
                Finding::critical(&format!("{name}-fail"), message)
            }
            Ok(score) => {
                let severity = self.criterion.severity(score);
                let result = match severity {
                    Severity::Info => "pass",
                    Severity::Warning => "warning",
                    Severity::Critical => "fail",
                };
                let threshold = self.criterion.described(self.metric);
                let message = format!("{name}: {result}, {}; {threshold}", self.metric.shown(score));
                Finding::new(severity, &format!("{name}-{result}"), message)
            }
        };
        finding.about(self.metric.name())
    }

    fn score(&self, observed: &Observation, settings: &Settings) -> Result<f64, NotRun> {
        let measured = |series: &Series| {
            let value = series.value.filter(|_| series.samples >= settings.min_samples);
            value.map(|value| value * self.metric.scale())
        };
        let value = measured(&observed.treatment).ok_or(NotRun::TooFewSamples)?;
        match self.score {
            Score::Value => Ok(value),
            Score::Drop => {
                let kept = settings.baseline_accuracy_bp.map(|bp| bp as f64);
                // Nothing can drop from a baseline of zero.
                let baseline = measured(&observed.control).filter(|baseline| *baseline > 0.0).or(kept);
                let baseline = baseline.ok_or(NotRun::NoBaseline)?;
                Ok((baseline - value) / baseline * self.metric.scale())
            }
        }
    }
}

impl Metric {
    /// Its name, which is also the query's id.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::ErrorRate => "error_rate",
            Self::LatencyMs => "latency_ms",
            Self::Drift => "drift",
            Self::DataQuality => "data_quality",
        }
    }

    /// How its samples become one value.
    pub(crate) fn aggregation(self) -> Aggregation {
        match self {
            // A mean would hide the slow tail, a maximum would judge one hiccup.
            Self::LatencyMs => Aggregation::P95,
            Self::Accuracy | Self::ErrorRate | Self::Drift | Self::DataQuality => Aggregation::Mean,
        }
    }

    /// From the reported value to the unit of the settings.
    fn scale(self) -> f64 {
        match self {
            Self::LatencyMs => 1.0,
            Self::Accuracy | Self::ErrorRate | Self::Drift | Self::DataQuality => 10_000.0,
        }
    }

    /// A value in the unit of the settings, for people: with at most two digits after the point.
    fn shown(self, value: f64) -> String {
        let rounded = |value: f64| (value * 100.0).round() / 100.0;
        match self {
            Self::LatencyMs => format!("{} ms", rounded(value)),
            Self::Accuracy | Self::ErrorRate | Self::Drift | Self::DataQuality => {
                format!("{} %", rounded(value / 100.0))
            }
        }
    }
}

impl Criterion {
    fn severity(self, score: f64) -> Severity {
        let passes = match self {
            Self::AtLeast(least) => score >= least as f64,
            Self::AtMost(most) => score <= most as f64,
            Self::Below(levels) => return levels.reached(score).unwrap_or(Severity::Info),
        };
        if passes { Severity::Info } else { Severity::Critical }
    }

    fn described(self, metric: Metric) -> String {
        let shown = |level: u64| metric.shown(level as f64);
        match self {
            Self::AtLeast(least) => format!("at least {} is needed", shown(least)),
            Self::AtMost(most) => format!("at most {} is allowed", shown(most)),
            Self::Below(Levels { warning, critical }) => {
                format!("it warns from {} and fails from {} on", shown(warning), shown(critical))
            }
        }
    }
}
