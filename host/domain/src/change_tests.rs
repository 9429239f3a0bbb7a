//! Changes, told as sentences through one helper.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    AccountKind, Actor, Answer, ArtifactRef, ChangeKind, Decision, Determining, Directive, Effect, Exposure,
    Facts, GateBinding, GateMode, Meaning, Outcome, PluginRef, Population, Principal, Progress, Question,
    RoleGrant, Selector, Stage, StrategyBinding, Verdict, WaysBack,
};

const DAY_MS: i64 = 24 * 3_600_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn person(name: &str, kind: AccountKind) -> Actor {
    let seed = name.bytes().fold(0u128, |seed, byte| seed * 31 + u128::from(byte));
    Actor {
        tenant: "mercy".parse().unwrap(),
        account: AccountId::new(Uuid::from_u128(seed)),
        person: PersonId::new(Uuid::from_u128(seed)),
        name: name.to_owned(),
        kind,
        roles: vec![RoleGrant { role: crate::Role::ClinicalSafety, environment: None }],
        auth: "key:test".to_owned(),
        hold: None,
    }
}

fn answered(action: Action, resource: Resource, allowed: bool, now: Timestamp) -> Decision {
    answered_to(person("Ana", AccountKind::User), action, resource, allowed, now)
}

fn answered_to(who: Actor, action: Action, resource: Resource, allowed: bool, now: Timestamp) -> Decision {
    let effect = if allowed { Effect::Permit } else { Effect::Forbid };
    let determining = vec![Determining { id: "p1".to_owned(), reason: "because".to_owned(), effect }];
    let answer =
        Answer { allowed, determining, errors: vec![], monitored: vec![], bundle: Digest::of(b"bundle") };
    let principal = Principal::Actor(who);
    let question = Question { principal, action, resource, facts: Facts::None, now };
    Decision::of_policy(DecisionId::new(Uuid::from_u128(5)), None, question, answer, 1)
}

fn manifest(targets: &[DeviceId]) -> Manifest {
    let plugin = |name: &str| PluginRef {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        digest: Digest::of(name.as_bytes()),
    };
    let stage = |name: &str, basis_points| Stage {
        name: name.to_owned(),
        exposure: Exposure::Percent { basis_points },
        hold_ms: 1_000,
    };
    Manifest {
        v: 1,
        tenant: "mercy".parse().unwrap(),
        environment: "production".parse().unwrap(),
        kind: ChangeKind::Release,
        title: "Pump firmware 2.0".to_owned(),
        description: String::new(),
        artifacts: vec![ArtifactRef {
            name: "pump-firmware".to_owned(),
            version: "2.0".to_owned(),
            digest: Digest::of(b"2.0"),
            size_bytes: 3,
        }],
        documents: Vec::new(),
        selector: Selector { all: true, ..Selector::default() },
        population: Population {
            size: targets.len() as u64,
            digest: Manifest::population_digest(targets),
            groups: BTreeMap::new(),
            models: BTreeMap::new(),
        },
        strategy: Some(StrategyBinding {
            plugin: plugin("canary"),
            settings: serde_json::json!({}),
            plan: vec![stage("5 %", 500), stage("100 %", 10_000)],
        }),
        plugins: None,
        policies: None,
        at_once: vec![],
        health: vec![],
        gates: vec![GateBinding {
            id: None,
            plugin: plugin("signature"),
            settings: serde_json::json!({}),
            mode: GateMode::Enforce,
            group: None,
        }],
        groups: vec![],
        bundle: Digest::of(b"bundle"),
        rollback: vec![],
        silent_after_ms: 60_000,
        judge_every_ms: 60_000,
    }
}

fn targets() -> Vec<DeviceId> {
    (0..20).map(|n| format!("pump-{n:02}").parse().unwrap()).collect()
}

