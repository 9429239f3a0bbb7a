//! The WIT interface `health`. Floats are strings in JSON: canonical JSON has none.

use serde::{Deserialize, Serialize};

/// How samples inside the window become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// Keep the samples.
    Raw,
    /// Their arithmetic mean.
    Mean,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
    /// All added up.
    Sum,
    /// How many.
    Count,
    /// The median.
    P50,
    /// The 95th percentile.
    P95,
    /// The 99th percentile.
    P99,
}

/// Something to measure, in both cohorts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// A name that `judge` finds it under.
    pub id: String,
    /// The metric.
    pub metric: String,
    /// How far to look back from now.
    pub window_ms: u64,
    /// How the samples become one number.
    pub aggregation: Aggregation,
}

/// What one cohort showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// How many targets are in the cohort.
    pub targets: u64,
    /// How many samples fell into the window.
    pub samples: u64,
    /// The aggregated value; absent without samples, and for `raw`.
    #[serde(with = "optional_float")]
    pub value: Option<f64>,
    /// The samples, oldest first, only for `raw`.
    #[serde(with = "floats")]
    pub raw: Vec<f64>,
}

/// The answer to one query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// What was asked.
    pub query: Query,
    /// What the targets with the new revision showed.
    pub treatment: Series,
    /// What the others showed.
    pub control: Series,
}

mod optional_float {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        value.map(|v| v.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        Option::<String>::deserialize(from)?.map(|text| text.parse().map_err(Error::custom)).transpose()
    }
}

mod floats {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(values: &[f64], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(f64::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        Vec::<String>::deserialize(from)?.iter().map(|text| text.parse().map_err(Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_series_survives_canonical_json_bit_for_bit(
            value in proptest::option::of(any::<f64>()), raw in proptest::collection::vec(any::<f64>(), 0..8),
        ) {
            let series = Series { targets: 1, samples: 2, value, raw };
            let bytes = interlock_ledger::to_canonical(&series).unwrap();
            let back: Series = serde_json::from_slice(&bytes).unwrap();
            let bits = |s: &Series| s.raw.iter().chain(&s.value).map(|v| v.to_bits()).collect::<Vec<_>>();
            // A NaN has many bit patterns and one spelling.
            if series.raw.iter().chain(&series.value).all(|v| !v.is_nan()) {
                prop_assert_eq!(bits(&series), bits(&back));
            }
        }
    }
}
