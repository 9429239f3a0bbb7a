//! Rollouts: an admitted change in progress, stage by stage.

use serde::{Deserialize, Serialize};

use crate::{Decision, DecisionId, Finding, GateMode, Outcome, Refusal, Timestamp, percent_of};

/// Whom a stage reaches. Exposure is cumulative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Exposure {
    /// Offered to nobody.
    Shadow,
    /// A share of the population.
    Percent {
        /// In basis points: 500 is 5 %.
        basis_points: u32,
    },
    /// All targets of these sites and groups (`site:north`, `group:canaries`).
    Groups {
        /// Their names.
        names: Vec<String>,
    },
    /// Everybody.
    All,
}

impl Exposure {
    /// The share in basis points, for policies. Groups count by the sizes that the population knows.
    pub fn basis_points(&self, population: &crate::Population) -> u32 {
        match self {
            Exposure::Shadow => 0,
            Exposure::Percent { basis_points } => (*basis_points).min(10_000),
            Exposure::All => 10_000,
            Exposure::Groups { names } => {
                let reached: u64 = names.iter().filter_map(|name| population.groups.get(name)).sum();
                let share = (reached.min(population.size) * 10_000).div_ceil(population.size.max(1));
                u32::try_from(share).unwrap_or(10_000)
            }
        }
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// For people: `canary 5 %`.
    pub name: String,
    /// Whom it reaches.
    pub exposure: Exposure,
    /// How long health must stay good after the stage settled.
    pub hold_ms: u64,
}

impl Stage {
    /// How many ranks of the rollout's order this stage reaches; `None` for stages by group.
    pub fn ranks(&self, population: u64) -> Option<u64> {
        match &self.exposure {
            Exposure::Shadow => Some(0),
            Exposure::Percent { basis_points } => Some(percent_of(*basis_points, population)),
            Exposure::All => Some(population),
            Exposure::Groups { .. } => None,
        }
    }
}

/// A stage that was entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Its index in the plan.
    pub index: u32,
    /// When.
    pub entered_at: Timestamp,
    /// The policy decision that allowed it.
    pub decision: DecisionId,
}

/// The newest verdict of one health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthVerdict {
    /// What it is called: the id of its binding, or else the plugin's name.
    pub check: String,
    /// Whether it counts, or is only recorded.
    #[serde(default = "crate::manifest::enforced", skip_serializing_if = "crate::manifest::is_enforced")]
    pub mode: GateMode,
    /// When it judged.
    pub at: Timestamp,
    /// What it said.
    pub outcome: Outcome,
    /// Why.
    pub findings: Vec<Finding>,
    /// The recorded call.
    pub decision: DecisionId,
}

/// How many targets are in which state. `pending` counts those that no stage has reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Not reached yet.
    pub pending: u64,
    /// Reached, but another change is at work on it.
    pub waiting: u64,
    /// Reached, not started.
    pub offered: u64,
    /// Fetching the artifact.
    pub downloading: u64,
    /// Writing it.
    pub installing: u64,
    /// The client says that it is done.
    pub installed: u64,
    /// The target reports the new version and is healthy.
    pub verified: u64,
    /// It did not work.
    pub failed: u64,
    /// Nothing was heard for too long.
    pub silent: u64,
    /// On its way back.
    pub rolling_back: u64,
    /// Back on its old version, and seen there.
    pub rolled_back: u64,
    /// Could not be brought back; needs a person.
    pub rollback_failed: u64,
    /// Let go untouched when the rollout ended.
    pub released: u64,
    /// Taken over by a later change.
    pub superseded: u64,
}

impl Progress {
    /// Every target.
    pub fn targets(&self) -> u64 {
        self.pending
            + self.exposed()
            + self.rolling_back
            + self.rolled_back
            + self.rollback_failed
            + self.released
            + self.superseded
    }

    /// Targets that a stage has reached and that are not on their way back.
    pub fn exposed(&self) -> u64 {
        self.open() + self.verified + self.failed + self.silent
    }

    /// Reached and not settled.
    pub fn open(&self) -> u64 {
        self.waiting + self.offered + self.downloading + self.installing + self.installed
    }
}

/// The state of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// When the change was admitted.
    pub admitted_at: Timestamp,
    /// The stages entered so far, oldest first.
    pub stages: Vec<StageRecord>,
    /// When the last target of the current stage settled.
    pub settled_at: Option<Timestamp>,
    /// An operator asked to leave the current stage without waiting.
    pub promoted: bool,
    /// The newest verdict of each health check.
    pub health: Vec<HealthVerdict>,
}

impl Rollout {
    /// The current stage.
    pub fn stage(&self) -> Option<u32> {
        self.stages.last().map(|stage| stage.index)
    }

    /// When the current stage was entered.
    pub fn entered_at(&self) -> Option<Timestamp> {
        self.stages.last().map(|stage| stage.entered_at)
    }

    /// The index of the stage that comes next.
    pub fn next_stage(&self) -> u32 {
        self.stage().map_or(0, |stage| stage + 1)
    }

    /// The newest verdicts that count. What a check in monitor mode says leads to nothing.
    pub fn counting_health(&self) -> impl Iterator<Item = &HealthVerdict> {
        self.health.iter().filter(|verdict| verdict.mode == GateMode::Enforce)
    }

    /// The worst of the newest verdicts that count.
    pub fn worst_health(&self) -> Outcome {
        crate::worst(self.counting_health().map(|verdict| verdict.outcome))
    }

    /// When health was last judged.
    pub fn judged_at(&self) -> Option<Timestamp> {
        self.health.iter().map(|verdict| verdict.at).max()
    }
}

/// What a strategy wants next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Directive {
    /// Enter this stage.
    EnterStage {
        /// Its index.
        index: u32,
    },
    /// Nothing before this instant, unless the situation changes.
    Wait {
        /// When to ask again at the latest.
        until: Timestamp,
    },
    /// Done.
    Complete,
    /// Call a person.
    Pause {
        /// Why.
        reason: String,
    },
    /// Go back.
    RollBack {
        /// Why.
        reason: String,
    },
}

/// Checks a directive against the plan and the facts, before the policies are asked: a strategy may neither
/// skip a stage nor complete while targets are open. What a strategy may always do is stop or go back.
pub fn next_directive_allowed(
    rollout: &Rollout,
    plan_len: usize,
    progress: &Progress,
    directive: &Directive,
) -> Result<(), Refusal> {
    match directive {
        Directive::EnterStage { index } => {
            let next = rollout.next_stage();
            if *index != next || usize::try_from(next).is_ok_and(|next| next >= plan_len) {
                return Err(Refusal::SkippedStage { asked: *index, next });
            }
            Ok(())
        }
        Directive::Complete => {
            let open = progress.pending + progress.open();
            if open > 0 {
                return Err(Refusal::NotSettled { open, targets: progress.targets() });
            }
            Ok(())
        }
        Directive::Wait { .. } | Directive::Pause { .. } | Directive::RollBack { .. } => Ok(()),
    }
}

/// An allowing decision about entering a stage, as the rollout records it.
pub(crate) fn record(index: u32, decision: &Decision, now: Timestamp) -> StageRecord {
    StageRecord { index, entered_at: now, decision: decision.id.clone() }
}