fn proposed() -> Transition {
    let manifest = manifest(&targets());
    let place = Resource::Environment {
        tenant: manifest.tenant.clone(),
        environment: manifest.environment.clone(),
        change_kind: Some(manifest.kind),
    };
    let permit = answered(Action::ProposeChange, place, true, at(0)).permit().unwrap();
    let draft = Draft {
        manifest,
        targets: targets(),
        author: person("Ana", AccountKind::User),
        expires_after_ms: 72 * 3_600_000,
    };
    Change::propose(draft, ChangeId::new(Uuid::from_u128(1)), &permit, at(0)).unwrap()
}

/// A change and everything that ever happened to it.
struct Story {
    change: Change,
    events: Vec<Event>,
    now: Timestamp,
    settled: Progress,
}

impl Story {
    fn begin() -> Self {
        let first = proposed();
        let settled = Progress { pending: 19, verified: 1, ..Progress::default() };
        Self { change: first.change, events: first.events, now: at(0), settled }
    }

    fn take(&mut self, transition: Transition) {
        assert_eq!(transition.from_revision, self.change.revision);
        self.events.extend(transition.events);
        self.change = transition.change;
    }

    fn command(&mut self, name: &str, kind: AccountKind, command: Command) -> Result<(), Refusal> {
        let who = person(name, kind);
        let resource = self.change.resource();
        let permit = answered_to(who.clone(), command.action(), resource, true, self.now).permit().unwrap();
        let transition = self.change.decide(&command, &who, "as planned", &permit, self.now)?;
        self.take(transition);
        Ok(())
    }

    fn report(&self, outcome: Outcome) -> GateReport {
        GateReport {
            id: None,
            group: None,
            unanswered: false,
            plugin: self.change.manifest.gates[0].plugin.clone(),
            mode: GateMode::Enforce,
            verdict: Verdict { outcome, findings: vec![] },
            decision: DecisionId::new(Uuid::from_u128(9)),
            at: self.now,
        }
    }

    fn step(&mut self, step: &str) -> Result<(), Refusal> {
        let digest = self.change.digest;
        let yes = Command::Approve(Box::new(Yes::to(digest, Meaning::Approval)));
        let words: Vec<&str> = step.split(' ').collect();
        match words.as_slice() {
            ["gates", outcome] => {
                let outcome = if *outcome == "pass" { Outcome::Pass } else { Outcome::Fail };
                let transition = self.change.review(vec![self.report(outcome)], self.now)?;
                self.take(transition);
            }
            ["gates", "now", outcome] => {
                let outcome = match *outcome {
                    "pass" => Outcome::Pass,
                    "hold" => Outcome::Hold,
                    _ => Outcome::Fail,
                };
                if let Some(transition) = self.change.rejudge(vec![self.report(outcome)], self.now)? {
                    self.take(transition);
                }
            }
            [name, "approves"] => self.command(name, AccountKind::User, yes)?,
            [name, "approves", "as", "a", "program"] => self.command(name, AccountKind::Service, yes)?,
            [name, "approves", "another", "digest"] => {
                let other = Command::Approve(Box::new(Yes::to(Digest::of(b"other"), Meaning::Approval)));
                self.command(name, AccountKind::User, other)?;
            }
            [name, "rejects"] => {
                self.command(name, AccountKind::User, Command::Reject { digest, veto: true })?
            }
            [name, "cancels"] => self.command(name, AccountKind::User, Command::Cancel)?,
            [name, "pauses"] => self.command(name, AccountKind::User, Command::Pause)?,
            [name, "resumes"] => self.command(name, AccountKind::User, Command::Resume)?,
            [name, "promotes"] => self.command(name, AccountKind::User, Command::Promote)?,
            [name, "rolls", "back"] => self.command(name, AccountKind::User, Command::RollBack)?,
            ["policies", verdict] => {
                let allowed = *verdict == "admit";
                let decision = answered(Action::AdmitChange, self.change.resource(), allowed, self.now);
                if let Some(transition) = self.change.admit(&decision, self.now)? {
                    self.take(transition);
                }
            }
            ["stage", index] => {
                let decision = answered(Action::EnterStage, self.change.resource(), true, self.now);
                let index = index.parse().unwrap();
                let back = WaysBack::new();
                let entered = self.change.enter_stage(index, &self.settled, &decision, back, self.now)?;
                if let Some(transition) = entered {
                    self.take(transition);
                }
            }
            ["settles"] => {
                if let Some(transition) = self.change.settle(&self.settled, self.now) {
                    self.take(transition);
                }
            }
            ["everybody", "verified"] => self.settled = Progress { verified: 20, ..Progress::default() },
            ["everybody", "back"] => {
                let progress = Progress { rolled_back: 20, ..Progress::default() };
                if let Some(transition) = self.change.come_back(&progress, 0, self.now) {
                    self.take(transition);
                }
            }
            ["strategy", wants] => {
                let directive = match *wants {
                    "completes" => Directive::Complete,
                    "pauses" => Directive::Pause { reason: "odd".to_owned() },
                    _ => Directive::RollBack { reason: "health".to_owned() },
                };
                if let Some(transition) = self.change.follow(&directive, &self.settled, self.now)? {
                    self.take(transition);
                }
            }
            [days, "days", "pass"] => {
                self.now = self.now.plus_millis(days.parse::<i64>().unwrap() * DAY_MS);
                if let Some(transition) = self.change.expire(self.now) {
                    self.take(transition);
                }
            }
            other => panic!("no such step: {other:?}"),
        }
        Ok(())
    }
}

