//! The gate `size-limit` as an Extism plugin: JSON in, JSON out, which is how Extism plugins speak.

use extism_pdk::{FnResult, Json, plugin_fn};
use serde::{Deserialize, Serialize};

/// What it is asked. Only what the gate needs: serde skips the rest, which is cheaper than reading it.
#[derive(Deserialize)]
pub struct Question {
    change: Change,
    settings: Settings,
}

#[derive(Deserialize)]
struct Change {
    artifacts: Vec<Artifact>,
}

#[derive(Deserialize)]
struct Artifact {
    name: String,
    digest: String,
    size_bytes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default = "default_max_bytes")]
    max_bytes: u64,
}

fn default_max_bytes() -> u64 {
    64 << 20
}

/// What it answers.
#[derive(Serialize)]
pub struct Verdict {
    outcome: &'static str,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    code: &'static str,
    severity: &'static str,
    message: String,
    subject: String,
}

/// Refuses artifacts that are larger than the operator allows.
#[plugin_fn]
pub fn evaluate(Json(question): Json<Question>) -> FnResult<Json<Verdict>> {
    let max = question.settings.max_bytes;
    let oversized = question.change.artifacts.into_iter().filter(|artifact| artifact.size_bytes > max);
    let findings: Vec<Finding> = oversized
        .map(|Artifact { name, digest, size_bytes }| Finding {
            code: "artifact-too-large",
            severity: "critical",
            message: format!("`{name}` has {size_bytes} bytes; at most {max} are allowed"),
            subject: digest,
        })
        .collect();
    let outcome = if findings.is_empty() { "pass" } else { "fail" };
    Ok(Json(Verdict { outcome, findings }))
}
