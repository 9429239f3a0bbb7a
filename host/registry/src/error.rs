//! Why a component did not come, or did not go.

use interlock_ledger::Digest;
use interlock_vault::envelope::EnvelopeError;
use thiserror::Error;

use crate::ReferenceError;

/// Why a push or a pull was not done. Each says what was asked for, what happened, and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Not a reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The operator does not allow this place.
    #[error("`{reference}`: `{place}` is not allowed: an operator can add it to `{key}`")]
    NotAllowed {
        /// What was asked for.
        reference: String,
        /// The host or folder.
        place: String,
        /// The key of the configuration.
        key: &'static str,
    },
    /// Nobody answers.
    #[error(
        "`{reference}`: the registry cannot be reached ({reason}): check the host and the network, or pull by digest what is cached"
    )]
    Down {
        /// What was asked for.
        reference: String,
        /// What the connection said.
        reason: String,
    },
    /// It takes too long.
    #[error("`{reference}`: the registry did not finish within {after_ms} ms: try again, or allow more time")]
    Slow {
        /// What was asked for.
        reference: String,
        /// How long was waited.
        after_ms: u128,
    },
    /// 401 or 403.
    #[error(
        "`{reference}`: the registry refuses these credentials (status {status}): check the credentials for this host, and what they may do"
    )]
    Unauthorized {
        /// What was asked for.
        reference: String,
        /// The status.
        status: u16,
    },
    /// 404, or a file that is not there.
    #[error("`{reference}`: there is no such {what}: check the name, the tag or the digest")]
    NotFound {
        /// What was asked for.
        reference: String,
        /// What is missing.
        what: &'static str,
    },
    /// Another status.
    #[error("`{reference}`: the registry answered with status {status}: {detail}")]
    Status {
        /// What was asked for.
        reference: String,
        /// The status.
        status: u16,
        /// The beginning of what it said.
        detail: String,
    },
    /// No plugin is what lies there.
    #[error(
        "`{reference}`: the {what} is `{found}` but a plugin has `{needed}`: push it with `interlock plugin push`, or with `wkg` or `oras` as a wasm artifact"
    )]
    MediaType {
        /// What was asked for.
        reference: String,
        /// Which part.
        what: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        needed: &'static str,
    },
    /// Larger than a component may be.
    #[error(
        "`{reference}`: the {what} has {found} bytes but at most {limit} are read: make it smaller, or have the limit raised"
    )]
    TooLarge {
        /// What was asked for.
        reference: String,
        /// Which part.
        what: &'static str,
        /// At least so many.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// Other bytes than were asked for.
    #[error(
        "`{reference}`: the {what} should be `{expected}` but what came is `{found}`: do not use this registry until its operator explains it"
    )]
    Lies {
        /// What was asked for.
        reference: String,
        /// Which part.
        what: &'static str,
        /// Asked for.
        expected: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// Fewer bytes than announced.
    #[error("`{reference}`: the {what} broke off: try again ({reason})")]
    Truncated {
        /// What was asked for.
        reference: String,
        /// Which part.
        what: &'static str,
        /// What was seen.
        reason: String,
    },
    /// An answer that is none.
    #[error("`{reference}`: the registry's {what} makes no sense: {reason}")]
    Malformed {
        /// What was asked for.
        reference: String,
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Signatures that cannot be read.
    #[error("`{reference}`: {source}")]
    Envelope {
        /// What was asked for.
        reference: String,
        /// What is wrong with it.
        source: EnvelopeError,
    },
    /// What is pushed needs a name, not a digest.
    #[error(
        "`{reference}`: a push needs a tag, because the digest comes of it: write `HOST/REPOSITORY:TAG` or `dir:PATH/NAME`"
    )]
    PushByDigest {
        /// What was asked for.
        reference: String,
    },
    /// A file of the folder or the cache.
    #[error("`{path}`: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}
