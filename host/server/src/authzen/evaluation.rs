//! May this subject do this to that resource? One question, or several at once.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue},
    response::{IntoResponse, Response},
};
use interlock_domain::TenantId;
use interlock_policy::{Access, Thing, Verb};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    body::{Parts, Question, Weighed},
    error::Unanswerable,
    request,
};
use crate::{
    App,
    api::{Caller, Read},
    config::Policies,
    flow::access::{self, Asked, Given, Until},
};

/// How answers look.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Look {
    /// With the deciding policies, errors and the id of the recorded decision. Not by itself: AuthZEN's own suites compare
    /// answers literally.
    #[serde(default)]
    explain: bool,
    /// With how a denial may be turned. Said by a header.
    #[serde(skip)]
    preferred: bool,
}

impl Look {
    /// With what the headers say.
    fn with(self, headers: &HeaderMap) -> Self {
        Self { preferred: request::is_preferred(headers), ..self }
    }

    /// An answer that says that the preference was heeded.
    fn applied(self, answer: Value) -> Response {
        let mut response = Json(answer).into_response();
        if self.preferred {
            let applied = HeaderValue::from_static(request::PREFERENCE);
            response.headers_mut().insert("preference-applied", applied);
        }
        response
    }
}

pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    Query(look): Query<Look>,
    headers: HeaderMap,
    Question(fields): Question,
) -> Result<Response, Unanswerable> {
    single(&app, &caller, look.with(&headers), &fields).await
}

pub(super) async fn several(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    Query(look): Query<Look>,
    headers: HeaderMap,
    Question(fields): Question,
) -> Result<Response, Unanswerable> {
    let look = look.with(&headers);
    let items = match fields.get("evaluations") {
        None | Some(Value::Null) => return single(&app, &caller, look, &fields).await,
        Some(Value::Array(items)) if items.is_empty() => return single(&app, &caller, look, &fields).await,
        Some(Value::Array(items)) => items,
        Some(_) => return Err(Unanswerable::bad("`evaluations` must be a list")),
    };
    let max = app.config.policies.evaluations_max;
    if items.len() > max {
        return Err(Unanswerable::bad(format!(
            "`evaluations` holds {} questions, and at most {max} are answered at once; split it",
            items.len()
        )));
    }
    let until = until(&fields)?;
    let questions = batch(&fields, items, &app.config.policies)?;
    let asked = questions.iter().map(|question| question.as_ref().ok().cloned()).collect();
    let answers = access::evaluate(&app, &caller.actor, asked, until, look.preferred).await?;
    let tenant = &caller.actor.tenant;
    let said = answers.iter().zip(&questions).map(|(answer, question)| match (answer, question) {
        (Some(answer), _) => said(&app, tenant, answer, look),
        (None, Err(missing)) => {
            json!({ "decision": false, "context": { "error": { "status": 400, "message": missing } } })
        }
        (None, Ok(_)) => json!({ "decision": false }),
    });
    Ok(look.applied(json!({ "evaluations": said.collect::<Vec<_>>() })))
}

async fn single(
    app: &App,
    caller: &Caller<Read>,
    look: Look,
    fields: &Map<String, Value>,
) -> Result<Response, Unanswerable> {
    let parts = Parts { fields, at: "", limits: &app.config.policies };
    let access = question(parts).map_err(Unanswerable::bad)?;
    let asked = Asked { access, taken: Vec::new() };
    let answers = access::evaluate(app, &caller.actor, vec![Some(asked)], Until::All, look.preferred).await?;
    let tenant = &caller.actor.tenant;
    let answer = answers.first().and_then(Option::as_ref);
    Ok(look.applied(answer.map_or(json!({ "decision": false }), |one| said(app, tenant, one, look))))
}

pub(super) fn question(parts: Parts<'_>) -> Result<Access, String> {
    Ok(Access {
        subject: parts.thing("subject", false)?.part,
        action: parts.verb()?.part,
        resource: parts.thing("resource", false)?.part,
        context: parts.context()?.part,
    })
}

/// What the questions of a batch ask where they say nothing themselves. Read once, also when it is no good.
struct Defaults {
    subject: Result<Weighed<Thing>, String>,
    action: Result<Weighed<Verb>, String>,
    resource: Result<Weighed<Thing>, String>,
    context: Result<Weighed<Map<String, Value>>, String>,
}

