//! Measurements: an extension of the protocol, beside `configData`.
//!
//! `POST …/telemetry` `{"samples":[{"metric":"error_rate","value":0.004}]}`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;

use super::{
    auth::Speaker,
    body::{Message, Said, object},
    error::DdiError,
};
use crate::{App, flow::poll};

/// Most samples in one message.
const SAMPLES_MAX: usize = 100;
/// Longest name of a metric.
const METRIC_MAX: usize = 64;
/// What the host measures itself; a device may not pretend to.
const RESERVED: &str = "interlock.";

/// Samples, checked.
pub(super) struct Telemetry(Vec<(String, f64)>);

#[derive(Deserialize)]
struct Wire {
    samples: Vec<SampleWire>,
}

#[derive(Deserialize)]
struct SampleWire {
    metric: String,
    value: f64,
}

impl Message for Telemetry {
    fn read(body: &[u8]) -> Result<Self, DdiError> {
        let Wire { samples } = object(body)?;
        if samples.len() > SAMPLES_MAX {
            return Err(DdiError::bad_value(format!("a message has at most {SAMPLES_MAX} samples")));
        }
        let name_like =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.');
        for SampleWire { metric, value } in &samples {
            if metric.is_empty() || metric.len() > METRIC_MAX || !metric.bytes().all(name_like) {
                let detail = format!("a metric has a name of 1 to {METRIC_MAX} of a-z, 0-9, `_` and `.`");
                return Err(DdiError::bad_value(detail));
            }
            if metric.starts_with(RESERVED) {
                return Err(DdiError::bad_value(format!(
                    "names that begin with `{RESERVED}` are the server's own"
                )));
            }
            if !value.is_finite() {
                return Err(DdiError::bad_value(format!("the value of `{metric}` is not finite")));
            }
        }
        Ok(Self(samples.into_iter().map(|sample| (sample.metric, sample.value)).collect()))
    }
}

/// `POST telemetry`.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    Speaker { device, .. }: Speaker,
    Said(Telemetry(samples)): Said<Telemetry>,
) -> Result<StatusCode, DdiError> {
    poll::telemetry(&app, &device, samples).await?;
    Ok(StatusCode::OK)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn accepts(body: &str) -> bool {
        Telemetry::read(body.as_bytes()).is_ok()
    }

    fn one(metric: &str) -> String {
        json!({"samples": [{"metric": metric, "value": 0.004}]}).to_string()
    }

    #[test]
    fn metrics_have_plain_names_that_are_not_the_servers() {
        for metric in ["error_rate", "latency_ms.p99", "9", &"a".repeat(64), "interlock", "interlocked.x"] {
            assert!(accepts(&one(metric)), "{metric}");
        }
        for metric in ["", "Error", "a b", "é", "a-b", "interlock.failures", &"a".repeat(65)] {
            assert!(!accepts(&one(metric)), "{metric}");
        }
    }

    #[test]
    fn values_are_finite_numbers() {
        for value in ["1e999", "-1e999", "NaN", "Infinity", "\"1\"", "null", "true"] {
            assert!(!accepts(&format!(r#"{{"samples":[{{"metric":"m","value":{value}}}]}}"#)), "{value}");
        }
        assert!(accepts(r#"{"samples":[{"metric":"m","value":-3}]}"#));
    }

    #[test]
    fn a_message_has_a_limited_number_of_samples() {
        let many = |count| {
            let samples: Vec<Value> =
                (0..count).map(|n| json!({"metric": format!("m{n}"), "value": n})).collect();
            json!({"samples": samples}).to_string()
        };
        assert!(accepts(&many(0)));
        assert!(accepts(&many(100)));
        assert!(!accepts(&many(101)));
        assert!(!accepts("{}"));
    }
}
