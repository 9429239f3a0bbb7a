//! From a commit to signed entries, before it queues: canonical JSON, digests and signatures take the time, and need
//! neither the database nor an order.

use interlock_domain::{AccessState, AssignmentEvent, Decision, DecisionSubject, Device, Event, Timestamp};
use interlock_ledger::{Actor, Digest, EntryDraft, Object, PolicyRef, SignedEntry, to_canonical};
use serde::Serialize;
use uuid::Uuid;

use crate::{By, Commit, Lease, LedgerKeys, Options, StoreError, Write, segments};

/// A commit that is ready to be written.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) scribe: Scribe,
    pub(crate) fence: Option<Lease>,
    pub(crate) writes: Vec<PreparedWrite>,
}

/// One write with all that can be worked out without the database.
#[derive(Debug)]
pub(crate) struct PreparedWrite {
    pub(crate) write: Write,
    /// The row's JSON, for rows that have one.
    pub(crate) body: String,
    /// The digest of what is written.
    pub(crate) digest: Option<Digest>,
    /// The entries that record it.
    pub(crate) entries: Vec<Staged>,
    /// Ids for the entries that are written in the transaction, because they say what was touched: of a change's tasks, and
    /// of an import.
    pub(crate) task_ids: Vec<Uuid>,
}

/// An entry that waits for its place.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) signed: SignedEntry,
    pub(crate) kind: &'static str,
    pub(crate) object_kind: &'static str,
    pub(crate) object_id: String,
    pub(crate) at: Timestamp,
    pub(crate) payload: Option<Vec<u8>>,
}

/// Writes the entries of one commit: they share everything but what happened.
#[derive(Debug)]
pub(crate) struct Scribe {
    pub(crate) log: String,
    pub(crate) origin: String,
    pub(crate) now: Timestamp,
    by: By,
    trace: Option<String>,
}

/// What happened, as an entry tells it.
#[derive(Debug, Default)]
pub(crate) struct Happening {
    pub(crate) kind: &'static str,
    pub(crate) object_kind: &'static str,
    pub(crate) object_id: String,
    pub(crate) object_digest: Option<Digest>,
    pub(crate) before: Option<Digest>,
    pub(crate) after: Option<Digest>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) outcome: Option<&'static str>,
    pub(crate) policy: Option<PolicyRef>,
}

impl Scribe {
    /// Signs an entry about what happened.
    pub(crate) fn sign(&self, id: Uuid, what: Happening, keys: &LedgerKeys) -> Result<Staged, StoreError> {
        let draft = EntryDraft {
            id: id.to_string(),
            ts_ms: self.now.as_millis(),
            kind: what.kind.to_owned(),
            tenant: self.log.clone(),
            actor: Actor {
                account: self.by.account.clone(),
                auth: self.by.auth.clone(),
                person: self.by.person.clone(),
            },
            object: Object {
                digest: what.object_digest,
                id: what.object_id.clone(),
                kind: what.object_kind.to_owned(),
            },
            before: what.before,
            after: what.after,
            data: what.payload.as_ref().map(Digest::of),
            outcome: what.outcome.map(str::to_owned),
            policy: what.policy,
            trace: self.trace.clone(),
        };
        Ok(Staged {
            signed: draft.sign(&self.origin, keys.emitter())?,
            kind: what.kind,
            object_kind: what.object_kind,
            object_id: what.object_id,
            at: self.now,
            payload: what.payload,
        })
    }
}

impl Prepared {
    /// Works out everything that does not depend on the database but for one thing: `befores` holds, for each change
    /// of the commit in order, the digest of the state that it steps from.
    pub(crate) fn new(
        commit: Commit,
        befores: &[Option<Digest>],
        options: &Options,
        keys: &LedgerKeys,
    ) -> Result<Self, StoreError> {
        let log = commit.tenant.to_string();
        let needed: usize = commit.writes.iter().map(Write::entries).sum();
        if commit.ids.len() < needed {
            let detail = format!("it needs {needed} entry ids and brings {}", commit.ids.len());
            return Err(StoreError::Malformed { detail });
        }
        let origin = options.origin(&log);
        let scribe = Scribe { log, origin, now: commit.now, by: commit.by, trace: commit.trace };
        let mut ids = commit.ids.into_iter();
        let mut befores = befores.iter().copied();
        let mut writes = Vec::with_capacity(commit.writes.len());
        for write in commit.writes {
            check_tenant(&write, &scribe.log)?;
            let before = if let Write::Change(_) = &write { befores.next().flatten() } else { None };
            writes.push(PreparedWrite::new(write, before, &scribe, &mut ids, keys)?);
        }
        Ok(Self { scribe, fence: commit.fence, writes })
    }

