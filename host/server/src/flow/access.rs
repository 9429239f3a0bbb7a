//! The tenant's application: ask it, search it, ask it again what it was asked.
//!
//! **Invariant:** every answer is on record before it is given; what cannot be recorded is not answered.

use std::{sync::Arc, time::Instant};

use interlock_domain::{
    AccessRequestId, Actor, Answer, Decision, DecisionId, DecisionOutcome, DecisionSubject, Digest, PersonId,
    TenantId, Timestamp, Unapproved,
};
use interlock_policy::{Access, Application, Approved, Explanation, Found, MASK, Part, Search};
use serde_json::{Value, json};

use super::{
    application,
    approvals::{self, Approvals, CLAIMED},
    aside,
    ask::may_ask,
    record::record,
    shared::{self, Shared},
};
use crate::{App, FlowError};

/// A question to so many policies takes a fraction of a millisecond.
const QUICK_POLICIES_MAX: usize = 64;

/// When a batch ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Never: every question is answered.
    All,
    /// With the first no.
    Deny,
    /// With the first yes.
    Permit,
}

/// A question.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// What is asked.
    pub(crate) access: Access,
    /// Which parts of it the batch says for several questions: `subject`, `context`, …
    pub(crate) taken: Vec<&'static str>,
}

/// An answer that is on record.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// Under this id.
    pub(crate) decision: DecisionId,
    /// What the policies said.
    pub(crate) answer: Answer,
    /// Whether the approval that the question brought holds; nothing when it brought none.
    pub(crate) approval: Option<Result<(), Unapproved>>,
    /// Whether an approval would turn this denial. Only looked at when somebody wants to know.
    pub(crate) approvable: bool,
    /// Whether something of the question is masked in the record.
    pub(crate) is_masked: bool,
}

impl Given {
    /// Why, in sentences that may stand in a record.
    pub(crate) fn reasons_for_the_record(&self) -> Vec<String> {
        on_record(self.answer.clone(), self.is_masked).reasons()
    }
}

/// An answer that is not on record yet.
struct Judged {
    approval: Option<Result<(), Unapproved>>,
    approvable: bool,
    is_masked: bool,
    request: Value,
    answer: Answer,
    found: Option<Vec<String>>,
    elapsed_us: u64,
}

/// Answers questions in order, on record. What is no question is a no.
pub(crate) async fn evaluate(
    app: &App,
    who: &Actor,
    questions: Vec<Option<Asked>>,
    until: Until,
    offering: bool,
) -> Result<Vec<Option<Given>>, FlowError> {
    let application = asked(app, who).await?;
    let _place = app.evaluation()?;
    let now = app.clock.now();
    let name = application.name.clone();
    let approvals = Approvals::of(app, who, &application, &questions).await?;
    let quick = is_quick(&application, &questions);
    let judging = Judging { application, approvals, until, offering, now };
    let (judged, shared) =
        if quick { judging.judge(questions) } else { aside(move || judging.judge(questions)).await? };
    shared.keep(app).await?;
    let (mut answers, mut decisions) = (Vec::new(), Vec::new());
    count(&who.tenant, judged.iter().flatten());
    for judged in judged {
        answers.push(judged.map(|judged| {
            let (answer, approval, approvable) = (judged.answer.clone(), judged.approval, judged.approvable);
            let is_masked = judged.is_masked;
            let decision = recorded(app, who, &name, judged, now);
            let id = decision.id.clone();
            decisions.push(decision);
            Given { decision: id, answer, approval, approvable, is_masked }
        }));
    }
    record(app, who, now, decisions).await?;
    Ok(answers)
}

/// Whether it is answered before another thread could begin with it.
fn is_quick(application: &Application, questions: &[Option<Asked>]) -> bool {
    match questions {
        [Some(one)] => application.policies_asked(&one.access.action.name) <= QUICK_POLICIES_MAX,
        _ => false,
    }
}

/// All that answers need, where they are made.
struct Judging {
    application: Arc<Application>,
    approvals: Approvals,
    until: Until,
    offering: bool,
    now: Timestamp,
}

