//! Admit: Cedar says whether a change may proceed, and asks again right before every stage.
//!
//! The host counts, because Cedar cannot: distinct persons, their roles, the age of their approvals (`standing.rs`).

use super::{ask::ask, evidence::signature_outcome, roster, standing};
use crate::{App, FlowError};
use interlock_domain::{
    Action, Actor, AdmissionFacts, Change, Decision, Facts, Outcome, Principal, Question, SignatureOutcome,
    Timestamp,
};

/// Asks whether a change may proceed.
pub(crate) async fn may_admit(app: &App, change: &Change, now: Timestamp) -> Result<Decision, FlowError> {
    let asked = admission(app, change, Action::AdmitChange, Stage::none(change), now).await?;
    Ok(ask(app, Some(&change.id), asked))
}

/// The stage that would be entered.
pub(crate) struct Stage {
    pub(crate) index: u32,
    pub(crate) exposure_bp: u32,
    pub(crate) health: Outcome,
    pub(crate) rollback_complete: bool,
}

impl Stage {
    /// No stage yet: the way back is as the manifest says.
    pub(crate) fn none(change: &Change) -> Self {
        let rollback_complete = change.manifest.rollback_complete();
        Self { index: 0, exposure_bp: 0, health: Outcome::Pass, rollback_complete }
    }
}

/// Asks whether the next stage may be entered.
pub(crate) async fn may_enter(
    app: &App,
    change: &Change,
    stage: Stage,
    now: Timestamp,
) -> Result<Decision, FlowError> {
    Ok(ask(app, Some(&change.id), admission(app, change, Action::EnterStage, stage, now).await?))
}

/// The question, on the author's behalf, with everything that the host counted.
pub(crate) async fn admission(
    app: &App,
    change: &Change,
    action: Action,
    stage: Stage,
    now: Timestamp,
) -> Result<Question, FlowError> {
    let author = author(app, change).await?;
    let gates = change.gate_counts();
    let asked_for = (action == Action::EnterStage).then_some(stage.index);
    let facts = AdmissionFacts {
        approvals: standing::facts(app, change, asked_for, now).await?,
        gates_passed: gates.passed,
        gates_warned: gates.warned,
        gates_failed: gates.failed,
        gates_holding: gates.holding,
        gates_missing: gates.missing,
        signature: signature(app, change, now).await?,
        rollback_complete: stage.rollback_complete,
        weakens: weakens(app, change).await?,
        exposure_bp: stage.exposure_bp,
        stage: stage.index,
        health: stage.health,
    };
    Ok(Question {
        principal: Principal::Actor(author),
        action,
        resource: change.resource(),
        facts: Facts::Admission(Box::new(facts)),
        now,
        freshness: app.freshness(),
    })
}

/// Whether it takes a check away or makes it count for less, as things stand now: what it was proposed for may have come
/// to judge something since.
async fn weakens(app: &App, change: &Change) -> Result<bool, FlowError> {
    if let Some(plan) = &change.manifest.plugins {
        let before = roster::in_use(app, change.tenant(), &change.manifest.environment).await?.roster;
        // A plan that does not fit any more comes to nothing, whatever is answered here.
        return Ok(before.apply(plan).map_or(true, |after| before.is_weakened_by(&after)));
    }
    Ok(change.manifest.policies.as_ref().is_some_and(|plan| !plan.weakens.is_empty()))
}

/// The author as of today: without an active account there are no roles left, and the policies deny.
async fn author(app: &App, change: &Change) -> Result<Actor, FlowError> {
    let account = app.store.account(change.tenant(), &change.author_account).await?;
    Ok(match account {
        Some(account) if account.active => account.actor("on-behalf".to_owned()),
        Some(account) => Actor { roles: Vec::new(), ..account.actor("on-behalf".to_owned()) },
        None => Actor {
            tenant: change.tenant().clone(),
            account: change.author_account.clone(),
            person: change.author.clone(),
            name: change.author_name.clone(),
            kind: interlock_domain::AccountKind::User,
            roles: Vec::new(),
            auth: "on-behalf".to_owned(),
            hold: None,
        },
    })
}

/// The worst signature outcome over all artifacts.
async fn signature(app: &App, change: &Change, now: Timestamp) -> Result<SignatureOutcome, FlowError> {
    let mut worst = None;
    for artifact in &change.manifest.artifacts {
        let outcome = signature_outcome(app, change.tenant(), artifact, now).await?;
        worst = worst.max(Some(outcome));
    }
    Ok(worst.unwrap_or(SignatureOutcome::Missing))
}