/// The questions of a batch, in order. Too much together is refused before the first one is asked.
fn batch(
    fields: &Map<String, Value>,
    items: &[Value],
    limits: &Policies,
) -> Result<Vec<Result<Asked, String>>, Unanswerable> {
    let own = Parts { fields, at: "", limits };
    let defaults = Defaults {
        subject: own.thing("subject", false),
        action: own.verb(),
        resource: own.thing("resource", false),
        context: own.context(),
    };
    let mut bytes = 0_usize;
    let questions = items.iter().enumerate().map(|(index, item)| {
        let (asked, weight) = with_defaults(&defaults, item, &format!("/evaluations/{index}"), limits)?;
        bytes = bytes.saturating_add(weight);
        Ok(asked)
    });
    let questions = questions.collect();
    let max = limits.batch_bytes_max;
    if bytes > max {
        return Err(Unanswerable::bad(format!(
            "the {} questions of `/evaluations` hold {bytes} bytes together, counting what each takes from the batch, and at \
             most {max} are taken at once (`policies.batch_bytes_max`); split it",
            items.len()
        )));
    }
    Ok(questions)
}

/// A question of a batch and its weight: what it does not say, the batch says. Whole objects, nothing is merged.
fn with_defaults(
    defaults: &Defaults,
    item: &Value,
    at: &str,
    limits: &Policies,
) -> Result<(Asked, usize), String> {
    let Value::Object(fields) = item else { return Err("a question must be an object".to_owned()) };
    let own = Parts { fields, at, limits };
    let mut taken = Vec::new();
    let subject = or(fields, "subject", &mut taken, own.thing("subject", false), &defaults.subject)?;
    let action = or(fields, "action", &mut taken, own.verb(), &defaults.action)?;
    let resource = or(fields, "resource", &mut taken, own.thing("resource", false), &defaults.resource)?;
    let context = or(fields, "context", &mut taken, own.context(), &defaults.context)?;
    let bytes = [subject.bytes, action.bytes, resource.bytes, context.bytes];
    let access =
        Access { subject: subject.part, action: action.part, resource: resource.part, context: context.part };
    Ok((Asked { access, taken }, bytes.into_iter().fold(0, usize::saturating_add)))
}

/// The item's own part where it has one, and the batch's where it has none.
fn or<T: Clone>(
    fields: &Map<String, Value>,
    part: &'static str,
    taken: &mut Vec<&'static str>,
    own: Result<Weighed<T>, String>,
    default: &Result<Weighed<T>, String>,
) -> Result<Weighed<T>, String> {
    if fields.contains_key(part) {
        return own;
    }
    taken.push(part);
    default.clone()
}

fn until(fields: &Map<String, Value>) -> Result<Until, Unanswerable> {
    let options = fields.get("options").and_then(|options| options.get("evaluations_semantic"));
    match options.map(Value::as_str) {
        None | Some(Some("execute_all")) => Ok(Until::All),
        Some(Some("deny_on_first_deny")) => Ok(Until::Deny),
        Some(Some("permit_on_first_permit")) => Ok(Until::Permit),
        Some(_) => Err(Unanswerable::bad(
            "`options.evaluations_semantic` must be execute_all, deny_on_first_deny or permit_on_first_permit",
        )),
    }
}

fn said(app: &App, tenant: &TenantId, given: &Given, look: Look) -> Value {
    let mut context = request::told(app, tenant, given, look.preferred).unwrap_or_default();
    let answer = &given.answer;
    if look.explain {
        context.insert("evaluation_id".to_owned(), json!(given.decision));
        context.insert("policies".to_owned(), json!(answer.determining));
        context.insert("errors".to_owned(), json!(answer.errors));
        context.insert("bundle".to_owned(), json!(answer.bundle));
        if let Some(since) = app.applications.since(tenant, &answer.bundle) {
            let age_ms = app.clock.now().millis_since(since).max(0);
            context.insert("bundle_since".to_owned(), json!(since));
            context.insert("bundle_age_ms".to_owned(), json!(age_ms));
        }
    }
    let mut said = json!({ "decision": answer.allowed });
    if !context.is_empty() {
        said["context"] = Value::Object(context);
    }
    said
}
