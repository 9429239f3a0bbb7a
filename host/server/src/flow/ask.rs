//! Asking the policies, and turning their answer into a permit or a recorded denial.

use std::time::Instant;

use interlock_domain::{
    Action, Actor, ChangeId, Decision, DecisionId, DecisionSubject, Facts, Permit, Principal, Question,
    Resource, Timestamp,
};
use interlock_store::Write;

use super::{change::tenant, record};
use crate::{App, FlowError};

/// Asks one question. Nothing is recorded yet.
pub(crate) fn ask(app: &App, change: Option<&ChangeId>, question: Question) -> Decision {
    let started = Instant::now();
    let answer = app.policies.bundle().ask(&question);
    let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let id = DecisionId::new(app.clock.uuid());
    metrics::counter!("policy_decisions_total", "action" => question.action.as_str(),
        "outcome" => if answer.allowed { "allow" } else { "deny" })
    .increment(1);
    Decision::of_policy(id, change.cloned(), question, answer, elapsed_us)
}

/// What `who` asks for, without further facts.
pub(crate) fn question(who: &Actor, action: Action, resource: Resource, now: Timestamp) -> Question {
    Question { principal: Principal::Actor(who.clone()), action, resource, facts: Facts::None, now }
}

/// Asks whether `who` may do `action`. The decision comes back with the permit so that the caller records it in
/// the same transaction as what it permits; a denial is recorded here.
pub(crate) async fn permit(
    app: &App,
    who: &Actor,
    action: Action,
    resource: Resource,
    change: Option<&ChangeId>,
    now: Timestamp,
) -> Result<(Permit, Decision), FlowError> {
    let decision = ask(app, change, question(who, action, resource, now));
    match decision.permit() {
        Some(permit) => Ok((permit, decision)),
        None => Err(denied(app, who, decision).await?),
    }
}

/// Asks whether `who` may read. A denied read is on record; an allowed one where `decisions.reads` says so.
pub(crate) async fn may_read(
    app: &App,
    who: &Actor,
    action: Action,
    resource: Resource,
) -> Result<(), FlowError> {
    let (_, decision) = permit(app, who, action, resource, None, app.clock.now()).await?;
    note_read(app, who, decision).await
}

/// Puts an answer that lets somebody read on record, where that is wanted.
pub(super) async fn note_read(app: &App, who: &Actor, decision: Decision) -> Result<(), FlowError> {
    if !app.config.decisions.reads {
        return Ok(());
    }
    let now = decision.at;
    record::record(app, who, now, vec![decision]).await
}

/// Asks whether `who` may ask the tenant's application. A busy program asks thousands of times a second, so that a yes is
/// remembered for as long as nothing changes on which it depends: who asks and what they hold, and the bundle.
pub(crate) async fn may_ask(app: &App, who: &Actor) -> Result<(), FlowError> {
    let (bundle, now) = (app.policies.bundle(), app.clock.now());
    if app.asking.knows(who, &bundle, now) {
        return Ok(());
    }
    may_read(app, who, Action::EvaluateAccess, tenant(who)).await?;
    app.asking.note(who, &bundle, now);
    Ok(())
}

/// Records a denial and says it.
async fn denied(app: &App, who: &Actor, decision: Decision) -> Result<FlowError, FlowError> {
    let DecisionSubject::Policy { question, answer } = &decision.subject else {
        return Ok(FlowError::invalid("", "a plugin's answer is no permit"));
    };
    let error = FlowError::Denied {
        action: question.action,
        resource: question.resource.id(),
        reasons: answer.reasons(),
        determining: answer.determining.clone(),
        decision: decision.id.clone(),
    };
    let now = decision.at;
    app.commit(who, now, vec![Write::Decision(Box::new(decision))]).await?;
    Ok(error)
}