impl Judging {
    /// Asks one question after the other, until one ends it. Nothing of a question outlives its turn but what is recorded.
    fn judge(&self, questions: Vec<Option<Asked>>) -> (Vec<Option<Judged>>, Shared) {
        let (mut answers, mut shared) = (Vec::new(), Shared::default());
        for question in questions {
            let Some(Asked { access, taken }) = question else {
                answers.push(None);
                if self.until == Until::Deny {
                    break;
                }
                continue;
            };
            let judged = self.one(&access, &taken, &mut shared);
            let allowed = judged.answer.allowed;
            answers.push(Some(judged));
            if (self.until == Until::Deny && !allowed) || (self.until == Until::Permit && allowed) {
                break;
            }
        }
        (answers, shared)
    }

    fn one(&self, access: &Access, taken: &[&'static str], shared: &mut Shared) -> Judged {
        let started = Instant::now();
        let application = &self.application;
        let (plain, said) = Application::without_approval(access);
        let plain = application.readable(&plain);
        let said = said.filter(|_| application.takes_approval(&plain.action));
        let approval = said.as_ref().map(|said| self.approvals.check(said, &plain, self.now));
        let readable = match &approval {
            Some(Ok(approved)) => application.with_approval(&plain, approved),
            Some(Err(_)) | None => plain.clone(),
        };
        let answer = application.evaluate(&readable, self.now);
        let approvable = self.offering
            && !answer.allowed
            && application.takes_approval(&plain.action)
            && application.evaluate(&application.with_approval(&plain, &as_if(self.now)), self.now).allowed;
        drop(plain);
        let (mut request, is_masked) = application.masked(readable.into_value());
        shared.take_out(&mut request, taken);
        if let (Some(said), Some(Err(why))) = (&said, &approval) {
            request[CLAIMED] = json!({ "id": approvals::shown_id(said), "reason": why.reason() });
        }
        let approval = approval.map(|checked| checked.map(|_| ()));
        Judged { approval, approvable, is_masked, request, answer, found: None, elapsed_us: since(started) }
    }
}

/// Any approval, to see whether one would help.
fn as_if(now: Timestamp) -> Approved {
    let nobody = uuid::Uuid::nil();
    Approved {
        id: AccessRequestId::new(nobody).to_string(),
        until: now.plus_millis(1),
        by: PersonId::new(nobody),
    }
}

/// Searches, on record.
pub(crate) async fn search(
    app: &App,
    who: &Actor,
    search: Search,
    part: Part<'_>,
) -> Result<Found, FlowError> {
    let application = asked(app, who).await?;
    let _place = app.evaluation()?;
    let now = app.clock.now();
    let name = application.name.clone();
    let search = Application::search_without_approval(search);
    let (after, limit, tries) = (part.after.map(str::to_owned), part.limit, part.tries);
    let (judged, found) = aside(move || {
        let started = Instant::now();
        let readable = application.readable_search(&search);
        let found = application.search(&readable, Part { after: after.as_deref(), limit, tries }, now);
        let hides = application.hides(search.search);
        let mut request = json!(readable);
        // Where it goes on is one of what it found.
        request["after"] = if hides && after.is_some() { MASK.into() } else { after.into() };
        request["limit"] = limit.into();
        request["tries"] = tries.into();
        let (request, is_masked) = application.masked(request);
        let answer = Answer {
            allowed: !found.found.is_empty(),
            determining: Vec::new(),
            errors: Vec::new(),
            monitored: Vec::new(),
            bundle: application.digest,
        };
        let is_masked = is_masked || hides;
        let shown = |id: &String| if hides { MASK.to_owned() } else { id.clone() };
        let ids = Some(found.found.iter().map(shown).collect());
        let elapsed_us = since(started);
        let judged =
            Judged { approval: None, approvable: false, is_masked, request, answer, found: ids, elapsed_us };
        (judged, found)
    })
    .await?;
    count(&who.tenant, [&judged]);
    let decision = recorded(app, who, &name, judged, now);
    record(app, who, now, vec![decision]).await?;
    Ok(found)
}

/// An answer as it is put on record. What went wrong is told with the values that it went wrong with; where something of the
/// question is masked, only what went wrong stays.
fn on_record(mut answer: Answer, is_masked: bool) -> Answer {
    if is_masked {
        for error in &mut answer.errors {
            *error = match error.split_once(": ") {
                Some((what, _)) => format!("{what}: (masked)"),
                None => "something went wrong (masked)".to_owned(),
            };
        }
    }
    answer
}

fn since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// The tenant's application, if this program may ask it.
async fn asked(app: &App, who: &Actor) -> Result<Arc<Application>, FlowError> {
    may_ask(app, who).await?;
    app.applications
        .of(&who.tenant)
        .ok_or_else(|| FlowError::NotFound { what: "application of tenant", id: who.tenant.to_string() })
}

fn recorded(app: &App, who: &Actor, application: &str, judged: Judged, now: Timestamp) -> Decision {
    let Judged { request, answer, is_masked, found, elapsed_us, .. } = judged;
    let answer = on_record(answer, is_masked);
    let outcome = outcome(&answer);
    Decision {
        id: DecisionId::new(app.clock.uuid()),
        tenant: who.tenant.clone(),
        change: None,
        at: now,
        outcome,
        subject: DecisionSubject::Access {
            application: application.to_owned(),
            account: who.account.clone(),
            request: Box::new(request),
            answer: Box::new(answer),
            found,
        },
        elapsed_us,
    }
}

fn outcome(answer: &Answer) -> DecisionOutcome {
    if answer.allowed { DecisionOutcome::Allow } else { DecisionOutcome::Deny }
}

fn count<'a>(tenant: &TenantId, judged: impl IntoIterator<Item = &'a Judged>) {
    let (allowed, denied): (Vec<_>, Vec<_>) = judged.into_iter().partition(|judged| judged.answer.allowed);
    for some in [allowed, denied] {
        let Some(first) = some.first() else { continue };
        let outcome = outcome(&first.answer).as_str();
        metrics::counter!("access_decisions_total", "tenant" => tenant.to_string(), "outcome" => outcome)
            .increment(some.len() as u64);
    }
}

