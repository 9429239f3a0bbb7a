//! Table `kept`: what decisions name by digest and cannot be made again without. Never altered and never removed.

use interlock_domain::Digest;

use crate::{
    Store, StoreError,
    db::{execute, fetch_all, fetch_optional},
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
    /// What several questions of a batch share: a part of each.
    Shared,
    /// A document about an artifact, or a tenant's advisories.
    Document,
}

impl Kept {
    fn as_str(self) -> &'static str {
        match self {
            Kept::Bundle => "bundle",
            Kept::Plugin => "plugin",
            Kept::Application => "application",
            Kept::Shared => "shared",
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

    /// Keeps what was signed about a component. Each proves itself by its signatures, so there is no entry.
    pub async fn keep_envelopes(&self, plugin: &Digest, envelopes: &[Vec<u8>]) -> Result<(), StoreError> {
        for bytes in envelopes {
            execute!(
                self.db().writer(),
                "INSERT INTO plugin_envelopes (plugin, envelope, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                plugin.to_string(),
                Digest::of(bytes).to_string(),
                bytes.as_slice()
            )?;
        }
        Ok(())
    }

    /// The envelopes that are kept of a component: the first ones, should there be very many.
    pub async fn envelopes(&self, plugin: &Digest) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (Vec<u8>,),
            "SELECT bytes FROM plugin_envelopes WHERE plugin = $1 ORDER BY envelope LIMIT 1000",
            plugin.to_string()
        )?;
        Ok(rows.into_iter().map(|(bytes,)| bytes).collect())
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
