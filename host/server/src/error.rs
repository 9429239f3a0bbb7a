//! What can go wrong in a flow. The edges turn it into status codes; nothing here knows one.

use interlock_domain::{Action, DecisionId, Determining, IdError, Refusal};
use interlock_sandbox::InstallError;
use interlock_store::StoreError;
use interlock_vault::VaultError;

use crate::flow::bundle::BundleRefusal;

/// Why a flow did not do what it was asked for. Nothing was changed, except that a denial is on record.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// There is no such thing, or it belongs to another tenant: the two look the same from outside.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// For example `change`.
        what: &'static str,
        /// What was asked for.
        id: String,
    },
    /// The policies say no.
    #[error("`{action}` on `{resource}` is denied: {}", reasons.join("; "))]
    Denied {
        /// What was asked.
        action: Action,
        /// On what.
        resource: String,
        /// Why.
        reasons: Vec<String>,
        /// The policies that decided.
        determining: Vec<Determining>,
        /// The recorded decision.
        decision: DecisionId,
    },
    /// Who asks to approve is the author of the change, or does so on the author's behalf.
    #[error(
        "cannot approve `{change}`: you proposed it or signed what it brings, or whose roles you use did; ask somebody else"
    )]
    SelfApproval {
        /// The change.
        change: String,
        /// Why.
        reasons: Vec<String>,
        /// The policies that decided.
        determining: Vec<Determining>,
        /// The recorded decision.
        decision: DecisionId,
    },
    /// The API key is not for this, whatever its account may do.
    #[error("this key has no `{scope}` scope; use one that has")]
    OutOfScope {
        /// The scope that is missing.
        scope: &'static str,
    },
    /// Whoever wanted to log in cannot, and learns nothing else.
    #[error(
        "name, password or code are wrong, or the account cannot log in just now; wait a while, or ask an administrator"
    )]
    LoginRefused,
    /// An invitation that is none, was followed, or is over.
    #[error("this invitation does not work, was used or is over; ask an administrator for a new one")]
    InvitationRefused,
    /// This server's clock is not right, or not known to be.
    #[error("{0}")]
    ClockOff(String),
    /// What an identity provider answered logs nobody in.
    #[error("{0}")]
    ProviderRefused(String),
    /// An identity provider does not answer.
    #[error(
        "the identity provider cannot be asked just now: {0}; try again in a moment, or log in with password and code"
    )]
    ProviderUnreachable(String),
    /// An identity provider knows somebody whom nobody here is linked to.
    #[error("{detail}")]
    NotLinked {
        /// What to do.
        detail: String,
        /// The provider.
        issuer: String,
        /// Its name for them.
        subject: String,
    },
    /// Keys, programs and links never sign.
    #[error("only a person who is logged in signs; log in: POST /v1/login")]
    OnlyInPerson,
    /// One component is not enough just now.
    #[error("this signature takes two components: a passkey, or the password and a code")]
    FullSignatureRequired,
    /// What was given does not prove who signs.
    #[error("this does not prove that it is you who signs, or it was used before; begin again")]
    SignatureRefused,
    /// What somebody was shown is not what it is by now.
    #[error("`{id}`: {detail}")]
    Outdated {
        /// What.
        id: String,
        /// What to do.
        detail: &'static str,
    },
    /// A rule says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A field of the request does not fit.
    #[error("{detail}")]
    Invalid {
        /// JSON pointer to the field.
        field: String,
        /// What does not fit and what would.
        detail: String,
    },
    /// A parameter of the query does not fit.
    #[error("{detail}")]
    Parameter {
        /// Which.
        name: &'static str,
        /// What does not fit and what would.
        detail: String,
    },
    /// A place in the ledger that is not there, or not yet.
    #[error("{0}")]
    Beyond(String),
    /// What is stored of the ledger does not lead to what was signed.
    #[error("the ledger does not hold together: {0}; verify it")]
    Unsound(String),
    /// Too much is being done at once; nothing was changed.
    #[error("{0}")]
    Busy(String),
    /// There is one already.
    #[error("there is already a {what} `{id}`")]
    Exists {
        /// For example `device`.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// The caller's `If-Match` is about an older revision.
    #[error("`{id}` is at revision {current}, not {given}; read it again")]
    Stale {
        /// What.
        id: String,
        /// The revision in the request.
        given: u64,
        /// The revision in the store.
        current: u64,
    },
    /// A plugin cannot be used.
    #[error("plugin `{plugin}`: {detail}")]
    Plugin {
        /// Which.
        plugin: String,
        /// Why.
        detail: String,
    },
    /// A plugin file was refused.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// A policy bundle was refused. The last good one stays.
    #[error("the bundle was refused and the last good one stays: {0}")]
    Bundle(#[from] BundleRefusal),
    /// Artifact content was refused or is unreadable.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FlowError {
    /// A field that does not fit.
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), detail: detail.into() }
    }

    /// A parameter of the query that does not fit.
    pub fn parameter(name: &'static str, detail: impl Into<String>) -> Self {
        Self::Parameter { name, detail: detail.into() }
    }

    /// A text that is no id or name.
    pub fn bad_id(field: impl Into<String>, error: &IdError) -> Self {
        Self::invalid(field, error.to_string())
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder or file cannot be used.
    #[error("cannot use `{}`: {error}", path.display())]
    Folder {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; is another server running there?")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The configuration does not hold together.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The bundle is refused.
    #[error("the policy bundle is refused: {0}")]
    Bundle(#[from] BundleRefusal),
    /// Something cannot be put on record.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Keys or content cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The key that wraps the artifacts' keys cannot be used.
    #[error(transparent)]
    Kek(#[from] interlock_vault::KekError),
    /// A trusted key cannot be used.
    #[error(transparent)]
    Trust(#[from] interlock_vault::signature::TrustError),
    /// The credentials for registries cannot be used.
    #[error(transparent)]
    Credentials(#[from] interlock_registry::CredentialsError),
    /// Nothing can be pulled.
    #[error(transparent)]
    Registry(#[from] interlock_registry::RegistryError),
    /// The sandbox does not start.
    #[error(transparent)]
    Sandbox(#[from] interlock_sandbox::SandboxError),
    /// The address of Redis cannot be used.
    #[error("`bus.url` cannot be used: {0}")]
    Bus(#[from] redis::RedisError),
    /// The signer of the ledger cannot remember what it signs.
    #[error(
        "the ledger's signer cannot go on: {0}; see to the disk of `ledger.signer_dir`, then start again"
    )]
    Signer(String),
    /// The ledger's witnesses cannot be asked.
    #[error("the ledger's witnesses cannot be asked: {0}")]
    Witness(String),
    /// A copy of the ledger cannot be made, or an anchor not be reached.
    #[error("{0}")]
    Copy(String),
    /// The ledger's key cannot be used.
    #[error(transparent)]
    LedgerKey(#[from] interlock_ledger::KeyError),
}