    /// True when a refusal halfway could leave a part of it behind: a single write is refused by its first statement,
    /// but for a change whose tasks come after it.
    pub(crate) fn needs_savepoint(&self) -> bool {
        self.writes.len() > 1 || self.writes.iter().any(|write| !write.task_ids.is_empty())
    }
}

impl PreparedWrite {
    fn new(
        write: Write,
        before: Option<Digest>,
        scribe: &Scribe,
        ids: &mut impl Iterator<Item = Uuid>,
        keys: &LedgerKeys,
    ) -> Result<Self, StoreError> {
        let mut next_id =
            || ids.next().ok_or_else(|| StoreError::Malformed { detail: "an id is missing".to_owned() });
        let mut prepared =
            Self { body: String::new(), digest: None, entries: Vec::new(), task_ids: Vec::new(), write };
        let happenings = match &prepared.write {
            Write::Change(transition) => {
                let after = Digest::of_canonical(&transition.change)?;
                prepared.body = serde_json::to_string(&transition.change)?;
                prepared.digest = Some(after);
                let last = transition.events.len().saturating_sub(1);
                let mut happenings = Vec::with_capacity(transition.events.len());
                for (at, event) in transition.events.iter().enumerate() {
                    happenings.push(Happening {
                        before: before.filter(|_| at == 0),
                        after: Some(after).filter(|_| at == last),
                        ..of_event(transition.change.id.as_str(), transition.change.digest, event)?
                    });
                }
                happenings
            }
            Write::Assignment(transition) => {
                let payload: &AssignmentEvent = &transition.event;
                vec![Happening {
                    kind: assignment_kind(payload.to),
                    object_kind: "assignment",
                    object_id: format!("{}/{}", payload.change, payload.device),
                    after: Some(Digest::of_canonical(&transition.assignment)?),
                    payload: Some(to_canonical(payload)?),
                    ..Happening::default()
                }]
            }
            Write::Device { device, event, .. } => {
                prepared.body = serde_json::to_string(device)?;
                vec![row(event, "device", device.id.as_str(), &**device, &without_token(device))?]
            }
            Write::Group(group) => {
                prepared.body = serde_json::to_string(group)?;
                vec![row("group.created", "group", group.name.as_str(), group, group)?]
            }
            Write::GroupRemoved { name, .. } => vec![Happening {
                kind: "group.removed",
                object_kind: "group",
                object_id: name.to_string(),
                ..Happening::default()
            }],
            // How it is sealed holds a wrapped key: that belongs in the row, not in the record.
            Write::Artifact { artifact, sealed: _ } => {
                prepared.body = serde_json::to_string(artifact)?;
                let pushed = row("artifact.pushed", "artifact", artifact.id.as_str(), artifact, artifact)?;
                vec![Happening { object_digest: Some(artifact.digest), ..pushed }]
            }
            Write::Account { account, .. } => {
                prepared.body = serde_json::to_string(account)?;
                vec![row("account.written", "account", account.id.as_str(), account, account)?]
            }
            Write::Credential(credential) => {
                prepared.body = serde_json::to_string(credential)?;
                let kind = if credential.revoked_at.is_some() { "key.revoked" } else { "key.created" };
                let shown =
                    interlock_domain::Credential { secret_sha256: String::new(), ..(**credential).clone() };
                vec![row(kind, "key", credential.id.as_str(), &**credential, &shown)?]
            }
            Write::AccessRequest { request, .. } => {
                prepared.body = serde_json::to_string(request)?;
                let kind = match (request.revision, request.state) {
                    (1, _) | (_, AccessState::Pending) => "access.requested",
                    (_, AccessState::Approved) => "access.approved",
                    (_, AccessState::Rejected) => "access.rejected",
                    (_, AccessState::Revoked) => "access.revoked",
                };
                vec![row(kind, "access_request", request.id.as_str(), &**request, &request.shown())?]
            }
            Write::GateEndpoint(gate) => {
                prepared.body = serde_json::to_string(gate)?;
                let kind = if gate.revoked_at.is_some() { "gate.revoked" } else { "gate.created" };
                vec![row(kind, "gate", gate.id.as_str(), &**gate, &gate.shown())?]
            }
            // What it is made of is secret: the entry has its digest, and says what is no secret.
            Write::Login { login, event } => {
                prepared.body = serde_json::to_string(login)?;
                let shown = serde_json::json!({
                    "account": login.account, "failures": login.failures, "locked_until": login.locked_until,
                    "passkeys": login.passkeys.len(), "revision": login.revision,
                });
                vec![row(event, "login", login.account.as_str(), &**login, &shown)?]
            }
            Write::Session(session) => {
                prepared.body = serde_json::to_string(session)?;
                Vec::new()
            }
            Write::Signature(signature) => {
                prepared.body = serde_json::to_string(signature)?;
                let made = row(
                    "signature.made",
                    "signature",
                    signature.id.as_str(),
                    &**signature,
                    &signature.shown(),
                )?;
                vec![Happening { object_digest: Some(signature.envelope_digest()), ..made }]
            }
            Write::Delegation(delegation) => {
                prepared.body = serde_json::to_string(delegation)?;
                let revoked = delegation.revoked_at.is_some();
                let kind = if revoked { "delegation.revoked" } else { "delegation.created" };
                vec![row(kind, "delegation", delegation.id.as_str(), &**delegation, &**delegation)?]
            }
            Write::Incident(incident) => {
                prepared.body = serde_json::to_string(incident)?;
                let kind = if incident.review.is_some() { "incident.reviewed" } else { "incident.opened" };
                vec![row(kind, "incident", incident.id.as_str(), &**incident, &**incident)?]
            }
            Write::Subject(subject) => {
                prepared.body = serde_json::to_string(subject)?;
                vec![row("subject.linked", "subject", subject.id.as_str(), &**subject, &**subject)?]
            }
            Write::SubjectGone { id, .. } => vec![Happening {
                kind: "subject.unlinked",
                object_kind: "subject",
                object_id: id.to_string(),
                ..Happening::default()
            }],
            Write::Decision(decision) => {
                prepared.body = serde_json::to_string(decision)?;
                vec![of_decision(decision, Digest::of(&prepared.body))]
            }
            Write::Segment(segment) => vec![Happening {
                kind: segments::SEALED,
                object_kind: segments::OBJECT,
                object_id: segment.id.clone(),
                object_digest: Some(segment.digest),
                after: Some(segment.digest),
                payload: Some(to_canonical(&segment.summary())?),
                ..Happening::default()
            }],
            Write::Note(note) => vec![Happening {
                kind: note.kind,
                object_kind: note.object_kind,
                object_id: note.object_id.clone(),
                payload: Some(to_canonical(&note.payload)?),
                ..Happening::default()
            }],
            Write::Advisories(_)
            | Write::LiveKeys { .. }
            | Write::Unaltered(_)
            | Write::Powerless { .. }
            | Write::Done { .. }
            | Write::BundleFloor(_)
            | Write::SessionsEnd(_)
            | Write::CeremonyUsed(_)
            | Write::ApplicationFloor { .. } => Vec::new(),
        };
        for happening in happenings {
            prepared.entries.push(scribe.sign(next_id()?, happening, keys)?);
        }
        let later = match &prepared.write {
            Write::Change(transition) => transition.tasks.len(),
            Write::Advisories(_) => 1,
            _ => 0,
        };
        for _ in 0..later {
            prepared.task_ids.push(next_id()?);
        }
        Ok(prepared)
    }
}

