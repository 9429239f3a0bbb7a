//! What another engine asks through its gate: is this change admitted, or what does the tenant's application say?
//!
//! **Invariant:** each answer is on record before it is given. Whatever is missing or fails is found as nothing, and
//! nothing lets anything go on or sends anything back.

use std::time::Instant;

use interlock_domain::{
    Action, Change, ChangeId, Decision, DecisionId, DecisionOutcome, DecisionSubject, Digest, GateAsk,
    GateFacts, GateQuestion, GateVerdict, State, Timestamp,
};
use interlock_policy::Access;
use interlock_store::{Note, Write};
use serde_json::{Value, json};

use super::{
    access::{self, Asked, Until},
    admit::{Stage, may_enter},
    ask::{may_ask, may_read},
    back::WayBack,
    change::load,
    explain,
    gate::Through,
};
use crate::{App, FlowError};

/// What of an engine's words is its own and not the question's.
const NEVER_MASKED: [&str; 5] = ["dry_run", "hook", "operation", "thresholds", "uid"];

/// What an engine says of what it asks about.
#[derive(Debug)]
pub(crate) struct Wish {
    /// Whether to go on, or to go back.
    pub(crate) ask: GateAsk,
    /// What of it is put on record.
    pub(crate) asked: Value,
    /// The change that it names.
    pub(crate) change: Option<String>,
    /// The digest of the change that it names.
    pub(crate) digest: Option<String>,
    /// The digests of what it brings, or why there are none.
    pub(crate) content: Result<Vec<Digest>, String>,
    /// The question for the tenant's application.
    pub(crate) access: Access,
}

/// A gate's answer, on record.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) verdict: GateVerdict,
    pub(crate) reasons: Vec<String>,
    pub(crate) decision: DecisionId,
}

/// What was found, why it is so, and what to record beside it.
struct Found {
    facts: GateFacts,
    /// What the engine is told.
    reasons: Vec<String>,
    /// What is put on record in its place, where the application masks something of the question.
    masked: Option<Vec<String>>,
    besides: Vec<Write>,
}

impl Found {
    fn nothing(why: impl Into<String>) -> Self {
        let why = why.into();
        Self {
            facts: GateFacts::Nothing { why: why.clone() },
            reasons: vec![why],
            masked: None,
            besides: Vec::new(),
        }
    }
}

/// Answers through a gate.
pub(crate) async fn answer(app: &App, through: &Through, wish: Wish) -> Result<Said, FlowError> {
    let (started, now) = (Instant::now(), app.clock.now());
    let found = match through.gate.question {
        GateQuestion::Change { content } => about_change(app, through, &wish, content, now).await,
        GateQuestion::Access => about_access(app, through, &wish).await,
    };
    // What cannot be found out is no reason to go anywhere, and is on record like what can.
    let found = found.unwrap_or_else(|error| Found::nothing(error.to_string()));
    record(app, through, wish.ask, wish.asked, found, started, now).await
}

/// Records what a health check came to for an engine.
pub(crate) async fn judged(
    app: &App,
    through: &Through,
    asked: Value,
    facts: GateFacts,
    reasons: Vec<String>,
    call: Decision,
) -> Result<Said, FlowError> {
    let besides = vec![Write::Decision(Box::new(call))];
    let found = Found { facts, reasons, masked: None, besides };
    record(app, through, GateAsk::Go, asked, found, Instant::now(), app.clock.now()).await
}

async fn record(
    app: &App,
    through: &Through,
    ask: GateAsk,
    asked: Value,
    found: Found,
    started: Instant,
    now: Timestamp,
) -> Result<Said, FlowError> {
    let Found { facts, reasons, masked, besides: mut writes } = found;
    let asked = if masked.is_some() { told_apart(asked) } else { asked };
    let gate = &through.gate;
    let verdict = facts.verdict(ask);
    let decision = DecisionId::new(app.clock.uuid());
    metrics::counter!("gate_answers_total", "engine" => gate.engine.as_str(), "verdict" => verdict.as_str())
        .increment(1);
    writes.push(Write::Decision(Box::new(Decision {
        id: decision.clone(),
        tenant: gate.tenant.clone(),
        change: facts.change().cloned(),
        at: now,
        outcome: match verdict {
            GateVerdict::Allow => DecisionOutcome::Allow,
            GateVerdict::Pending | GateVerdict::Deny => DecisionOutcome::Deny,
        },
        subject: DecisionSubject::Gate {
            gate: gate.id.clone(),
            name: gate.name.clone(),
            engine: gate.engine,
            account: through.actor.account.clone(),
            ask,
            asked: Box::new(asked),
            facts: Box::new(facts),
            verdict,
            reasons: masked.unwrap_or_else(|| reasons.clone()),
        },
        elapsed_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
    })));
    app.commit(&through.actor, now, writes).await?;
    Ok(Said { verdict, reasons, decision })
}

