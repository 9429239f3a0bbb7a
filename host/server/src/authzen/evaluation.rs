//! May this subject do this to that resource? One question, or several at once.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
};
use interlock_domain::{Answer, DecisionId};
use interlock_policy::Access;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    body::{Question, context, thing, verb},
    error::Unanswerable,
};
use crate::{
    App,
    api::{Caller, Read},
    flow::access::{self, Until},
};

/// How answers look.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Look {
    /// With the deciding policies, errors and the id of the recorded decision. Not by itself: AuthZEN's own suites compare
    /// answers literally.
    #[serde(default)]
    explain: bool,
}

pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    Query(look): Query<Look>,
    Question(fields): Question,
) -> Result<Json<Value>, Unanswerable> {
    single(&app, &caller, &look, &fields).await
}

pub(super) async fn several(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    Query(look): Query<Look>,
    Question(fields): Question,
) -> Result<Json<Value>, Unanswerable> {
    let items = match fields.get("evaluations") {
        None | Some(Value::Null) => return single(&app, &caller, &look, &fields).await,
        Some(Value::Array(items)) if items.is_empty() => return single(&app, &caller, &look, &fields).await,
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
    let questions: Vec<Result<Access, String>> =
        items.iter().map(|item| with_defaults(&fields, item)).collect();
    let asked = questions.iter().map(|question| question.as_ref().ok().cloned());
    let answers = access::evaluate(&app, &caller.actor, asked, until).await?;
    let said = answers.iter().zip(&questions).map(|(answer, question)| match (answer, question) {
        (Some(answer), _) => said(answer, &look),
        (None, Err(missing)) => {
            json!({ "decision": false, "context": { "error": { "status": 400, "message": missing } } })
        }
        (None, Ok(_)) => json!({ "decision": false }),
    });
    Ok(Json(json!({ "evaluations": said.collect::<Vec<_>>() })))
}

async fn single(
    app: &App,
    caller: &Caller<Read>,
    look: &Look,
    fields: &Map<String, Value>,
) -> Result<Json<Value>, Unanswerable> {
    let question = question(fields).map_err(Unanswerable::bad)?;
    let answers = access::evaluate(app, &caller.actor, [Some(question)], Until::All).await?;
    Ok(Json(
        answers.first().and_then(Option::as_ref).map_or(json!({ "decision": false }), |one| said(one, look)),
    ))
}

fn question(fields: &Map<String, Value>) -> Result<Access, String> {
    Ok(Access {
        subject: thing(fields, "subject", false)?,
        action: verb(fields)?,
        resource: thing(fields, "resource", false)?,
        context: context(fields)?,
    })
}

/// A question of a batch: what it does not say, the batch says. Whole objects, nothing is merged.
fn with_defaults(fields: &Map<String, Value>, item: &Value) -> Result<Access, String> {
    let Value::Object(item) = item else { return Err("a question must be an object".to_owned()) };
    let parts = ["subject", "action", "resource", "context"];
    let whole = parts.into_iter().filter_map(|part| {
        let value = item.get(part).or_else(|| fields.get(part))?;
        Some((part.to_owned(), value.clone()))
    });
    question(&whole.collect())
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

fn said((decision, answer): &(DecisionId, Answer), look: &Look) -> Value {
    if !look.explain {
        return json!({ "decision": answer.allowed });
    }
    json!({
        "decision": answer.allowed,
        "context": {
            "evaluation_id": decision,
            "policies": answer.determining,
            "errors": answer.errors,
            "bundle": answer.bundle,
        },
    })
}