/// What belongs to one tenant is not written under another's name.
fn check_tenant(write: &Write, log: &str) -> Result<(), StoreError> {
    let tenant = match write {
        Write::Change(transition) => transition.change.tenant(),
        Write::Assignment(transition) => &transition.assignment.tenant,
        Write::Device { device, .. } => &device.tenant,
        Write::Group(group) => &group.tenant,
        Write::GroupRemoved { tenant, .. } => tenant,
        Write::Artifact { artifact, .. } => &artifact.tenant,
        Write::Account { account, .. } | Write::Unaltered(account) => &account.tenant,
        Write::Credential(credential) => &credential.tenant,
        Write::AccessRequest { request, .. } => &request.tenant,
        Write::GateEndpoint(gate) => &gate.tenant,
        Write::Login { login, .. } => &login.tenant,
        Write::Session(session) => &session.tenant,
        Write::SessionsEnd(end) => &end.tenant,
        Write::Signature(signature) => &signature.tenant,
        Write::Delegation(delegation) => &delegation.tenant,
        Write::Incident(incident) => &incident.tenant,
        Write::Subject(subject) => &subject.tenant,
        Write::SubjectGone { tenant, .. } => tenant,
        Write::Decision(decision) => &decision.tenant,
        Write::Segment(segment) => &segment.tenant,
        Write::Advisories(import) => &import.tenant,
        Write::ApplicationFloor { tenant, .. }
        | Write::LiveKeys { tenant, .. }
        | Write::Powerless { tenant, .. } => tenant,
        // A challenge may be of somebody who has yet to say where they belong.
        Write::Note(_) | Write::Done { .. } | Write::BundleFloor(_) | Write::CeremonyUsed(_) => return Ok(()),
    };
    if tenant.as_str() == log {
        return Ok(());
    }
    Err(StoreError::Malformed { detail: format!("it writes what belongs to `{tenant}` under `{log}`") })
}

