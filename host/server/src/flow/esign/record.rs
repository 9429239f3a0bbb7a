//! The signature record, and the envelope around it.

use interlock_domain::{
    Actor, Authority, Change, Covered, Decision, DecisionSubject, Digest, Intent, Meaning, Signature,
    SignatureBinding, SignatureRecord, SignedClock, Signer, SigningProof, Timestamp,
};
use interlock_store::StoreError;
use interlock_vault::esig;

use super::{Waiting, prove::Given};
use crate::{App, FlowError};

/// What a record is made of.
pub(super) struct Sealing<'a> {
    pub(super) change: &'a Change,
    pub(super) waiting: &'a Waiting,
    pub(super) given: &'a Given,
    pub(super) complete: bool,
    pub(super) offset_ms: Option<i64>,
    pub(super) decision: &'a Decision,
    pub(super) prior: &'a [Signature],
}

/// Whoever signs, as of now.
pub(super) fn signer(who: &Actor, change: &Change) -> Signer {
    let roles = who.roles_in(Some(&change.manifest.environment));
    let title: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    Signer {
        person: who.person.clone(),
        account: who.account.clone(),
        name: who.name.clone(),
        title: title.join(", "),
        organization: who.tenant.clone(),
    }
}

/// What a passkey signs.
pub(super) fn challenge(intent: &Intent) -> Result<Digest, FlowError> {
    intent.challenge().map_err(|error| FlowError::Store(StoreError::from(error)))
}

/// The signature as it is kept.
pub(super) fn seal(
    app: &App,
    who: &Actor,
    sealing: Sealing<'_>,
    now: Timestamp,
) -> Result<Signature, FlowError> {
    let Sealing { change, waiting, given, complete, offset_ms, decision, prior } = sealing;
    let binding = if given.passkey.is_some() { SignatureBinding::Passkey } else { SignatureBinding::Server };
    let policies = match &decision.subject {
        DecisionSubject::Policy { answer, .. } => {
            answer.determining.iter().map(|policy| policy.id.clone()).collect()
        }
        DecisionSubject::Access { .. } | DecisionSubject::Gate { .. } | DecisionSubject::Plugin { .. } => {
            Vec::new()
        }
    };
    let same = prior.iter().filter(|earlier| earlier.digest == change.digest);
    let intent = &waiting.intent;
    let meaning: Meaning = intent.meaning;
    let record = SignatureRecord {
        intent: intent.clone(),
        signed_at: now,
        clock: SignedClock { source: "server".to_owned(), offset_ms, zone: waiting.zone.clone() },
        manifest: Covered::of(change).map_err(|error| FlowError::Store(StoreError::from(error)))?,
        auth: SigningProof {
            components: given.components(),
            first: complete,
            passkey: given.passkey.clone(),
        },
        binding,
        authority: Authority {
            roles: who.roles_in(Some(&change.manifest.environment)),
            state: change.state,
            decision: decision.id.clone(),
            policies,
        },
        prior: same.map(Signature::envelope_digest).collect(),
    };
    let envelope = esig::seal(&record, &app.signer)
        .map_err(|error| FlowError::Store(StoreError::Malformed { detail: error.to_string() }))?;
    Ok(Signature {
        id: intent.sig_id.clone(),
        tenant: who.tenant.clone(),
        change: change.id.clone(),
        person: who.person.clone(),
        digest: change.digest,
        meaning,
        binding,
        signed_at: now,
        envelope,
    })
}