/// Tells a story and says how it ends: the state, or the refusal. Whatever happens, the change stays the fold of
/// its events.
fn check(story: &str) -> String {
    let mut told = Story::begin();
    for step in story.split("; ").filter(|step| !step.is_empty()) {
        let result = told.step(step);
        assert_eq!(Change::from_events(&told.events).as_ref(), Some(&told.change), "after `{step}`");
        if let Err(refusal) = result {
            return format!("refused: {refusal}");
        }
    }
    told.change.state.as_str().to_owned()
}

#[test]
fn a_good_change_goes_all_the_way() {
    let story = "gates pass; Bo approves; Cy approves; policies admit; stage 0; settles; stage 1; \
                 everybody verified; settles; strategy completes";
    assert_eq!(check(story), "completed");
}

#[test]
fn a_failed_gate_ends_it() {
    assert_eq!(check("gates fail"), "rejected");
    assert!(check("gates fail; Bo approves").starts_with("refused: cannot approve"));
}

#[test]
fn a_gate_that_says_not_now_lets_a_change_be_approved_and_keeps_it_from_going_on() {
    let mut story = Story::begin();
    let held = story.change.review(vec![story.report(Outcome::Hold)], story.now).unwrap();
    story.take(held);
    assert_eq!(story.change.state, State::Approving);
    assert!(story.change.is_kept_by_a_gate());
    let before = story.change.revision;
    story.step("gates now hold").unwrap();
    assert_eq!(story.change.revision, before, "the same answer again is no news");
    story.step("gates now pass").unwrap();
    assert!(!story.change.is_kept_by_a_gate());
    assert_eq!(story.change.revision, before + 1);
    story.step("policies admit").unwrap();
    story.step("gates now fail").unwrap();
    assert_eq!(story.change.state, State::RollingOut, "a gate holds a rollout, it does not end it");
    assert!(story.change.is_kept_by_a_gate());
}

#[test]
fn a_permit_is_for_whom_it_was_given_to() {
    let story = Story::begin();
    let anas = answered(Action::CancelChange, story.change.resource(), true, story.now).permit().unwrap();
    let bo = person("Bo", AccountKind::User);
    let refused = story.change.decide(&Command::Cancel, &bo, "why not", &anas, story.now);
    assert!(matches!(refused, Err(Refusal::NotYourPermit { .. })));
}

#[test]
fn an_approval_can_be_renewed_after_a_day() {
    let mut story = Story::begin();
    for step in ["gates pass", "Bo approves", "1 days pass", "Bo approves"] {
        story.step(step).unwrap();
    }
    assert_eq!(story.change.approval_facts().distinct, 1);
    assert_eq!(story.change.approval_facts().oldest, Some(story.now));
    assert!(matches!(story.step("Bo approves"), Err(Refusal::AlreadyApproved { .. })));
}

