//! Sessions and signatures.

use interlock_domain::Actor;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Somebody who logged in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoggedIn {
    /// What goes into `X-CSRF-Token` of whatever changes something.
    pub(crate) csrf_token: String,
    /// The session.
    pub(crate) session: Session,
    /// What they are called.
    pub(crate) name: String,
    /// Their account.
    pub(crate) account: super::Account,
}

/// Somebody who logged out, and not yet at the identity provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoggedOut {
    /// Where to log out there: an address for the person's browser.
    #[schema(example = "https://idp.mercy.example/session/end?client_id=interlock")]
    pub(crate) logout_url: String,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    /// Its id.
    #[schema(example = "ses_0197d4e2b3c45d6e8f901a2b3c4d5e6f")]
    pub(crate) id: String,
    /// What was proved: `password+totp`, `password+recovery`, `passkey`, or `oidc:NAME` at an identity provider.
    pub(crate) proof: String,
    /// From which address.
    pub(crate) peer: String,
    /// When it began.
    pub(crate) created_at: String,
    /// When it was last used.
    pub(crate) seen_at: String,
    /// When it ends.
    pub(crate) ends_at: String,
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// Who it is. `hold` says that an administrator handed the account out or set it back, and until when it waits.
    #[schema(value_type = Object)]
    pub(crate) actor: Actor,
    /// When what they log in and sign with here was last set, by themself or because an administrator set it back. Somebody who did
    /// not do that tells whoever looks after security.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) means_changed_at: Option<String>,
    /// In which session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<Session>,
    /// What goes into `X-CSRF-Token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) csrf_token: Option<String>,
}

/// One's own sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sessions {
    /// Those that last, oldest first.
    pub(crate) items: Vec<Session>,
}

/// An electronic signature.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Signature {
    /// Its id.
    #[schema(example = "sig_0197d4e2b3c45d6e8f901a2b3c4d5e6f")]
    pub(crate) id: String,
    /// Of which change.
    pub(crate) change: String,
    /// By whom.
    pub(crate) person: String,
    /// The digest that was signed.
    pub(crate) digest: String,
    /// `review`, `approval`, `responsibility`, `rejection` or `authorship`.
    #[schema(value_type = String)]
    pub(crate) meaning: interlock_domain::Meaning,
    /// `passkey`: the signer's passkey signed the record; `server`: the server attests it.
    #[schema(value_type = String)]
    pub(crate) binding: interlock_domain::SignatureBinding,
    /// When.
    pub(crate) signed_at: String,
    /// Whether the change was revised since.
    pub(crate) superseded: bool,
    /// How far it has come in the ledger, in the answer to whoever signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ledger: Option<crate::flow::Reached>,
    /// The DSSE envelope.
    #[schema(value_type = Object)]
    pub(crate) envelope: Value,
}

/// The signatures of a change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Signatures {
    /// The server's public key, with which `interlock signature verify` verifies them.
    pub(crate) key: String,
    /// Oldest first.
    pub(crate) items: Vec<Signature>,
}

impl From<interlock_domain::Session> for Session {
    fn from(session: interlock_domain::Session) -> Self {
        Self {
            id: session.id.to_string(),
            proof: session.proof,
            peer: session.peer,
            created_at: session.created_at.to_string(),
            seen_at: session.seen_at.to_string(),
            ends_at: session.ends_at.to_string(),
        }
    }
}

impl Signature {
    pub(crate) fn new(signature: interlock_domain::Signature, superseded: bool) -> Self {
        Self {
            id: signature.id.to_string(),
            change: signature.change.to_string(),
            person: signature.person.to_string(),
            digest: signature.digest.to_string(),
            meaning: signature.meaning,
            binding: signature.binding,
            signed_at: signature.signed_at.to_string(),
            superseded,
            ledger: None,
            envelope: serde_json::from_str(&signature.envelope).unwrap_or_default(),
        }
    }
}