fn of_event(change: &str, digest: Digest, event: &Event) -> Result<Happening, StoreError> {
    Ok(Happening {
        kind: event.kind(),
        object_kind: "change",
        object_id: change.to_owned(),
        object_digest: Some(digest),
        payload: Some(to_canonical(event)?),
        ..Happening::default()
    })
}

/// A row as it is now; its payload leaves secrets out.
fn row<T: Serialize, S: Serialize>(
    kind: &'static str,
    object_kind: &'static str,
    id: &str,
    whole: &T,
    shown: &S,
) -> Result<Happening, StoreError> {
    Ok(Happening {
        kind,
        object_kind,
        object_id: id.to_owned(),
        after: Some(Digest::of_canonical(whole)?),
        payload: Some(to_canonical(shown)?),
        ..Happening::default()
    })
}

/// No copy of the decision beside the entry: the row holds it, and its exact bytes have this digest.
fn of_decision(decision: &Decision, stored: Digest) -> Happening {
    let (kind, policy) = match &decision.subject {
        DecisionSubject::Policy { answer, .. } => {
            let determining = answer.determining.iter().map(|policy| policy.id.clone()).collect();
            ("decision.policy", Some(PolicyRef { bundle: answer.bundle, determining }))
        }
        // The digest is the application's: its policies are named like those of a bundle.
        DecisionSubject::Access { answer, .. } => {
            let determining = answer.determining.iter().map(|policy| policy.id.clone()).collect();
            ("decision.access", Some(PolicyRef { bundle: answer.bundle, determining }))
        }
        DecisionSubject::Gate { .. } => ("decision.gate", None),
        DecisionSubject::Plugin { .. } => ("decision.plugin", None),
    };
    Happening {
        kind,
        object_kind: "decision",
        object_id: decision.id.to_string(),
        object_digest: Some(stored),
        after: Some(stored),
        outcome: Some(decision.outcome.as_str()),
        policy,
        ..Happening::default()
    }
}

fn without_token(device: &Device) -> Device {
    Device { token_sha256: None, ..device.clone() }
}

fn assignment_kind(state: interlock_domain::AssignmentState) -> &'static str {
    use interlock_domain::AssignmentState as S;
    match state {
        S::Pending => "assignment.pending",
        S::Waiting => "assignment.waiting",
        S::Offered => "assignment.offered",
        S::Downloading => "assignment.downloading",
        S::Installing => "assignment.installing",
        S::Installed => "assignment.installed",
        S::Verified => "assignment.verified",
        S::Failed => "assignment.failed",
        S::Silent => "assignment.silent",
        S::Cancelling => "assignment.cancelling",
        S::Confirming => "assignment.confirming",
        S::Recalled => "assignment.recalled",
        S::Restoring => "assignment.restoring",
        S::RolledBack => "assignment.rolled_back",
        S::RollbackFailed => "assignment.rollback_failed",
        S::Released => "assignment.released",
        S::Superseded => "assignment.superseded",
    }
}
