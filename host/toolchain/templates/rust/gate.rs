//! The gate `my-plugin`.
use interlock_plugin_sdk::prelude::*;

/// What an operator sets for the gate.
#[settings]
pub struct Settings {
    /// The highest size of one artifact, in bytes.
    #[schemars(range(min = 1))]
    #[default(64 << 20)]
    pub max_bytes: u64,
}

/// Refuses artifacts that are larger than the operator allows.
#[gate(name = "my-plugin")]
pub fn judge(change: &Change, settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
    let too_large = change.artifacts.iter().filter(|artifact| artifact.size_bytes > settings.max_bytes);
    let finding = |artifact: &Artifact| {
        let Artifact { name, size_bytes, .. } = artifact;
        let message = format!("`{name}` has {size_bytes} bytes; at most {} are allowed", settings.max_bytes);
        Finding::critical("artifact-too-large", message).about(&artifact.digest)
    };
    Ok(too_large.map(finding).collect())
}

#[cfg(test)]
mod tests {
    use interlock_plugin_sdk::testing;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_artifact_above_the_limit_fails() {
        let verdict = testing::evaluate::<Judge>(&testing::change(), json!({"max_bytes": 10}), testing::NOON);
        assert_eq!(verdict.unwrap().findings[0].code, "artifact-too-large");
    }
}
