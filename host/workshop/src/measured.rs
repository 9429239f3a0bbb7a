//! What a case says that the host measured.

use interlock_sandbox::types::{Observation, Query, Series};
use serde::Deserialize;

use crate::short::{Short, Shorthand};

/// How many targets and samples a value stands for that does not say.
const PLENTY: u64 = 100;

/// The answer to one query: `0.03` for the treatment alone, `{ treatment: 120, control: 100 }`, or `unanswered`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ObservedDraft {
    treatment: Option<Short<SeriesDraft>>,
    control: Option<Short<SeriesDraft>>,
    #[serde(skip)]
    unanswered: bool,
}

/// What one cohort showed: a value, or what lies behind it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SeriesDraft {
    targets: Option<u64>,
    samples: Option<u64>,
    value: Option<Short<Number>>,
    raw: Vec<Short<Number>>,
}

/// A number; `NaN` and `inf` are written as text, because JSON has no number for them.
#[derive(Debug, Clone, Copy)]
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        f64::deserialize(from).map(Self)
    }
}

impl Shorthand for Number {
    const EXPECTED: &'static str = "a number, `NaN`, `inf` or `-inf`";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("`{text}` is no number: expected {}", Self::EXPECTED))
    }

    fn from_number(number: f64) -> Result<Self, String> {
        Ok(Self(number))
    }
}

impl Shorthand for ObservedDraft {
    const EXPECTED: &'static str = "a value, `unanswered`, or `treatment` and `control`";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "unanswered" => Ok(Self { unanswered: true, ..Self::default() }),
            _ => SeriesDraft::from_text(text).map(Self::treated),
        }
    }

    fn from_number(number: f64) -> Result<Self, String> {
        SeriesDraft::from_number(number).map(Self::treated)
    }
}

impl Shorthand for SeriesDraft {
    const EXPECTED: &'static str = "a value, or `targets`, `samples`, `value` and `raw`";

    /// `NaN` and `inf` have no number of their own in JSON.
    fn from_text(text: &str) -> Result<Self, String> {
        let number =
            text.parse().map_err(|_| format!("`{text}` is no number: expected {}", Self::EXPECTED))?;
        Self::from_number(number)
    }

    fn from_number(number: f64) -> Result<Self, String> {
        Ok(Self { value: Some(Short(Number(number))), ..Self::default() })
    }
}

impl ObservedDraft {
    fn treated(series: SeriesDraft) -> Self {
        Self { treatment: Some(Short(series)), ..Self::default() }
    }

    /// The observation that answers `query`; nothing where the host shall leave it unanswered.
    pub(crate) fn answer(&self, query: Query) -> Option<Observation> {
        let series = |draft: &Option<Short<SeriesDraft>>| {
            draft.clone().unwrap_or(Short(SeriesDraft::default())).0.fill()
        };
        let (treatment, control) = (series(&self.treatment), series(&self.control));
        (!self.unanswered).then_some(Observation { query, treatment, control })
    }
}

impl SeriesDraft {
    fn fill(self) -> Series {
        let Self { targets, samples, value, raw } = self;
        let value = value.map(|Short(Number(value))| value);
        let raw: Vec<f64> = raw.into_iter().map(|Short(Number(value))| value).collect();
        let seen = if value.is_some() { PLENTY } else { raw.len() as u64 };
        let samples = samples.unwrap_or(seen);
        Series { targets: targets.unwrap_or(if samples > 0 { PLENTY } else { 0 }), samples, value, raw }
    }
}

#[cfg(test)]
mod tests {
    use interlock_sandbox::types::Aggregation;
    use serde_json::{Value, json};

    use super::*;

    fn answer(draft: Value) -> Option<Observation> {
        let Short(draft) = serde_json::from_value::<Short<ObservedDraft>>(draft).unwrap();
        let aggregation = Aggregation::Mean;
        draft.answer(Query { id: "q".into(), metric: "q".into(), window_ms: 1, aggregation })
    }

    #[test]
    fn a_number_is_what_the_treatment_showed() {
        let observed = answer(json!(0.5)).unwrap();
        assert_eq!((observed.treatment.value, observed.treatment.samples), (Some(0.5), PLENTY));
        assert_eq!((observed.control.targets, observed.control.value), (0, None));
        assert!(answer(json!("NaN")).unwrap().treatment.value.unwrap().is_nan());
        assert!(answer(json!("unanswered")).is_none());
    }

    #[test]
    fn what_is_no_number_of_json_is_written_as_text() {
        let observed = answer(json!({ "treatment": { "value": "-inf", "samples": 3, "raw": ["NaN", 1.5] } }));
        let series = observed.unwrap().treatment;
        assert_eq!((series.value, series.raw[1]), (Some(f64::NEG_INFINITY), 1.5));
        assert!(series.raw[0].is_nan());
        assert!(
            serde_json::from_value::<Short<ObservedDraft>>(json!({ "treatment": { "raw": ["many"] } }))
                .is_err()
        );
    }

    #[test]
    fn cohorts_are_told_apart_and_samples_counted() {
        let observed = answer(json!({ "treatment": { "raw": [1, 2] }, "control": 7 })).unwrap();
        assert_eq!((observed.treatment.samples, observed.treatment.raw), (2, vec![1.0, 2.0]));
        assert_eq!(observed.control.value, Some(7.0));
    }
}