/// What an engine says, as it is put on record beside a question of which something is masked: the same may stand in here, under
/// another name. The question is on record with its own decision.
fn told_apart(mut asked: Value) -> Value {
    for (name, value) in asked.as_object_mut().into_iter().flatten() {
        if !NEVER_MASKED.contains(&name.as_str()) {
            *value = json!("(masked)");
        }
    }
    asked
}

/// Puts on record what an engine only tells, if it may ask at all.
pub(crate) async fn told(app: &App, through: &Through, told: Value) -> Result<(), FlowError> {
    may_ask(app, &through.actor).await?;
    let note = Note {
        kind: "gate.told",
        object_kind: "gate",
        object_id: through.gate.id.to_string(),
        payload: json!({ "engine": through.gate.engine, "told": told }),
    };
    app.commit(&through.actor, app.clock.now(), vec![Write::Note(note)]).await.map(|_| ())
}

async fn about_change(
    app: &App,
    through: &Through,
    wish: &Wish,
    content: bool,
    now: Timestamp,
) -> Result<Found, FlowError> {
    let Some(named) = &wish.change else {
        return Ok(Found::nothing("it names no change; put the id of one into `interlock/change`"));
    };
    let shown: String = named.chars().take(80).collect();
    let absent = || Found::nothing(format!("there is no change `{shown}` that this gate may read"));
    let Ok(id) = named.parse::<ChangeId>() else { return Ok(absent()) };
    let change = match load(app, &through.gate.tenant, &id).await {
        Err(FlowError::NotFound { .. }) => return Ok(absent()),
        found => found?,
    };
    match may_read(app, &through.actor, Action::ReadChange, change.resource()).await {
        Err(FlowError::Denied { .. }) => return Ok(absent()),
        done => done?,
    }
    let mut reasons = Vec::new();
    let is_digest = wish.digest.as_ref().is_none_or(|digest| *digest == change.digest.to_string());
    if !is_digest {
        reasons.push(format!(
            "the digest of `{id}` is {}, not the one that is named; read it again",
            change.digest
        ));
    }
    let holds_content = content.then(|| match held(&change, &wish.content) {
        Ok(()) => true,
        Err(why) => {
            reasons.push(why);
            false
        }
    });
    let (mut permitted, mut decision, mut besides) = (None, None, Vec::new());
    if let (State::RollingOut | State::Completed, GateAsk::Go) = (change.state, wish.ask) {
        let asked = may_enter(app, &change, stage(app, &change, now).await?, now).await?;
        permitted = Some(asked.permit().is_some());
        reasons.extend(asked.reasons());
        decision = Some(asked.id.clone());
        besides.push(Write::Decision(Box::new(asked)));
    } else {
        reasons.push(explain::explain(app, &through.actor, &id).await?.summary);
    }
    let state = change.state;
    let facts = GateFacts::Change { change: id, state, is_digest, holds_content, permitted, decision };
    Ok(Found { facts, reasons, masked: None, besides })
}

/// Whether all that an engine brings is among the artifacts of the change.
fn held(change: &Change, content: &Result<Vec<Digest>, String>) -> Result<(), String> {
    let digests = content.as_ref().map_err(|why| format!("what is brought cannot be compared: {why}"))?;
    let of_change: Vec<Digest> = change.manifest.artifacts.iter().map(|artifact| artifact.digest).collect();
    match digests.iter().find(|digest| !of_change.contains(digest)) {
        None if digests.is_empty() => {
            Err("it brings nothing that could be compared with the change".to_owned())
        }
        None => Ok(()),
        Some(other) => Err(format!("`{}` does not bring what this is: {other}", change.id)),
    }
}

/// The stage that the change is in, as it would be entered now.
async fn stage(app: &App, change: &Change, now: Timestamp) -> Result<Stage, FlowError> {
    let Some(rollout) = &change.rollout else { return Ok(Stage::none(change)) };
    let index = rollout.stage().unwrap_or(0);
    let exposure_bp =
        change.stage(index).map_or(0, |stage| stage.exposure.basis_points(&change.manifest.population));
    let rollback_complete = WayBack::today(app, change, now).await?.complete;
    Ok(Stage { index, exposure_bp, health: rollout.worst_health(), rollback_complete })
}

async fn about_access(app: &App, through: &Through, wish: &Wish) -> Result<Found, FlowError> {
    let most = app.config.policies.batch_bytes_max;
    if serde_json::to_vec(&wish.access).map_or(usize::MAX, |bytes| bytes.len()) > most {
        return Ok(Found::nothing(format!("it holds more than {most} bytes (`policies.batch_bytes_max`)")));
    }
    let asked = Asked { access: wish.access.clone(), taken: Vec::new() };
    let given = access::evaluate(app, &through.actor, vec![Some(asked)], Until::All, false).await?;
    let Some(Some(given)) = given.into_iter().next() else {
        return Ok(Found::nothing("the application gave no answer"));
    };
    let masked = given.is_masked.then(|| given.reasons_for_the_record());
    let facts = GateFacts::Access { decision: given.decision, allowed: given.answer.allowed };
    Ok(Found { facts, reasons: given.answer.reasons(), masked, besides: Vec::new() })
}
