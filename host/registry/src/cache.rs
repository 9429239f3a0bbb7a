//! What was pulled before, by digest.
//!
//! **Invariant:** a file's name is the digest of what it should hold, and it is hashed whenever it is read: what was altered,
//! by whomever, is as good as absent, and fetched again. Envelopes prove themselves by their signatures.

use std::path::{Path, PathBuf};

use interlock_ledger::Digest;
use interlock_vault::envelope::{ENVELOPE_BYTES_MAX, Envelope};

use crate::RegistryError;
use crate::folder::{read, write};
use crate::manifest::{MANIFEST_BYTES_MAX, REFERRERS_MAX};

#[derive(Debug, Clone)]
pub(crate) struct Cache {
    dir: PathBuf,
}

impl Cache {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(crate) async fn component(&self, digest: Digest, limit: u64) -> Option<Vec<u8>> {
        hashed(&self.path("components", digest), digest, limit).await
    }

    pub(crate) async fn manifest(&self, digest: Digest) -> Option<Vec<u8>> {
        hashed(&self.path("manifests", digest), digest, MANIFEST_BYTES_MAX).await
    }

    /// What was known of those who vouch for a component.
    pub(crate) async fn envelopes(&self, component: Digest) -> Vec<Envelope> {
        let limit = (ENVELOPE_BYTES_MAX * (REFERRERS_MAX + 1)) as u64;
        let text = read(&self.path("envelopes", component), limit, "envelopes").await;
        text.ok().flatten().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    pub(crate) async fn keep_component(&self, digest: Digest, bytes: &[u8]) -> Result<(), RegistryError> {
        write(&self.path("components", digest), bytes, 0o600).await
    }

    pub(crate) async fn keep_manifest(&self, digest: Digest, bytes: &[u8]) -> Result<(), RegistryError> {
        write(&self.path("manifests", digest), bytes, 0o600).await
    }

    pub(crate) async fn keep_envelopes(
        &self,
        component: Digest,
        envelopes: &[Envelope],
    ) -> Result<(), RegistryError> {
        let path = self.path("envelopes", component);
        let text = serde_json::to_vec(envelopes)
            .map_err(|error| crate::folder::file_error(&path, std::io::Error::other(error)))?;
        write(&path, &text, 0o600).await
    }

    pub(crate) async fn forget(&self, digest: Digest) {
        for what in ["components", "envelopes"] {
            // What cannot be removed is hashed and verified like anything else when it is read.
            let _ = tokio::fs::remove_file(self.path(what, digest)).await;
        }
    }

    fn path(&self, what: &str, digest: Digest) -> PathBuf {
        self.dir.join(what).join(digest.to_hex())
    }
}

/// The file's bytes when they are those of its name.
async fn hashed(path: &Path, digest: Digest, limit: u64) -> Option<Vec<u8>> {
    let bytes = read(path, limit, "cached file").await.ok().flatten()?;
    (Digest::of(&bytes) == digest).then_some(bytes)
}
