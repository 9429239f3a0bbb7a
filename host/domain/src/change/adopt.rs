//! What a `policy` change does when it is admitted: its bundle is in force from that transaction on, and it is done.
//!
//! There is no way back to a lower revision: whoever wants the old policies again proposes them under a higher one, and
//! has that approved.

use super::{Change, State, Transition};
use crate::{Action, Decision, Event, PolicyPlan, Progress, Refusal, Task, Timestamp};
use interlock_ledger::Digest;

impl Change {
    /// The policies answered whether they may be replaced. When they allow it, the new ones are in force at once; when other
    /// ones came into force since it was proposed, it is rejected. A deny holds it, as it does any change.
    pub fn adopt(
        &self,
        decision: &Decision,
        in_force: &Digest,
        now: Timestamp,
    ) -> Result<Option<Transition>, Refusal> {
        let plan = self.policies("admit")?;
        let Some(permit) = decision.permit() else {
            return Ok(self.held(Action::AdmitChange, decision, now));
        };
        self.permitted(&permit, Action::AdmitChange)?;
        if plan.from.digest != *in_force {
            return Ok(Some(self.outdated(in_force, now)?));
        }
        let events = vec![
            Event::Admitted { decision: decision.id.clone(), policies: permit.policies().to_vec(), at: now },
            Event::Completed { progress: Progress::default(), at: now },
        ];
        Ok(Some(self.transition(events, vec![Task::Adopt { bundle: plan.to.clone() }])))
    }

    /// Other policies came into force than those that it was made for, so that what was approved is not what it would do.
    pub fn outdated(&self, in_force: &Digest, now: Timestamp) -> Result<Transition, Refusal> {
        let plan = self.policies("reject")?;
        let reason = format!(
            "it was made for the policies `{}`, and `{in_force}` came into force meanwhile; propose it again",
            plan.from.digest
        );
        Ok(self.transition(vec![Event::Overtaken { reason, at: now }], vec![]))
    }

    fn policies(&self, verb: &'static str) -> Result<&PolicyPlan, Refusal> {
        match &self.manifest.policies {
            Some(plan) if self.state == State::Approving => Ok(plan),
            _ => Err(self.wrong_state(verb)),
        }
    }
}

#[cfg(test)]
#[path = "../adopt_tests.rs"]
mod tests;
