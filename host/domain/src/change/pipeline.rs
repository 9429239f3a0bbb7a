//! What the host does to a change: propose, gate, admit, stage, judge, complete, come back.

use super::{Change, Draft, Hold, State, Transition};
use crate::{
    Action, AtOnce, ChangeId, ChangeKind, Decision, DecisionOutcome, DeviceId, Directive, Event, GateReport,
    GroupReport, HealthVerdict, Manifest, Permit, Progress, Refusal, Resource, RollbackCause, Stage, Task,
    Timestamp, WaysBack, judge_groups,
    rollout::{next_directive_allowed, record},
};

impl Change {
    /// Begins a change. The permit is for proposing in the manifest's environment.
    pub fn propose(
        draft: Draft,
        id: ChangeId,
        permit: &Permit,
        now: Timestamp,
    ) -> Result<Transition, Refusal> {
        let manifest = draft.manifest;
        let place = Resource::Environment {
            tenant: manifest.tenant.clone(),
            environment: manifest.environment.clone(),
            change_kind: Some(manifest.kind),
        };
        if !permit.covers(Action::ProposeChange, &place.id()) {
            return Err(Refusal::WrongPermit {
                permitted: permit.action(),
                needed: Action::ProposeChange,
                resource: place.id(),
            });
        }
        check_manifest(&manifest, &draft.targets)?;
        let event = Event::Proposed {
            id,
            digest: manifest.digest()?,
            manifest: Box::new(manifest),
            author: draft.author.person,
            author_name: draft.author.name,
            author_account: draft.author.account,
            decision: permit.decision().clone(),
            expires_at: now.plus_millis(i64::try_from(draft.expires_after_ms).unwrap_or(i64::MAX)),
            at: now,
        };
        let Some(change) = Change::begin(&event) else {
            return Err(Refusal::BadManifest("a change begins with a proposal".to_owned()));
        };
        let tasks = assign(&change.manifest, draft.targets);
        Ok(Transition { change, from_revision: 0, events: vec![event], tasks })
    }

    /// Its author changes what it would do. Approvals and verdicts stay on record, over the old digest.
    pub fn revise(&self, draft: Draft, permit: &Permit, now: Timestamp) -> Result<Transition, Refusal> {
        let place = Resource::Environment {
            tenant: self.manifest.tenant.clone(),
            environment: self.manifest.environment.clone(),
            change_kind: Some(self.manifest.kind),
        };
        if !permit.covers(Action::ProposeChange, &place.id()) {
            return Err(Refusal::WrongPermit {
                permitted: permit.action(),
                needed: Action::ProposeChange,
                resource: place.id(),
            });
        }
        if draft.author.person != self.author {
            return Err(Refusal::NotTheAuthor { verb: "revise", change: self.id.to_string() });
        }
        if !matches!(self.state, State::Gating | State::Approving) {
            return Err(self.wrong_state("revise"));
        }
        if draft.manifest.environment != self.manifest.environment
            || draft.manifest.kind != self.manifest.kind
        {
            return Err(Refusal::BadManifest(
                "a revision stays in its environment and of its kind".to_owned(),
            ));
        }
        check_manifest(&draft.manifest, &draft.targets)?;
        let tasks = assign(&draft.manifest, draft.targets);
        let event = Event::Revised {
            digest: draft.manifest.digest()?,
            manifest: Box::new(draft.manifest),
            decision: permit.decision().clone(),
            at: now,
        };
        Ok(self.transition(vec![event], tasks))
    }

    /// Every bound gate has answered, or something stands in for its answer.
    pub fn review(&self, reports: Vec<GateReport>, now: Timestamp) -> Result<Transition, Refusal> {
        if self.state != State::Gating {
            return Err(self.wrong_state("review"));
        }
        self.all_gates_answered(&reports)?;
        let groups = judge_groups(&self.manifest.groups, &reports);
        if reports.iter().any(GateReport::blocks) || groups.iter().any(GroupReport::blocks) {
            let event = Event::GatesFailed { reports, groups, at: now };
            return Ok(self.transition(vec![event], vec![Task::Release]));
        }
        Ok(self.transition(vec![Event::GatesPassed { reports, groups, at: now }], vec![]))
    }

    /// The gates were asked again, right before the change goes on. `None` when they say what they said before; a
    /// gate whose sentences alone differ (they may name the time) says the same.
    pub fn rejudge(&self, reports: Vec<GateReport>, now: Timestamp) -> Result<Option<Transition>, Refusal> {
        if !matches!(self.state, State::Approving | State::RollingOut) {
            return Err(self.wrong_state("judge"));
        }
        self.all_gates_answered(&reports)?;
        let same = reports.len() == self.gates.len()
            && reports.iter().zip(&self.gates).all(|(new, old)| new.says_the_same_as(old));
        Ok((!same).then(|| {
            let groups = judge_groups(&self.manifest.groups, &reports);
            self.transition(vec![Event::GatesRejudged { reports, groups, at: now }], vec![])
        }))
    }

