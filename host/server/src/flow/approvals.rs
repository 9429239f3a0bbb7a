//! The approvals that questions bring with them, looked up before the questions are asked.

use std::{collections::BTreeMap, sync::Arc};

use interlock_domain::{AccessClaim, AccessRequest, AccessRequestId, Actor, TenantId, Timestamp, Unapproved};
use interlock_policy::{Access, Application, Approved};
use serde_json::{Value, json};

use super::access::Asked;
use crate::{App, FlowError};

/// Where a record says which approval did not count, and why.
pub(super) const CLAIMED: &str = "claimed";

/// What is known of the approvals that questions name.
pub(super) struct Approvals {
    tenant: TenantId,
    known: BTreeMap<AccessRequestId, Arc<AccessRequest>>,
}

impl Approvals {
    /// Looks up what these questions name, where the policies may ask for it.
    pub(super) async fn of(
        app: &App,
        who: &Actor,
        application: &Application,
        questions: &[Option<Asked>],
    ) -> Result<Self, FlowError> {
        let mut known = BTreeMap::new();
        for asked in questions.iter().flatten() {
            let said = asked.access.context.get(interlock_policy::APPROVAL);
            let Some(claim) = said.and_then(claim) else { continue };
            if known.contains_key(&claim.id) || !application.takes_approval(&asked.access.action) {
                continue;
            }
            if let Some(request) = app.store.access_request(&who.tenant, &claim.id).await? {
                known.insert(claim.id, Arc::new(request));
            }
        }
        Ok(Self { tenant: who.tenant.clone(), known })
    }

    /// Whether what a question says of its approval holds for exactly this question.
    pub(super) fn check(
        &self,
        said: &Value,
        question: &Access,
        now: Timestamp,
    ) -> Result<Approved, Unapproved> {
        let claim = claim(said).ok_or(Unapproved::Unverifiable)?;
        let request = self.known.get(&claim.id).ok_or(Unapproved::Unverifiable)?;
        request.holds(&claim, &self.tenant, &json!(question), now)?;
        let (Some(until), Some(answered)) = (request.approved_until, &request.answered) else {
            return Err(Unapproved::Unverifiable);
        };
        Ok(Approved { id: request.id.to_string(), until, by: answered.person.clone() })
    }
}

/// What a question says of its approval, if that has the form of one.
fn claim(said: &Value) -> Option<AccessClaim> {
    let fields = said.as_object()?;
    let text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) => Some(Some(text.clone())),
        Some(_) => None,
    };
    let approved_until = match text("approved_until")? {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    Some(AccessClaim { id: text("id")??.parse().ok()?, approved_until, state: text("state")? })
}

/// The id that a question names, as a record shows it: cut, because whoever asks writes it.
pub(super) fn shown_id(said: &Value) -> String {
    said.get("id").and_then(Value::as_str).unwrap_or_default().chars().take(80).collect()
}
