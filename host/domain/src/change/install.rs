//! What a `plugin` change does when it is admitted, and when it is rolled back: it takes the roster of its environment
//! from one revision to the next, in the transaction that records it, and is done.

use super::{Change, State, Transition};
use crate::{
    Action, Actor, Decision, Event, Permit, PluginPlan, Progress, Refusal, RollbackCause, Roster,
    RosterRecord, Task, Timestamp,
};

/// The roster that a change meets.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// What it holds.
    pub roster: &'a Roster,
    /// Its revision; 0 while the environment has what is configured.
    pub revision: u64,
}

impl Change {
    /// The policies answered whether it may proceed. When they allow it, it comes into force at once and completes; when
    /// the roster has moved on from what it was made for, it is rejected. A deny holds it, as it does any change.
    pub fn install(
        &self,
        decision: &Decision,
        standing: Standing<'_>,
        now: Timestamp,
    ) -> Result<Option<Transition>, Refusal> {
        let plan = self.plan_of("admit", State::Approving)?;
        let Some(permit) = decision.permit() else {
            return Ok(self.held(Action::AdmitChange, decision, now));
        };
        self.permitted(&permit, Action::AdmitChange)?;
        let roster = match standing.roster.apply(plan) {
            Ok(roster) => roster,
            Err(refusal) => return Ok(Some(self.overtaken(refusal.to_string(), now)?)),
        };
        let events = vec![
            Event::Admitted { decision: decision.id.clone(), policies: permit.policies().to_vec(), at: now },
            Event::Completed { progress: Progress::default(), at: now },
        ];
        let record = self.record(roster, standing, false, now);
        Ok(Some(self.transition(events, vec![Task::Enroll { record }])))
    }

    /// What it was made for is no longer there, so that it cannot come into force as it was approved.
    pub fn overtaken(&self, reason: String, now: Timestamp) -> Result<Transition, Refusal> {
        self.plan_of("reject", State::Approving)?;
        let reason = match reason.contains("propose it again") {
            true => reason,
            false => format!("{reason}; propose it again"),
        };
        Ok(self.transition(vec![Event::Overtaken { reason, at: now }], vec![]))
    }

    /// A person rolls it back: what it altered is put back to what it was. Refused when the roster no longer holds what
    /// it wrote.
    pub fn put_back(
        &self,
        by: &Actor,
        reason: &str,
        permit: &Permit,
        standing: Standing<'_>,
        now: Timestamp,
    ) -> Result<Transition, Refusal> {
        let verb = "roll back";
        self.permitted(permit, Action::RollBackRollout)?;
        let change = || self.id.to_string();
        if !permit.held_by(&by.account) {
            return Err(Refusal::NotYourPermit { verb, change: change() });
        }
        if reason.trim().is_empty() {
            return Err(Refusal::NoReason { verb, change: change() });
        }
        let roster = standing.roster.undo(self.plan_of(verb, State::Completed)?)?;
        let cause = RollbackCause::Person {
            person: by.person.clone(),
            name: by.name.clone(),
            reason: reason.trim().to_owned(),
        };
        let events = vec![
            Event::RollbackBegun { cause, at: now },
            Event::RolledBack { progress: Progress::default(), at: now },
        ];
        let record = self.record(roster, standing, true, now);
        Ok(self.transition(events, vec![Task::Enroll { record }]))
    }

    fn plan_of(&self, verb: &'static str, state: State) -> Result<&PluginPlan, Refusal> {
        match &self.manifest.plugins {
            Some(plan) if self.state == state => Ok(plan),
            _ => Err(self.wrong_state(verb)),
        }
    }

    fn record(&self, roster: Roster, from: Standing<'_>, back: bool, now: Timestamp) -> Box<RosterRecord> {
        Box::new(RosterRecord {
            tenant: self.manifest.tenant.clone(),
            environment: self.manifest.environment.clone(),
            revision: from.revision + 1,
            change: self.id.clone(),
            back,
            at: now,
            roster,
        })
    }
}

#[cfg(test)]
#[path = "../install_tests.rs"]
pub(super) mod tests;