/// Why an answer is what it is, clause by clause, by the application that gave it. The inner error says why that cannot be
/// told.
pub(crate) async fn explain(
    app: &App,
    request: &Value,
    application: &Digest,
    then: Timestamp,
) -> Result<Result<Explanation, String>, FlowError> {
    let application = match application::kept(app, application).await? {
        Ok(application) => application,
        Err(reason) => return Ok(Err(reason)),
    };
    let request = match shared::put_back(app, request.clone()).await? {
        Ok(request) => request,
        Err(reason) => return Ok(Err(reason)),
    };
    if application.masked(request.clone()).1 {
        return Ok(Err("something is masked in the record".to_owned()));
    }
    Ok(match serde_json::from_value::<Access>(request) {
        Ok(access) => Ok(interlock_policy::explain_access(&application, &access, then)),
        Err(error) => Err(format!("the record cannot be read: {error}")),
    })
}

/// What differs when a recorded question is asked again.
pub(crate) async fn again(
    app: &App,
    request: &Value,
    answer: &Answer,
    found: Option<&Vec<String>>,
    then: Timestamp,
) -> Result<Vec<String>, FlowError> {
    let application = match application::kept(app, &answer.bundle).await? {
        Ok(application) => application,
        Err(reason) => return Ok(vec![reason]),
    };
    let request = match shared::put_back(app, request.clone()).await? {
        Ok(request) => request,
        Err(reason) => return Ok(vec![reason]),
    };
    let found_hidden =
        found.is_some_and(|found| found.iter().any(|id| id == MASK)) || request["after"] == MASK;
    if found_hidden || application.masked(request.clone()).1 {
        return Ok(vec!["something is masked in the record, so it cannot be asked again".to_owned()]);
    }
    let unreadable = |error: serde_json::Error| vec![format!("the record cannot be read: {error}")];
    if let Some(found) = found {
        let search: Search = match serde_json::from_value(request.clone()) {
            Ok(search) => search,
            Err(error) => return Ok(unreadable(error)),
        };
        // Without a number there was no limit.
        let number = |name: &str| request[name].as_u64().and_then(|number| usize::try_from(number).ok());
        let (limit, tries) = (number("limit").unwrap_or(usize::MAX), number("tries").unwrap_or(usize::MAX));
        let part = Part { after: request["after"].as_str(), limit, tries };
        let now = application.search(&search, part, then).found;
        return Ok(if now == *found { Vec::new() } else { vec![format!("then {found:?}, now {now:?}")] });
    }
    let access: Access = match serde_json::from_value(request.clone()) {
        Ok(access) => access,
        Err(error) => return Ok(unreadable(error)),
    };
    let now = application.evaluate(&access, then);
    Ok(if now == *answer { Vec::new() } else { vec![format!("then {answer:?}, now {now:?}")] })
}