#[test]
fn whoever_said_yes_without_a_signature_may_sign_it_at_once() {
    let mut story = Story::begin();
    story.step("gates pass").unwrap();
    story.step("Bo approves").unwrap();
    let bo = person("Bo", AccountKind::User);
    let resource = story.change.resource();
    let permit = answered_to(bo.clone(), Action::ApproveChange, resource, true, story.now).permit().unwrap();
    let signature = Some(crate::SignatureId::new(Uuid::from_u128(7)));
    let yes =
        Command::Approve(Box::new(Yes { signature, ..Yes::to(story.change.digest, Meaning::Approval) }));
    let signed = story.change.decide(&yes, &bo, "signed now", &permit, story.now).unwrap();
    let facts = signed.change.approval_facts();
    assert_eq!((facts.distinct, facts.signed), (1, 1));
    let again = signed.change.decide(&yes, &bo, "signed twice", &permit, story.now);
    assert!(matches!(again, Err(Refusal::AlreadyApproved { .. })), "once is enough");
}

#[test]
fn a_revision_begins_the_time_of_its_digest_anew() {
    let mut story = Story::begin();
    assert_eq!(story.change.digest_since(), story.change.created_at);
    story.step("1 days pass").unwrap();
    let manifest = Box::new(story.change.manifest.clone());
    let decision = DecisionId::new(Uuid::from_u128(5));
    let digest = Digest::of(b"other");
    story.change.apply(&Event::Revised { manifest, digest, decision, at: story.now });
    assert_eq!(story.change.digest_since(), story.now);
}

#[test]
fn nobody_approves_the_own_change() {
    assert_eq!(
        check("gates pass; Ana approves"),
        "refused: cannot approve `chg_00000000000000000000000000000001`: you proposed it; ask somebody else"
    );
}

#[test]
fn a_program_cannot_approve() {
    assert!(check("gates pass; Bot approves as a program").contains("a person has to do it"));
}

#[test]
fn one_person_counts_once() {
    assert!(check("gates pass; Bo approves; Bo approves").contains("`Bo` approved this digest"));
}

#[test]
fn an_approval_of_another_digest_is_refused() {
    assert!(check("gates pass; Bo approves another digest").contains("read it again"));
}

#[test]
fn one_rejection_is_a_veto() {
    assert_eq!(check("gates pass; Bo approves; Cy rejects"), "rejected");
}

#[test]
fn a_change_that_waits_too_long_expires() {
    assert_eq!(check("gates pass; 2 days pass; Bo approves"), "approving");
    assert_eq!(check("gates pass; 3 days pass"), "expired");
}

#[test]
fn a_deny_holds_and_is_asked_again() {
    assert_eq!(check("gates pass; policies deny; policies deny; Bo approves; policies admit"), "rolling_out");
}

#[test]
fn no_stage_is_skipped() {
    assert_eq!(
        check("gates pass; policies admit; stage 1"),
        "refused: the strategy asked for stage 1, but the next stage is 0"
    );
}

#[test]
fn completing_early_is_refused() {
    assert!(check("gates pass; policies admit; stage 0; strategy completes").contains("19 of 20 targets"));
}

#[test]
fn a_rollout_that_goes_back_ends_when_everybody_is_back() {
    assert_eq!(check("gates pass; policies admit; stage 0; strategy returns"), "rolling_back");
    assert_eq!(check("gates pass; policies admit; stage 0; strategy returns; everybody back"), "rolled_back");
}

#[test]
fn a_completed_change_can_still_be_rolled_back_by_a_person() {
    let story = "gates pass; policies admit; stage 0; stage 1; everybody verified; strategy completes; \
                 Bo rolls back";
    assert_eq!(check(story), "rolling_back");
}

#[test]
fn a_paused_rollout_goes_nowhere_until_a_person_says_so() {
    assert!(check("gates pass; policies admit; Bo pauses; stage 0").contains("it is paused"));
    assert_eq!(check("gates pass; policies admit; Bo pauses; Bo resumes; stage 0"), "rolling_out");
}

