//! Approval profiles: whose approvals a change needs, in which order, and what has come together of them.
//!
//! A profile is a list of levels. Each asks for so many distinct persons who hold one of its roles; a person counts for one
//! level only, and so does a person on whose behalf somebody approved. Whatever can be counted together is: of all ways to
//! give persons to levels, one that fills most places is taken (a maximum matching).

use serde::{Deserialize, Serialize};

use crate::{ApprovalFacts, ChangeKind, Environment, Given, PersonId, Role, Timestamp};

mod count;

/// Whether levels wait for each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// A level's turn comes when those before it are complete. What was given before does not count for it.
    Ordered,
    /// All levels at once.
    #[default]
    Parallel,
}

/// What the approvals of a profile are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stages {
    /// For the whole change, once.
    #[default]
    Once,
    /// For the change and its first stage; every later stage needs approvals that name it.
    Each,
}

/// Whose approvals a change needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// What it is called.
    pub name: String,
    /// The kinds of change that it is for.
    pub kinds: Vec<ChangeKind>,
    /// The environments that it is for; it is for all guarded ones when `guarded`.
    pub environments: Vec<Environment>,
    /// Whether it is for every guarded environment.
    pub guarded: bool,
    /// Whether levels wait for each other.
    pub order: Order,
    /// Whether each stage needs approvals of its own.
    pub stages: Stages,
    /// How long a change may wait until it is admitted; as the server is configured when absent.
    pub expires_pending_ms: Option<u64>,
    /// How long an approval lasts before the rollout has begun; without end when absent.
    pub expires_approved_ms: Option<u64>,
    /// Whether one rejection ends the change.
    pub veto: bool,
    /// What it needs.
    pub levels: Vec<Level>,
}

/// One level of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// What it is called.
    pub name: String,
    /// Whoever counts for it holds one of these.
    pub roles: Vec<Role>,
    /// How many distinct persons.
    pub count: u32,
    /// Whether only signed approvals count.
    pub signature: bool,
    /// How long its turn lasts before more roles may fill it.
    pub escalate_after_ms: Option<u64>,
    /// Those roles.
    pub escalate_to: Vec<Role>,
}

/// What has come together of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The levels, in order.
    pub levels: Vec<LevelTally>,
}

/// What has come together of one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelTally {
    /// Who counts for it, in the order of their approvals.
    pub persons: Vec<PersonId>,
    /// Whether these are enough, and those of every level before it when the levels are ordered.
    pub complete: bool,
    /// Since when it is its turn; absent while it is not.
    pub open_since: Option<Timestamp>,
    /// When more roles may fill it, or could since; absent when that never happens.
    pub escalates_at: Option<Timestamp>,
    /// When the first of the approvals that count for it expires.
    pub expires_at: Option<Timestamp>,
}

impl Tally {
    /// Whether every level is complete.
    pub fn complete(&self) -> bool {
        self.levels.iter().all(|level| level.complete)
    }

    /// How many levels are complete.
    pub fn levels_complete(&self) -> u32 {
        crate::approval::count(self.levels.iter().filter(|level| level.complete).count())
    }
}

/// Why an approval would count for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotNow {
    /// It is another level's turn.
    OutOfTurn {
        /// The level that it would be for.
        level: String,
        /// The one whose turn it is.
        before: String,
    },
    /// The level counts signed approvals only.
    Unsigned {
        /// The level.
        level: String,
    },
}

impl Profile {
    /// Whether it is for this kind of change there.
    pub fn is_for(&self, kind: ChangeKind, environment: &Environment, guarded: bool) -> bool {
        self.kinds.contains(&kind) && (self.environments.contains(environment) || (self.guarded && guarded))
    }

    /// The one of these that is for such a change: the first.
    pub fn of<'a>(
        profiles: &'a [Profile],
        kind: ChangeKind,
        environment: &Environment,
        guarded: bool,
    ) -> Option<&'a Profile> {
        profiles.iter().find(|profile| profile.is_for(kind, environment, guarded))
    }

    /// When an approval of that instant no longer counts.
    pub fn expiry(&self, at: Timestamp) -> Option<Timestamp> {
        self.expires_approved_ms.map(|after| at.plus_millis(i64::try_from(after).unwrap_or(i64::MAX)))
    }

    /// What has come together for entering `stage` (0 also stands for admission).
    pub fn tally(&self, facts: &ApprovalFacts, stage: u32, now: Timestamp) -> Tally {
        count::tally(self, facts, stage, now)
    }

    /// Whether one more approval would count for nothing although there is a level for it. One that is merely not needed any
    /// more is no mistake.
    pub fn not_now(&self, facts: &ApprovalFacts, stage: u32, more: &Given, now: Timestamp) -> Option<NotNow> {
        let tally = self.tally(facts, stage, now);
        let fits = |level: &Level, at: &LevelTally| {
            level.roles.iter().any(|role| more.roles.contains(role))
                || (at.escalates_at.is_some_and(|from| from <= now)
                    && level.escalate_to.iter().any(|role| more.roles.contains(role)))
        };
        let with = facts.with_given(more.clone());
        let counted = |tally: &Tally| tally.levels.iter().any(|level| level.persons.contains(&more.person));
        if counted(&self.tally(&with, stage, now)) {
            return None;
        }
        let open = self.levels.iter().zip(&tally.levels).filter(|(_, level)| !level.complete);
        let mut wanting = open.filter(|(level, at)| fits(level, at));
        let (level, at) = wanting.next()?;
        if at.open_since.is_some() {
            return (level.signature && !more.signed).then(|| NotNow::Unsigned { level: level.name.clone() });
        }
        let before = self.levels.iter().zip(&tally.levels).find(|(_, level)| !level.complete)?;
        Some(NotNow::OutOfTurn { level: level.name.clone(), before: before.0.name.clone() })
    }
}

#[cfg(test)]
#[path = "profile_tests.rs"]
mod tests;
