//! The change of a case: what it does not say is filled in, so that it says only what matters.

use std::collections::BTreeMap;

use interlock_ledger::Digest;
use interlock_sandbox::types::{Artifact, Change, ChangeKind, Group, Population, RollbackTarget};
use serde::Deserialize;
use serde_json::Value;

use crate::moment::Moment;

/// A change as a case writes it. Without a word it is a release of `pump-firmware` 2.1.0 to 200 pumps at two sites that
/// run 2.0.0, the same as in the SDK's native tests.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ChangeDraft {
    id: Option<String>,
    tenant: Option<String>,
    environment: Option<String>,
    kind: Option<ChangeKind>,
    digest: Option<String>,
    title: Option<String>,
    author: Option<String>,
    proposed_at: Option<Moment>,
    artifacts: Option<Vec<ArtifactDraft>>,
    population: Option<PopulationDraft>,
    rollback: Option<Vec<RollbackDraft>>,
    /// The manifest itself, or its text.
    manifest: Option<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ArtifactDraft {
    name: Option<String>,
    version: Option<String>,
    digest: Option<String>,
    size_bytes: Option<u64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PopulationDraft {
    size: Option<u64>,
    digest: Option<String>,
    groups: Option<Groups>,
}

/// `{ north: 120 }`, or as the contract has it: `[{ name: north, size: 120 }]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Groups {
    ByName(BTreeMap<String, u64>),
    List(Vec<Group>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollbackDraft {
    version: String,
    /// Absent when there is none to go back to.
    #[serde(default)]
    artifact: Option<String>,
    /// The whole population when absent.
    targets: Option<u64>,
}

impl ChangeDraft {
    /// The whole change, seen at `now`.
    pub(crate) fn fill(&self, now: u64) -> Change {
        let draft = self.clone();
        let kind = draft.kind.unwrap_or(ChangeKind::Release);
        let release = kind == ChangeKind::Release;
        let population = draft.population.unwrap_or_default().fill();
        let artifacts =
            draft.artifacts.unwrap_or_else(|| vec![ArtifactDraft::default(); usize::from(release)]);
        let rollback = match draft.rollback {
            Some(targets) => targets.into_iter().map(|target| target.fill(population.size)).collect(),
            None if release => vec![RollbackTarget {
                version: "2.0.0".into(),
                artifact: Some(Digest::of("pump-firmware 2.0.0").to_string()),
                targets: population.size,
            }],
            None => Vec::new(),
        };
        let manifest = match draft.manifest {
            Some(Value::String(text)) => text,
            Some(manifest) => manifest.to_string(),
            None => "{}".to_owned(),
        };
        Change {
            id: draft.id.unwrap_or_else(|| "chg_1".into()),
            tenant: draft.tenant.unwrap_or_else(|| "acme".into()),
            environment: draft.environment.unwrap_or_else(|| "production".into()),
            kind,
            digest: draft.digest.unwrap_or_else(|| Digest::of(&manifest).to_string()),
            title: draft.title.unwrap_or_else(|| "Pump firmware 2.1.0".into()),
            author: draft.author.unwrap_or_else(|| "ana".into()),
            proposed_at: draft.proposed_at.map_or(now, |at| at.instant(now)),
            artifacts: artifacts.into_iter().map(ArtifactDraft::fill).collect(),
            population,
            rollback,
            manifest,
        }
    }
}

impl ArtifactDraft {
    fn fill(self) -> Artifact {
        let name = self.name.unwrap_or_else(|| "pump-firmware".into());
        let version = self.version.unwrap_or_else(|| "2.1.0".into());
        let digest = self.digest.unwrap_or_else(|| Digest::of(format!("{name} {version}")).to_string());
        Artifact { digest, size_bytes: self.size_bytes.unwrap_or(1 << 20), name, version }
    }
}

impl PopulationDraft {
    /// Groups follow from the size only where neither is said: two sites of a population of five would be a lie.
    fn fill(self) -> Population {
        let group = |(name, size): (&str, u64)| Group { name: name.into(), size };
        let groups = match self.groups {
            Some(Groups::List(groups)) => groups,
            Some(Groups::ByName(groups)) => groups.iter().map(|(name, size)| group((name, *size))).collect(),
            None if self.size.is_none() => [("north", 120), ("south", 80)].map(group).into(),
            None => Vec::new(),
        };
        let sum = || groups.iter().fold(0_u64, |sum, group| sum.saturating_add(group.size));
        Population {
            size: self.size.unwrap_or_else(sum),
            digest: self.digest.unwrap_or_else(|| Digest::of("population").to_string()),
            groups,
        }
    }
}

impl RollbackDraft {
    fn fill(self, size: u64) -> RollbackTarget {
        RollbackTarget {
            version: self.version,
            artifact: self.artifact,
            targets: self.targets.unwrap_or(size),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::NOON;

    fn fill(draft: Value) -> Change {
        serde_json::from_value::<ChangeDraft>(draft).unwrap().fill(NOON)
    }

    #[test]
    fn a_change_that_says_nothing_is_a_release_to_200_pumps() {
        let change = fill(json!({}));
        assert_eq!(
            (change.kind, change.population.size, change.artifacts.len()),
            (ChangeKind::Release, 200, 1)
        );
        assert_eq!(change.rollback[0].targets, 200);
        assert_eq!(change.proposed_at, NOON);
    }

    #[test]
    fn what_is_said_draws_the_rest_along() {
        let change = fill(json!({
            "population": { "size": 5 },
            "rollback": [{ "version": "1.9" }],
            "artifacts": [{ "version": "3.0" }],
            "proposed_at": "1h ago",
        }));
        assert_eq!((change.rollback[0].targets, change.rollback[0].artifact.as_ref()), (5, None));
        assert!(change.population.groups.is_empty());
        assert_eq!(change.artifacts[0].digest, Digest::of("pump-firmware 3.0").to_string());
        assert_eq!(change.proposed_at, NOON - 3_600_000);
        let config = fill(json!({ "kind": "config" }));
        assert!(config.artifacts.is_empty() && config.rollback.is_empty());
    }

    #[test]
    fn a_recorded_change_is_read_as_it_was() {
        let change = fill(json!({ "population": { "groups": { "a": 3, "b": 4 } }, "manifest": { "x": 1 } }));
        assert_eq!((change.population.size, change.manifest.as_str()), (7, r#"{"x":1}"#));
        assert_eq!(fill(serde_json::to_value(&change).unwrap()), change);
    }
}
