//! Breaking the glass, and levels that wait too long.

use super::{Change, Escalation, State, Transition};
use crate::{
    AccountKind, Action, Actor, ApprovalFacts, Digest, Event, GlassBreak, Level, Permit, Profile, Refusal,
    Stages, Tally, Timestamp,
};

impl Change {
    /// A person wants it to proceed without the approvals that are missing: for `lasts_ms`, once a second person wants it, too. One
    /// of the two answers for the patient or for the regulator. Gates, signatures, ways back and health are asked as always.
    pub fn break_glass(
        &self,
        digest: &Digest,
        by: &Actor,
        reason: &str,
        permit: &Permit,
        lasts_ms: u64,
        now: Timestamp,
    ) -> Result<Transition, Refusal> {
        const VERB: &str = "break the glass for";
        self.permitted(permit, Action::BreakGlass)?;
        let change = self.id.to_string();
        if !permit.held_by(&by.account) {
            return Err(Refusal::NotYourPermit { verb: VERB, change });
        }
        if reason.trim().is_empty() {
            return Err(Refusal::NoReason { verb: VERB, change });
        }
        if !matches!(self.state, State::Gating | State::Approving | State::RollingOut | State::Paused) {
            return Err(self.wrong_state(VERB));
        }
        self.answerable(VERB, digest)?;
        if by.kind == AccountKind::Service {
            return Err(Refusal::NotAPerson { change });
        }
        if self.is_of(&by.person) {
            return Err(Refusal::OwnChange { change });
        }
        let roles = by.roles_in(Some(&self.manifest.environment));
        if let Some(first) = self.half_broken(now) {
            let until = first.ends_at();
            if first.person == by.person {
                return Err(Refusal::SecondToBreak { change, until });
            }
            // Refused, and not kept as a first one anew: who may come is not put off by who may not.
            if !first.answers_for_safety() && !roles.iter().any(|role| role.is_safety()) {
                return Err(Refusal::SafetyToBreak { change, first: first.name.clone(), until });
            }
        }
        let glass = GlassBreak {
            person: by.person.clone(),
            account: by.account.clone(),
            name: by.name.clone(),
            roles,
            reason: reason.trim().to_owned(),
            digest: self.digest,
            decision: permit.decision().clone(),
            at: now,
            lasts_ms,
        };
        Ok(self.transition(vec![Event::GlassBroken { glass, at: now }], vec![]))
    }

    /// The first of two persons, while the second may still come.
    pub fn half_broken(&self, now: Timestamp) -> Option<&GlassBreak> {
        let last = self.glass.iter().rfind(|each| each.digest == self.digest)?;
        let paired = crate::broken(&self.glass, &self.digest).iter().any(|[_, second]| *second == last);
        (!paired && now < last.ends_at()).then_some(last)
    }

    /// The levels that waited too long and of which that was not noted yet; `None` when there are none.
    pub fn escalate(
        &self,
        profile: &Profile,
        facts: &ApprovalFacts,
        stage: u32,
        now: Timestamp,
    ) -> Option<Transition> {
        let tally: Tally = profile.tally(facts, stage, now);
        let stage = (stage > 0 && profile.stages == Stages::Each).then_some(stage);
        let events: Vec<Event> = profile
            .levels
            .iter()
            .zip(&tally.levels)
            .filter(|(_, tally)| !tally.complete)
            .filter_map(|(level, tally)| Some((level, tally.escalates_at.filter(|since| *since <= now)?)))
            .filter(|(level, _)| !self.is_escalated(profile, level, stage))
            .map(|(level, since)| Event::Escalated {
                escalation: Escalation {
                    profile: profile.name.clone(),
                    level: level.name.clone(),
                    to: level.escalate_to.clone(),
                    digest: self.digest,
                    stage,
                    since,
                },
                at: now,
            })
            .collect();
        (!events.is_empty()).then(|| self.transition(events, vec![]))
    }

    fn is_escalated(&self, profile: &Profile, level: &Level, stage: Option<u32>) -> bool {
        self.escalations.iter().any(|noted| {
            noted.profile == profile.name
                && noted.level == level.name
                && noted.digest == self.digest
                && noted.stage == stage
        })
    }
}
