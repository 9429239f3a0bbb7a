//! Requests for access that the tenant's application denied: a program makes one of a denial, persons answer.

use std::sync::Arc;

use interlock_domain::{
    AccessRequest, AccessRequestId, AccessState, AccessVerdict, Action, Actor, DecisionId, DecisionSubject,
    TenantId, Timestamp,
};
use interlock_policy::{Access, Application};
use interlock_store::{Page, PendingLimits, StoreError, Write};
use serde_json::{Value, json};

use super::{
    approvals::CLAIMED,
    ask::{may_read, permit},
    change::tenant,
    record, shared,
};
use crate::{App, FlowError};

/// Longest reason.
const REASON_MAX: usize = 2_000;

/// What a program asks for.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// The recorded denial.
    pub(crate) evaluation: DecisionId,
    /// The question once more, for records in which something is masked.
    pub(crate) access: Option<Access>,
    /// Whether the question comes with its circumstances; those on record count otherwise.
    pub(crate) has_context: bool,
    /// Why; may be empty.
    pub(crate) reason: String,
    /// Until when; for as long as is configured when absent.
    pub(crate) until: Option<Timestamp>,
}

/// Makes a request of a denial that this program was given; the same one when there is one already, and whether it is new.
pub(crate) async fn make(app: &App, who: &Actor, wish: Wish) -> Result<(AccessRequest, bool), FlowError> {
    may_read(app, who, Action::EvaluateAccess, tenant(who)).await?;
    let now = app.clock.now();
    let not_found = || FlowError::NotFound { what: "denial", id: wish.evaluation.to_string() };
    let decision = record::find(app, &who.tenant, &wish.evaluation).await?.ok_or_else(not_found)?;
    let DecisionSubject::Access { account, request, answer, found: None, .. } = &decision.subject else {
        return Err(not_found());
    };
    // As for what does not exist: nobody learns what others asked.
    if *account != who.account || answer.allowed {
        return Err(not_found());
    }
    if let Some(made) = app.store.access_request_of(&who.tenant, &wish.evaluation).await? {
        return Ok((made, false));
    }
    let limits = &app.config.access;
    if now.millis_since(decision.at) >= i64::try_from(limits.offer_ms).unwrap_or(i64::MAX) {
        let detail = "this denial is too old to make a request of; ask the question again";
        return Err(FlowError::invalid("/denial/evaluation_id", detail));
    }
    let wanted_ms = match wish.until {
        None => limits.approval_ms,
        Some(until) => u64::try_from(until.millis_since(now)).unwrap_or(0),
    };
    if wanted_ms == 0 {
        let detail = "`requested_access.requested_until` is over already";
        return Err(FlowError::invalid("/requested_access/requested_until", detail));
    }
    // More than may be approved is cut to what may be: whoever asks sees `approved_until`.
    let wanted_ms = wanted_ms.min(limits.approval_ms_max);
    let reason = reason(&wish.reason)?;
    let (question, asked) = question(app, who, request, wish.access, wish.has_context).await?;
    let part = |pointer: &str| question.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let salt = app.secret()?;
    // One for all requests of the tenant: what is about the same subject is counted together.
    let of_tenant = app.secrets.salt(&format!("subjects of access requests of {}", who.tenant));
    let request = AccessRequest {
        id: AccessRequestId::new(app.clock.uuid()),
        tenant: who.tenant.clone(),
        evaluation: wish.evaluation.clone(),
        account: who.account.clone(),
        person: who.person.clone(),
        subject: AccessRequest::subject_of(&of_tenant, part("/subject/type"), part("/subject/id")),
        scope: AccessRequest::scope_of(&salt, &question)?,
        asked: Box::new(asked),
        salt,
        reason,
        wanted_ms,
        state: AccessState::Pending,
        created_at: now,
        expires_at: now.plus_millis(i64::try_from(limits.pending_ms).unwrap_or(i64::MAX)),
        answered: None,
        approved_until: None,
        revoked: None,
        revision: 1,
    };
    match app.commit(who, now, vec![write(app, request.clone())]).await {
        Err(FlowError::Store(StoreError::AlreadyExists { .. })) => {
            let made = app.store.access_request_of(&who.tenant, &wish.evaluation).await?;
            made.map(|made| (made, false)).ok_or_else(not_found)
        }
        done => done.map(|_| (request, true)),
    }
}

/// A request, for the program that made it.
pub(crate) async fn own(app: &App, who: &Actor, id: &AccessRequestId) -> Result<AccessRequest, FlowError> {
    may_read(app, who, Action::EvaluateAccess, tenant(who)).await?;
    let request = load(app, &who.tenant, id).await?;
    if request.account == who.account { Ok(request) } else { Err(absent(id)) }
}

/// A request, for whoever may read decisions.
pub(crate) async fn show(app: &App, who: &Actor, id: &AccessRequestId) -> Result<AccessRequest, FlowError> {
    may_read(app, who, Action::ReadDecision, tenant(who)).await?;
    load(app, &who.tenant, id).await
}

