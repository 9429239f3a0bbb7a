//! A first plugin in 20 lines: refuses artifacts that are larger than the operator allows.
use interlock_plugin_sdk::prelude::*;

#[settings]
struct Settings {
    /// The highest size of one artifact, in bytes.
    #[default(64 << 20)]
    max_bytes: u64,
}

/// Refuses artifacts that are larger than the operator allows.
#[gate(name = "size-limit")]
fn size_limit(change: &Change, settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
    let oversized = change.artifacts.iter().filter(|artifact| artifact.size_bytes > settings.max_bytes);
    let finding = |artifact: &Artifact| {
        let Artifact { name, size_bytes, .. } = artifact;
        let message = format!("`{name}` has {size_bytes} bytes; at most {} are allowed", settings.max_bytes);
        Finding::critical("artifact-too-large", message).about(&artifact.digest)
    };
    Ok(oversized.map(finding).collect())
}

#[cfg(test)]
mod tests {
    use interlock_plugin_sdk::testing;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_artifact_above_the_limit_fails() {
        let verdict =
            testing::evaluate::<SizeLimit>(&testing::change(), json!({"max_bytes": 10}), testing::NOON);
        assert_eq!(verdict.unwrap().findings[0].code, "artifact-too-large");
    }

    #[test]
    fn an_artifact_within_the_limit_passes() {
        let verdict = testing::evaluate::<SizeLimit>(&testing::change(), json!({}), testing::NOON);
        assert_eq!(verdict.unwrap(), Verdict::pass());
    }
}