#[test]
fn who_stopped_a_rollout_stays_on_it_until_it_goes_on() {
    let mut story = Story::begin();
    for step in ["gates pass", "policies admit", "Bo pauses"] {
        story.step(step).unwrap();
    }
    assert!(story.change.paused_by_safety, "Bo holds clinical safety");
    let Resource::Change { paused_by_safety, .. } = story.change.resource() else { unreachable!() };
    assert!(paused_by_safety, "the policies see it");
    story.step("Bo resumes").unwrap();
    assert!(!story.change.paused_by_safety);
    let ana = Actor { roles: Vec::new(), ..person("Ana", AccountKind::User) };
    let permit = answered(Action::PauseRollout, story.change.resource(), true, story.now).permit().unwrap();
    let paused = story.change.decide(&Command::Pause, &ana, "noise", &permit, story.now).unwrap();
    assert!(!paused.change.paused_by_safety);
}

#[test]
fn a_permit_for_one_change_does_not_serve_another() {
    let story = Story::begin();
    let other = Resource::Change {
        id: "chg_other".to_owned(),
        tenant: "mercy".parse().unwrap(),
        environment: "production".parse().unwrap(),
        change_kind: ChangeKind::Release,
        author: story.change.author.clone(),
        paused_by_safety: false,
        back_weakens: false,
    };
    let permit = answered(Action::CancelChange, other, true, at(0)).permit().unwrap();
    let by = person("Bo", AccountKind::User);
    let refused = story.change.decide(&Command::Cancel, &by, "why", &permit, at(0)).unwrap_err();
    assert!(matches!(refused, Refusal::WrongPermit { .. }));
}

#[test]
fn a_denied_decision_is_no_permit() {
    assert!(
        answered(Action::CancelChange, Story::begin().change.resource(), false, at(0)).permit().is_none()
    );
}

#[test]
fn a_manifest_for_other_targets_than_its_population_is_refused() {
    let manifest = manifest(&targets());
    let place = Resource::Environment {
        tenant: manifest.tenant.clone(),
        environment: manifest.environment.clone(),
        change_kind: Some(manifest.kind),
    };
    let permit = answered(Action::ProposeChange, place, true, at(0)).permit().unwrap();
    let draft = Draft {
        manifest,
        targets: targets()[1..].to_vec(),
        author: person("Ana", AccountKind::User),
        expires_after_ms: 1,
    };
    let refused = Change::propose(draft, ChangeId::new(Uuid::from_u128(1)), &permit, at(0)).unwrap_err();
    assert!(refused.to_string().contains("population"));
}

const STEPS: [&str; 20] = [
    "gates pass",
    "gates fail",
    "Bo approves",
    "Cy approves",
    "Ana approves",
    "Bo rejects",
    "Ana cancels",
    "Bo pauses",
    "Bo resumes",
    "Bo promotes",
    "Bo rolls back",
    "policies admit",
    "policies deny",
    "stage 0",
    "stage 1",
    "settles",
    "everybody verified",
    "everybody back",
    "strategy completes",
    "1 days pass",
];

proptest! {
    /// Whatever anybody tries in whatever order: the change is the fold of its events, a final state stays final
    /// unless a person rolls a completed change back, and nothing rolls out before the policies admitted it.
    #[test]
    fn no_order_of_steps_breaks_a_change(steps in proptest::collection::vec(0usize..STEPS.len(), 0..40)) {
        let mut story = Story::begin();
        for step in steps {
            let before = story.change.clone();
            let refused = story.step(STEPS[step]).is_err();
            let after = &story.change;
            prop_assert_eq!(Change::from_events(&story.events), Some(after.clone()));
            if refused {
                prop_assert_eq!(&before, after);
            }
            if before.state.is_final() && after.state != before.state {
                prop_assert_eq!((before.state, after.state), (State::Completed, State::RollingBack));
            }
            if after.rollout.is_some() {
                let admitted = story.events.iter().any(|event| matches!(event, Event::Admitted { .. }));
                prop_assert!(admitted);
            }
        }
    }
}