/// Requests, newest first.
pub(crate) async fn list(
    app: &App,
    who: &Actor,
    state: Option<AccessState>,
    page: &Page,
) -> Result<Vec<AccessRequest>, FlowError> {
    may_read(app, who, Action::ReadDecision, tenant(who)).await?;
    Ok(app.store.access_requests(&who.tenant, state, app.clock.now(), page).await?)
}

/// What a person says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Says {
    /// Yes, for so many milliseconds; for as long as it is wanted when absent.
    Yes(Option<u64>),
    /// No.
    No,
    /// Not any more.
    NoMore,
}

/// A person answers, or takes an answer back.
pub(crate) async fn decide(
    app: &App,
    who: &Actor,
    id: &AccessRequestId,
    says: Says,
    reason_given: &str,
) -> Result<AccessRequest, FlowError> {
    let now = app.clock.now();
    let (permit, decision) = permit(app, who, Action::ApproveAccess, tenant(who), None, now).await?;
    let request = load(app, &who.tenant, id).await?;
    let verdict = match says {
        Says::Yes(span) => {
            let most = app.config.access.approval_ms_max;
            let span = span.unwrap_or(request.wanted_ms.min(most));
            check_span("/approve_for_ms", span, most)?;
            AccessVerdict::Approve { until: now.plus_millis(i64::try_from(span).unwrap_or(i64::MAX)) }
        }
        Says::No => AccessVerdict::Reject,
        Says::NoMore => AccessVerdict::Revoke,
    };
    let called = called(app, who).await?;
    if reason_given.len() > REASON_MAX {
        reason(reason_given)?;
    }
    let after = request.decide(verdict, who, &called, reason_given, &permit, now)?;
    let writes = vec![Write::Decision(Box::new(decision)), write(app, after.clone())];
    app.commit(who, now, writes).await?;
    Ok(after)
}

/// All that a person is called: the subject of a question is in the application's words.
async fn called(app: &App, who: &Actor) -> Result<Vec<String>, FlowError> {
    let accounts = app.store.accounts(&who.tenant).await?;
    let own = accounts.into_iter().filter(|account| account.person == who.person);
    let mut called: Vec<String> = own.flat_map(|account| [account.id.to_string(), account.name]).collect();
    called.push(who.person.to_string());
    Ok(called)
}

fn write(app: &App, request: AccessRequest) -> Write {
    let config = &app.config.access;
    let limits = PendingLimits { of_tenant: config.pending_max, of_subject: config.pending_of_subject_max };
    Write::AccessRequest { request: Box::new(request), limits }
}

/// The question as the policies read it, and as it is on record. What is masked there has to come once more.
async fn question(
    app: &App,
    who: &Actor,
    recorded: &Value,
    again: Option<Access>,
    has_context: bool,
) -> Result<(Value, Value), FlowError> {
    let unusable = |detail: String| FlowError::invalid("/denial", detail);
    let Some(application) = app.applications.of(&who.tenant) else {
        return Err(FlowError::NotFound { what: "application of tenant", id: who.tenant.to_string() });
    };
    let mut asked = shared::put_back(app, recorded.clone()).await?.map_err(unusable)?;
    if let Some(fields) = asked.as_object_mut() {
        fields.remove(CLAIMED);
        if let Some(context) = fields.get_mut("context").and_then(Value::as_object_mut) {
            // The denial was given although an approval held; more of the same does not help, but it is a request.
            context.remove(interlock_policy::APPROVAL);
        }
        if fields.get("context").is_some_and(|context| context.as_object().is_some_and(|c| c.is_empty())) {
            fields.remove("context");
        }
    }
    let is_masked = application.masked(asked.clone()).1;
    let question = match again {
        Some(mut access) if !has_context && !is_masked => {
            let recorded = asked.get("context").and_then(Value::as_object).cloned();
            access.context = Arc::new(recorded.unwrap_or_default());
            json!(application.readable(&access))
        }
        Some(access) => json!(application.readable(&Application::without_approval(&access).0)),
        None if is_masked => {
            let detail = "something of this question is masked in the record; send `subject`, `action`, `resource` and `context` once \
                          more";
            return Err(unusable(detail.to_owned()));
        }
        None => asked.clone(),
    };
    if application.masked(question.clone()).0 != asked {
        let detail = "this is not the question that was denied, or the application reads it otherwise by now; ask it again";
        return Err(unusable(detail.to_owned()));
    }
    Ok((question, asked))
}

fn check_span(field: &str, span: u64, most: u64) -> Result<(), FlowError> {
    if span == 0 || span > most {
        return Err(FlowError::invalid(
            field,
            format!("an approval holds for 1 to {most} ms (`access.approval_ms_max`)"),
        ));
    }
    Ok(())
}

fn reason(text: &str) -> Result<String, FlowError> {
    let text = text.trim();
    if text.len() > REASON_MAX {
        return Err(FlowError::invalid("/reason", format!("a reason has at most {REASON_MAX} bytes")));
    }
    Ok(text.to_owned())
}

async fn load(app: &App, tenant: &TenantId, id: &AccessRequestId) -> Result<AccessRequest, FlowError> {
    app.store.access_request(tenant, id).await?.ok_or_else(|| absent(id))
}

fn absent(id: &AccessRequestId) -> FlowError {
    FlowError::NotFound { what: "access request", id: id.to_string() }
}
