//! What the store needs to open: where the database is, how it batches, and the keys of the ledger.

use std::path::PathBuf;

use interlock_ledger::{Emitter, KeyError, Keyring, SigningKey};

/// How to open a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
    /// Most connections.
    pub pool_max: u32,
    /// How long to wait for a connection, in milliseconds.
    pub acquire_timeout_ms: u64,
    /// How old a connection may get, in milliseconds.
    pub max_lifetime_ms: u64,
    /// Most commits in one transaction.
    pub batch_max: usize,
    /// How long the writer waits for more commits, in milliseconds; 0 writes as soon as none waits.
    pub batch_wait_ms: u64,
    /// Most commits that wait; beyond it a caller is told that the store is busy.
    pub queue_max: usize,
    /// The folder in which the signer remembers what it signed, outside of the database; only in memory when there is none.
    pub signer_dir: Option<PathBuf>,
    /// The shortest time between two signatures of what is written meanwhile, in milliseconds.
    pub sign_every_ms: u64,
    /// Most entries of a log that wait to be signed; beyond it a caller is told to come back later.
    pub unsigned_max: u64,
    /// How long an entry may wait to be signed before more are taken, in milliseconds.
    pub unsigned_ms_max: u64,
    /// What every log's origin begins with: the log of tenant `mercy` is `<origin_prefix>/mercy`.
    pub origin_prefix: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: "sqlite:interlock.db".to_owned(),
            pool_max: 20,
            acquire_timeout_ms: 30_000,
            max_lifetime_ms: 1_800_000,
            batch_max: 256,
            batch_wait_ms: 2,
            queue_max: 4096,
            signer_dir: None,
            sign_every_ms: 20,
            unsigned_max: 65_536,
            unsigned_ms_max: 60_000,
            origin_prefix: "interlock.local/ledger".to_owned(),
        }
    }
}

impl Options {
    /// Everything as usual, in this database.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// The origin of a log.
    pub fn origin(&self, log: &str) -> String {
        format!("{}/{log}", self.origin_prefix)
    }
}

/// The keys with which the store writes the ledger: this instance signs entries, the log signs checkpoints.
#[derive(Debug)]
pub struct LedgerKeys {
    emitter: Emitter,
    log: LogKey,
}

/// One private key under many names: C2SP wants a log's key to be named like its origin, and every tenant has a log.
struct LogKey {
    pkcs8: Vec<u8>,
}

impl std::fmt::Debug for LogKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogKey")
    }
}

impl LedgerKeys {
    /// `emitter` is named like this instance; `log_pkcs8` is the Ed25519 key (PKCS#8, DER) that signs checkpoints.
    pub fn new(emitter: SigningKey, log_pkcs8: Vec<u8>) -> Self {
        Self { emitter: Emitter::new(emitter), log: LogKey { pkcs8: log_pkcs8 } }
    }

    /// Keys that nobody believes, for whoever only reads.
    pub fn of_nobody() -> Result<Self, KeyError> {
        let key = SigningKey::generate("nobody")?;
        let pkcs8 = key.to_pkcs8()?;
        Ok(Self::new(key, pkcs8))
    }

    /// Who signs entries.
    pub fn emitter(&self) -> &Emitter {
        &self.emitter
    }

    /// The key of the log with this origin.
    pub fn log_key(&self, origin: &str) -> Result<SigningKey, KeyError> {
        SigningKey::from_pkcs8(origin, &self.log.pkcs8)
    }

    /// What a verifier of the log with this origin must trust: the log's key and this instance's.
    pub fn keyring(&self, origin: &str) -> Result<Keyring, KeyError> {
        let log = self.log_key(origin)?.verifying_key().clone();
        Ok([log, self.emitter.verifying_key().clone()].into_iter().collect())
    }
}
