//! What was pulled before, by digest.
//!
//! **Invariant:** a file's name is the digest of what it should hold, and it is hashed whenever it is read: what was altered,
//! by whomever, is as good as absent, and fetched again. Envelopes prove themselves by their signatures.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

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

    /// Removes components with all that belongs to them, the oldest first, until what is left has at most `bytes_max`. What
    /// is `needed` goes last.
    pub(crate) async fn make_room(&self, bytes_max: u64, needed: impl Fn(&Digest) -> bool) {
        let pulled = self.pulled().await;
        let mut bytes: u64 = pulled.values().map(|one| one.bytes).sum();
        let mut pulled: Vec<(bool, SystemTime, Pulled)> =
            pulled.into_iter().map(|(digest, one)| (needed(&digest), one.at, one)).collect();
        pulled.sort_by_key(|(needed, at, _)| (*needed, *at));
        for (_, _, one) in pulled {
            if bytes <= bytes_max {
                return;
            }
            for file in &one.files {
                // What cannot be removed now is tried again with the next pull.
                let _ = tokio::fs::remove_file(file).await;
            }
            bytes -= one.bytes;
        }
    }

    /// Every file, by the component that it belongs to. A manifest of none that is known stands by itself.
    async fn pulled(&self) -> BTreeMap<Digest, Pulled> {
        let mut all: BTreeMap<Digest, Pulled> = BTreeMap::new();
        for what in ["components", "envelopes", "manifests"] {
            let Ok(mut entries) = tokio::fs::read_dir(self.dir.join(what)).await else { continue };
            while let Ok(Some(entry)) = entries.next_entry().await {
                let name = format!("sha256:{}", entry.file_name().to_string_lossy());
                // Others are files that are being written.
                let (Ok(digest), Ok(about)) = (name.parse::<Digest>(), entry.metadata().await) else {
                    continue;
                };
                let digest = if what == "manifests" { self.component_of(digest).await } else { digest };
                let at = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                let one = all.entry(digest).or_insert(Pulled { at, bytes: 0, files: Vec::new() });
                // Signatures may be newer than what they are about; what was pulled again under another tag is newer.
                one.at = one.at.max(at);
                one.bytes += about.len();
                one.files.push(entry.path());
            }
        }
        all
    }

    async fn component_of(&self, manifest: Digest) -> Digest {
        let bytes = self.manifest(manifest).await.unwrap_or_default();
        let parsed = serde_json::from_slice::<serde_json::Value>(&bytes).unwrap_or_default();
        let layer = parsed.pointer("/layers/0/digest").and_then(serde_json::Value::as_str);
        layer.and_then(|digest| digest.parse().ok()).unwrap_or(manifest)
    }

    fn path(&self, what: &str, digest: Digest) -> PathBuf {
        self.dir.join(what).join(digest.to_hex())
    }
}

/// A component that was pulled, with its manifests and envelopes.
struct Pulled {
    at: SystemTime,
    bytes: u64,
    files: Vec<PathBuf>,
}

/// The file's bytes when they are those of its name.
async fn hashed(path: &Path, digest: Digest, limit: u64) -> Option<Vec<u8>> {
    let bytes = read(path, limit, "cached file").await.ok().flatten()?;
    (Digest::of(&bytes) == digest).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Three components of ten bytes, the first the oldest, which a manifest names.
    async fn three(cache: &Cache) -> [Digest; 3] {
        let digests = ["component1", "component2", "component3"].map(Digest::of);
        for (number, text) in ["component1", "component2", "component3"].into_iter().enumerate() {
            cache.keep_component(digests[number], text.as_bytes()).await.unwrap();
            age(&cache.path("components", digests[number]), number as u64);
        }
        digests
    }

    fn age(file: &Path, number: u64) {
        let file = std::fs::File::options().append(true).open(file).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(number)).unwrap();
    }

    async fn left(cache: &Cache, digests: &[Digest]) -> Vec<bool> {
        let mut left = Vec::new();
        for digest in digests {
            left.push(cache.component(*digest, 100).await.is_some());
        }
        left
    }

    #[tokio::test]
    async fn what_is_exactly_as_much_as_may_be_stays_and_one_byte_less_takes_the_oldest() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let digests = three(&cache).await;
        cache.make_room(30, |_| false).await;
        assert_eq!(left(&cache, &digests).await, [true, true, true]);
        cache.make_room(29, |_| false).await;
        assert_eq!(left(&cache, &digests).await, [false, true, true]);
        cache.make_room(20, |_| false).await;
        assert_eq!(left(&cache, &digests).await, [false, true, true]);
    }

    #[tokio::test]
    async fn what_is_needed_goes_last_and_takes_its_manifest_and_signatures_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let digests = three(&cache).await;
        let manifest = format!(r#"{{"layers":[{{"digest":"{}"}}]}}"#, digests[0]);
        let named = Digest::of(&manifest);
        cache.keep_manifest(named, manifest.as_bytes()).await.unwrap();
        cache.keep_envelopes(digests[0], &[]).await.unwrap();
        for file in [cache.path("manifests", named), cache.path("envelopes", digests[0])] {
            age(&file, 0);
        }
        let bytes = 30 + manifest.len() as u64 + 2;
        cache.make_room(bytes - 1, |digest| *digest == digests[0]).await;
        assert_eq!(left(&cache, &digests).await, [true, false, true]);
        cache.make_room(1, |digest| *digest == digests[0]).await;
        assert_eq!(left(&cache, &digests).await, [false, false, false]);
        assert!(cache.manifest(named).await.is_none());
        assert!(!cache.path("envelopes", digests[0]).exists());
    }
}