    fn all_gates_answered(&self, reports: &[GateReport]) -> Result<(), Refusal> {
        let missing =
            self.manifest.gates.iter().find(|gate| !reports.iter().any(|report| report.answers(gate)));
        match missing {
            Some(gate) => Err(Refusal::BadManifest(format!("gate `{}` has not answered", gate.called()))),
            None => Ok(()),
        }
    }

    /// Expires a change that waited too long; `None` when it has not.
    pub fn expire(&self, now: Timestamp) -> Option<Transition> {
        let waiting = matches!(self.state, State::Gating | State::Approving);
        (waiting && now >= self.expires_at)
            .then(|| self.transition(vec![Event::Expired { at: now }], vec![Task::Release]))
    }

    /// The policies answered whether it may proceed. A deny holds it, and is recorded when its reasons are new.
    pub fn admit(&self, decision: &Decision, now: Timestamp) -> Result<Option<Transition>, Refusal> {
        if self.state != State::Approving || reaches_no_target(self.manifest.kind) {
            return Err(self.wrong_state("admit"));
        }
        match decision.permit() {
            Some(permit) => {
                self.permitted(&permit, Action::AdmitChange)?;
                let event = Event::Admitted {
                    decision: decision.id.clone(),
                    policies: permit.policies().to_vec(),
                    at: now,
                };
                Ok(Some(self.transition(vec![event], vec![])))
            }
            None => Ok(self.held(Action::AdmitChange, decision, now)),
        }
    }

    /// The strategy asked for a stage, and the policies answered. `back` says how its targets would come back from it
    /// today: what they run may have changed since the change was proposed.
    pub fn enter_stage(
        &self,
        index: u32,
        progress: &Progress,
        decision: &Decision,
        back: WaysBack,
        now: Timestamp,
    ) -> Result<Option<Transition>, Refusal> {
        self.follows(&Directive::EnterStage { index }, progress)?;
        let Some(permit) = decision.permit() else {
            return Ok(self.held(Action::EnterStage, decision, now));
        };
        self.permitted(&permit, Action::EnterStage)?;
        let stage = self.stage(index)?;
        let task = match (&stage.exposure, stage.ranks(self.manifest.population.size)) {
            (crate::Exposure::Groups { names }, _) => Task::ExposeGroups { names: names.clone(), back },
            (_, below) => Task::ExposeRanks { below: below.unwrap_or(0), back },
        };
        let event = Event::StageEntered { stage: record(index, decision, now), at: now };
        Ok(Some(self.transition(vec![event], vec![task])))
    }

    /// Offers the artifact to targets that waited for another change. Their stage was permitted when it was entered.
    pub fn offer_waiting(&self, back: WaysBack) -> Option<Transition> {
        let entered = self.state == State::RollingOut && self.rollout.as_ref()?.stage().is_some();
        entered.then(|| self.transition(vec![], vec![Task::OfferWaiting { back }]))
    }

    /// Gives called-back targets whose turn it is their old artifact.
    pub fn restore_next(&self) -> Option<Transition> {
        (self.state == State::RollingBack).then(|| self.transition(vec![], vec![Task::RestoreNext]))
    }

    /// Notes that the last target of the stage settled, or that one came back to life after that.
    pub fn settle(&self, progress: &Progress, now: Timestamp) -> Option<Transition> {
        if self.state != State::RollingOut {
            return None;
        }
        let rollout = self.rollout.as_ref()?;
        rollout.stage()?;
        match (rollout.settled_at, progress.open()) {
            (None, 0) => {
                Some(self.transition(vec![Event::StageSettled { progress: *progress, at: now }], vec![]))
            }
            (Some(_), 1..) => Some(self.transition(vec![Event::StageReopened { at: now }], vec![])),
            (None, 1..) | (Some(_), 0) => None,
        }
    }

    /// Records what the health checks said.
    pub fn judge(&self, verdicts: Vec<HealthVerdict>, now: Timestamp) -> Result<Transition, Refusal> {
        if self.state != State::RollingOut {
            return Err(self.wrong_state("judge"));
        }
        Ok(self.transition(vec![Event::Judged { verdicts, at: now }], vec![]))
    }

