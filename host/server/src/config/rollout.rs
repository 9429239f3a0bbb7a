//! How rollouts go unless a change says otherwise, and within which bounds it may.

use interlock_domain::AtOnce;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rollouts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rollout {
    /// The strategy of changes that name none.
    pub strategy: String,
    /// How many targets of a site or group are on their way at once, whatever strategy leads. `of` is how its name begins:
    /// `site:` is each site, `group:ward-` each group whose name begins with `ward-`. For devices that stand in for each
    /// other, make a group of each pair (`pair-17`), and say `{ of = "group:pair-", targets = 1 }`.
    #[schemars(with = "Vec<std::collections::BTreeMap<String, String>>")]
    pub at_once: Vec<AtOnce>,
    /// How long a change may wait for approvals, in milliseconds.
    pub expires_after_ms: u64,
    /// A target without progress for so long counts as failed, in milliseconds, unless the change says otherwise.
    pub silent_after_ms: u64,
    /// The shortest such time that a change may ask for.
    pub silent_after_ms_min: u64,
    /// The longest such time that a change may ask for: one dead device must not keep a rollout for ever.
    pub silent_after_ms_max: u64,
    /// How often health is judged, in milliseconds, unless the change says otherwise.
    pub judge_every_ms: u64,
    /// The shortest such time that a change may ask for: each judgement is recorded.
    pub judge_every_ms_min: u64,
    /// The longest such time that a change may ask for: a rollout must not outrun its health checks.
    pub judge_every_ms_max: u64,
    /// How often the reconciler looks at every live change, in milliseconds; it is also woken by events.
    pub tick_ms: u64,
    /// How long a lease holds without being renewed, in milliseconds.
    pub lease_ms: u64,
    /// Most targets that one change may have.
    pub targets_max: u64,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            strategy: "canary".to_owned(),
            at_once: Vec::new(),
            expires_after_ms: 72 * 3_600_000,
            silent_after_ms: 3_600_000,
            silent_after_ms_min: 1_000,
            silent_after_ms_max: 7 * 24 * 3_600_000,
            judge_every_ms: 300_000,
            judge_every_ms_min: 1_000,
            judge_every_ms_max: 3_600_000,
            tick_ms: 1_000,
            lease_ms: 10_000,
            targets_max: 1_000_000,
        }
    }
}
