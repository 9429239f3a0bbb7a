//! The request that is to be done once, while it is being handled: whoever commits for it says so in the same
//! transaction, so that no crash leaves it open whether it was done.

use interlock_store::Write;

/// A request with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The key.
    pub(crate) key: String,
    /// Who asks.
    pub(crate) principal: String,
}

tokio::task_local! {
    static ASKED: Asked;
}

/// Handles a request that is to be done once.
pub(crate) async fn with<T>(asked: Asked, work: impl Future<Output = T>) -> T {
    ASKED.scope(asked, work).await
}

/// What marks the request at hand as done, when these writes do something. A recorded denial does nothing: the same
/// request may be allowed later.
pub(crate) fn mark(writes: &[Write]) -> Option<Write> {
    let made = writes.iter().find_map(made)?;
    let Asked { key, principal } = ASKED.try_with(Clone::clone).ok()?;
    Some(Write::Done { key, principal, made })
}

/// What a write makes or alters, for whoever looks for it: ``change `chg_…` ``.
fn made(write: &Write) -> Option<String> {
    Some(match write {
        Write::Change(transition) => format!("change `{}`", transition.change.id),
        Write::Assignment(transition) => format!("target `{}`", transition.assignment.device),
        Write::Device { device, .. } => format!("device `{}`", device.id),
        Write::Group(group) => format!("group `{}`", group.name),
        Write::GroupRemoved { name, .. } => format!("group `{name}`"),
        Write::Artifact { artifact, .. } => format!("artifact `{}`", artifact.id),
        Write::Account { account, .. } => format!("account `{}`", account.id),
        Write::AccessRequest { request, .. } => format!("access request `{}`", request.id),
        Write::GateEndpoint(gate) => format!("gate `{}`", gate.name),
        Write::Credential(credential) => format!("key `{}`", credential.id),
        Write::Delegation(delegation) => format!("delegation `{}`", delegation.id),
        Write::Incident(incident) => format!("incident `{}`", incident.id),
        Write::Subject(subject) => format!("name `{}`", subject.id),
        Write::SubjectGone { id, .. } => format!("name `{id}`"),
        Write::Advisories(import) => format!("advisories of `{}`", import.tenant),
        Write::Note(note) => format!("{} `{}`", note.object_kind, note.object_id),
        Write::Login { login, .. } => format!("login of `{}`", login.account),
        Write::Signature(signature) => format!("signature `{}`", signature.id),
        Write::LiveKeys { .. }
        | Write::Unaltered(_)
        | Write::Powerless { .. }
        | Write::Session(_)
        | Write::SessionsEnd(_)
        | Write::CeremonyUsed(_)
        | Write::Decision(_)
        | Write::Segment(_)
        | Write::BundleFloor(_)
        | Write::ApplicationFloor { .. }
        | Write::Done { .. } => {
            return None;
        }
    })
}