    /// Follows a directive that needs no permission: waiting, completing, pausing, going back.
    pub fn follow(
        &self,
        directive: &Directive,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<Option<Transition>, Refusal> {
        self.follows(directive, progress)?;
        match directive {
            Directive::EnterStage { .. } | Directive::Wait { .. } => Ok(None),
            Directive::Complete => {
                Ok(Some(self.transition(vec![Event::Completed { progress: *progress, at: now }], vec![])))
            }
            Directive::Pause { reason } => Ok(Some(self.stop(reason.clone(), now))),
            Directive::RollBack { reason } => {
                let cause = RollbackCause::Strategy { reason: reason.clone() };
                Ok(Some(self.transition(vec![Event::RollbackBegun { cause, at: now }], vec![Task::Recall])))
            }
        }
    }

    /// The host stops a rollout that it cannot lead on: a plugin that does not answer, or one that asks for what
    /// the plan does not allow.
    pub fn halt(&self, reason: String, now: Timestamp) -> Result<Transition, Refusal> {
        if self.state != State::RollingOut {
            return Err(self.wrong_state("pause"));
        }
        Ok(self.stop(reason, now))
    }

    /// Notes that every touched target is back; `None` while some are on their way. Targets of which nothing was
    /// heard for too long (`unheard`) are not waited for: what would bring them back stays on offer, and the
    /// record says how many they are.
    pub fn come_back(&self, progress: &Progress, unheard: u64, now: Timestamp) -> Option<Transition> {
        let on_their_way = progress.rolling_back.saturating_sub(unheard);
        let back = self.state == State::RollingBack && on_their_way == 0 && progress.exposed() == 0;
        back.then(|| self.transition(vec![Event::RolledBack { progress: *progress, at: now }], vec![]))
    }

    /// The stage of the plan with this index.
    pub fn stage(&self, index: u32) -> Result<&Stage, Refusal> {
        let stage = usize::try_from(index).ok().and_then(|index| self.manifest.plan().get(index));
        stage.ok_or_else(|| Refusal::SkippedStage {
            asked: index,
            next: self.rollout.as_ref().map_or(0, crate::Rollout::next_stage),
        })
    }

    fn follows(&self, directive: &Directive, progress: &Progress) -> Result<(), Refusal> {
        match (self.state, &self.rollout) {
            (State::RollingOut, Some(rollout)) => {
                next_directive_allowed(rollout, self.manifest.plan().len(), progress, directive)
            }
            _ => Err(self.wrong_state("lead")),
        }
    }

    fn stop(&self, reason: String, now: Timestamp) -> Transition {
        self.transition(vec![Event::Paused { by: None, by_safety: false, reason, at: now }], vec![])
    }

    /// A deny. The same reasons again are no news: a held change is asked every few seconds.
    pub(super) fn held(&self, action: Action, decision: &Decision, now: Timestamp) -> Option<Transition> {
        debug_assert_eq!(decision.outcome, DecisionOutcome::Deny);
        let reasons = decision.reasons();
        if self.hold.as_ref().is_some_and(|hold| hold.action == action && hold.reasons == reasons) {
            return None;
        }
        let hold = Hold { action, decision: decision.id.clone(), reasons };
        Some(self.transition(vec![Event::Held { hold, at: now }], vec![]))
    }
}

/// A manifest must reach somebody, have a plan, and be about the targets that come with it.
fn check_manifest(manifest: &Manifest, targets: &[DeviceId]) -> Result<(), Refusal> {
    let bad = |text: &str| Err(Refusal::BadManifest(text.to_owned()));
    if manifest.plugins.is_some() != (manifest.kind == ChangeKind::Plugin) {
        return bad("a `plugin` change, and no other, alters a roster");
    }
    if manifest.policies.is_some() != (manifest.kind == ChangeKind::Policy) {
        return bad("a `policy` change, and no other, puts policies in force");
    }
    if reaches_no_target(manifest.kind) {
        return check_without_targets(manifest, targets);
    }
    if targets.is_empty() {
        return bad("the selector chooses no target; check environment, model, sites, groups and labels");
    }
    if manifest.population.digest != Manifest::population_digest(targets)
        || manifest.population.size != targets.len() as u64
    {
        return bad("the population in the manifest is not the population that was resolved");
    }
    if manifest.artifacts.is_empty() {
        return bad("a release brings at least one artifact");
    }
    if manifest.plan().is_empty() {
        return bad("the strategy planned no stage");
    }
    if let Some((_, fault)) = AtOnce::fault(&manifest.at_once) {
        return bad(&fault);
    }
    Ok(())
}

/// What a change of this kind does, it does to the server.
fn reaches_no_target(kind: ChangeKind) -> bool {
    matches!(kind, ChangeKind::Plugin | ChangeKind::Policy)
}

fn check_without_targets(manifest: &Manifest, targets: &[DeviceId]) -> Result<(), Refusal> {
    let bad = |text: String| Err(Refusal::BadManifest(text));
    let kind = manifest.kind;
    if !targets.is_empty() || manifest.population.size != 0 || manifest.strategy.is_some() {
        return bad(format!("a `{kind}` change has neither targets nor a strategy"));
    }
    if manifest.plugins.as_ref().is_some_and(|plan| plan.steps.is_empty()) {
        return bad(format!("a `{kind}` change takes at least one step"));
    }
    match manifest.policies.as_ref().and_then(crate::PolicyPlan::fault) {
        Some(fault) => bad(fault),
        None => Ok(()),
    }
}

/// What a manifest's targets are made into. A change without targets leaves none.
fn assign(manifest: &Manifest, targets: Vec<DeviceId>) -> Vec<Task> {
    if reaches_no_target(manifest.kind) { Vec::new() } else { vec![Task::Assign { targets }] }
}
