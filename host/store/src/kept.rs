//! Table `kept`: what decisions name by digest and cannot be made again without. Never altered and never removed.

use interlock_domain::Digest;

use crate::{
    Store, StoreError,
    db::{execute, fetch_optional},
};

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The files of a policy bundle.
    Bundle,
    /// The component of a plugin.
    Plugin,
    /// The files of a tenant's application.
    Application,
    /// A document about an artifact, or a tenant's advisories.
    Document,
}

impl Kept {
    fn as_str(self) -> &'static str {
        match self {
            Kept::Bundle => "bundle",
            Kept::Plugin => "plugin",
            Kept::Application => "application",
            Kept::Document => "document",
        }
    }
}

impl Store {
    /// Keeps it under its digest, unless it is kept already. No entry: what refers to it has one, and names the digest.
    pub async fn keep(&self, kind: Kept, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT digest FROM kept WHERE kind = $1 AND digest = $2",
            kind.as_str(),
            digest.to_string()
        )?;
        // Every start keeps every plugin again: megabytes that need not travel.
        if found.is_some() {
            return Ok(());
        }
        execute!(
            self.db().writer(),
            "INSERT INTO kept (kind, digest, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            kind.as_str(),
            digest.to_string(),
            bytes
        )?;
        Ok(())
    }

    /// What is kept under a digest. Whether it still has that digest is for the caller to see.
    pub async fn kept(&self, kind: Kept, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (Vec<u8>,),
            "SELECT bytes FROM kept WHERE kind = $1 AND digest = $2",
            kind.as_str(),
            digest.to_string()
        )?;
        Ok(found.map(|(bytes,)| bytes))
    }
}
