//! The requests of the OCI distribution specification that plugins need.

use bytes::Bytes;
use interlock_ledger::Digest;
use interlock_vault::envelope::{ENVELOPE_BYTES_MAX, Envelope};
use reqwest::{Method, StatusCode};

use crate::RegistryError;
use crate::http::{About, Http, Request, malformed};
use crate::manifest::{
    CONFIG, DSSE, Descriptor, EMPTY, INDEX, Index, MANIFEST, MANIFEST_BYTES_MAX, Manifest, REFERRERS_MAX,
    SIGNATURES, WASM, referrers_tag,
};

const ANY: &str = "*/*";
const OCTETS: &str = "application/octet-stream";
const EMPTY_CONFIG: &[u8] = b"{}";

impl Http {
    /// A manifest by tag or digest, with the digest of the bytes that came; `None` for 404.
    pub(crate) async fn manifest(
        &self,
        about: &About<'_>,
        pin: &str,
        expected: Option<Digest>,
        accept: &'static str,
    ) -> Result<Option<(Vec<u8>, Digest)>, RegistryError> {
        let url = self.url(about, &format!("manifests/{pin}"))?;
        let response = self.send(about, &Request { method: Method::GET, url, accept, body: None }).await?;
        match response.status() {
            StatusCode::NOT_FOUND => return Ok(None),
            status if status.is_success() => {}
            _ => return Err(self.refusal(about, response, "manifest").await),
        }
        let header = response.headers().get("docker-content-digest");
        let announced = header.and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
        let bytes = self.body(about, response, MANIFEST_BYTES_MAX, "manifest").await?;
        let found = Digest::of(&bytes);
        match expected.or(announced) {
            Some(expected) if expected != found => Err(lies(about, "manifest", expected, found)),
            _ => Ok(Some((bytes, found))),
        }
    }

    /// A blob that is what its descriptor says: no larger, no smaller, no other.
    pub(crate) async fn blob(
        &self,
        about: &About<'_>,
        descriptor: &Descriptor,
        limit: u64,
        what: &'static str,
    ) -> Result<Vec<u8>, RegistryError> {
        let reference = about.reference.to_owned();
        if descriptor.size > limit {
            return Err(RegistryError::TooLarge { reference, what, found: descriptor.size, limit });
        }
        let url = self.url(about, &format!("blobs/{}", descriptor.digest))?;
        let response =
            self.send(about, &Request { method: Method::GET, url, accept: ANY, body: None }).await?;
        if !response.status().is_success() {
            return Err(self.refusal(about, response, what).await);
        }
        let bytes = self.body(about, response, descriptor.size, what).await?;
        let found = bytes.len() as u64;
        if found < descriptor.size {
            let reason = format!("{found} of {} bytes came", descriptor.size);
            return Err(RegistryError::Truncated { reference, what, reason });
        }
        let found = Digest::of(&bytes);
        if found != descriptor.digest {
            return Err(lies(about, what, descriptor.digest, found));
        }
        Ok(bytes)
    }

    /// The signatures of an artifact: by the referrers API, or by the tag that stands in for it.
    pub(crate) async fn envelopes(
        &self,
        about: &About<'_>,
        subject: Digest,
    ) -> Result<Vec<Envelope>, RegistryError> {
        let referrers = self.referrers(about, subject).await?;
        let mut envelopes = Vec::new();
        for descriptor in referrers.iter().filter(|d| is_signatures(d)).take(REFERRERS_MAX) {
            let pin = descriptor.digest.to_string();
            let Some((bytes, _)) = self.manifest(about, &pin, Some(descriptor.digest), MANIFEST).await?
            else {
                continue;
            };
            let manifest = parse::<Manifest>(about, "referrer", &bytes)?;
            let Some(layer) = manifest.layers.iter().find(|layer| layer.media_type == DSSE) else { continue };
            let text = self.blob(about, layer, ENVELOPE_BYTES_MAX as u64, "envelope").await?;
            let envelope = Envelope::from_json(&text).map_err(|source| RegistryError::Envelope {
                reference: about.reference.to_owned(),
                source,
            })?;
            envelopes.push(envelope);
        }
        Ok(envelopes)
    }

    async fn referrers(&self, about: &About<'_>, subject: Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let mut url = self.url(about, &format!("referrers/{subject}"))?;
        url.query_pairs_mut().append_pair("artifactType", SIGNATURES);
        let request = Request { method: Method::GET, url, accept: INDEX, body: None };
        let response = self.send(about, &request).await?;
        if response.status().is_success() {
            let bytes = self.body(about, response, MANIFEST_BYTES_MAX, "list of referrers").await?;
            return Ok(parse::<Index>(about, "list of referrers", &bytes)?.manifests);
        }
        // Registries without the API say so in different ways; the tag is asked in any case.
        Ok(self.tagged_referrers(about, subject).await?.map(|index| index.manifests).unwrap_or_default())
    }

    async fn tagged_referrers(
        &self,
        about: &About<'_>,
        subject: Digest,
    ) -> Result<Option<Index>, RegistryError> {
        let found = self.manifest(about, &referrers_tag(subject), None, INDEX).await?;
        found.map(|(bytes, _)| parse(about, "list of referrers", &bytes)).transpose()
    }

    /// Adds an envelope to an artifact.
    pub(crate) async fn push_envelope(
        &self,
        about: &About<'_>,
        subject: Descriptor,
        envelope: &Envelope,
    ) -> Result<(), RegistryError> {
        let text = envelope
            .to_json()
            .map_err(|source| RegistryError::Envelope { reference: about.reference.to_owned(), source })?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MANIFEST.to_owned()),
            artifact_type: Some(SIGNATURES.to_owned()),
            config: Descriptor::of(EMPTY, EMPTY_CONFIG),
            layers: vec![Descriptor::of(DSSE, &text)],
            subject: Some(subject.clone()),
            annotations: Default::default(),
        };
        self.push_blob(about, Bytes::from_static(EMPTY_CONFIG)).await?;
        self.push_blob(about, text.into()).await?;
        let bytes = encode(about, &manifest)?;
        let pin = Digest::of(&bytes).to_string();
        let mut descriptor = Descriptor::of(MANIFEST, &bytes);
        descriptor.artifact_type = Some(SIGNATURES.to_owned());
        let knows_subjects = self.push_manifest(about, &pin, MANIFEST, bytes).await?;
        if knows_subjects {
            return Ok(());
        }
        let mut index = self.tagged_referrers(about, subject.digest).await?.unwrap_or_else(|| Index {
            schema_version: 2,
            media_type: INDEX.to_owned(),
            manifests: Vec::new(),
        });
        if index.manifests.iter().any(|known| known.digest == descriptor.digest) {
            return Ok(());
        }
        // The newest first, because only so many are read.
        index.manifests.insert(0, descriptor);
        let bytes = encode(about, &index)?;
        self.push_manifest(about, &referrers_tag(subject.digest), INDEX, bytes).await.map(|_| ())
    }

    /// True when the registry keeps referrers by itself: it then says so with `OCI-Subject`.
    pub(crate) async fn push_manifest(
        &self,
        about: &About<'_>,
        pin: &str,
        kind: &'static str,
        bytes: Vec<u8>,
    ) -> Result<bool, RegistryError> {
        let url = self.url(about, &format!("manifests/{pin}"))?;
        let body = Some((kind, Bytes::from(bytes)));
        let response = self.send(about, &Request { method: Method::PUT, url, accept: ANY, body }).await?;
        if !response.status().is_success() {
            return Err(self.refusal(about, response, "repository").await);
        }
        Ok(response.headers().contains_key("oci-subject"))
    }

    pub(crate) async fn push_blob(&self, about: &About<'_>, bytes: Bytes) -> Result<(), RegistryError> {
        let digest = Digest::of(&bytes).to_string();
        let url = self.url(about, &format!("blobs/{digest}"))?;
        let there = self.send(about, &Request { method: Method::HEAD, url, accept: ANY, body: None }).await?;
        if there.status().is_success() {
            return Ok(());
        }
        let asked = self.url(about, "blobs/uploads/")?;
        let body = Some((OCTETS, Bytes::new()));
        let begun = self
            .send(about, &Request { method: Method::POST, url: asked.clone(), accept: ANY, body })
            .await?;
        if !begun.status().is_success() {
            return Err(self.refusal(about, begun, "repository").await);
        }
        let mut url = self.location(about, &asked, begun.headers())?;
        url.query_pairs_mut().append_pair("digest", &digest);
        let body = Some((OCTETS, bytes));
        let response = self.send(about, &Request { method: Method::PUT, url, accept: ANY, body }).await?;
        if !response.status().is_success() {
            return Err(self.refusal(about, response, "upload").await);
        }
        Ok(())
    }
}

/// The one component of an artifact, or why it is no plugin.
pub(crate) fn component<'a>(
    about: &About<'_>,
    manifest: &'a Manifest,
) -> Result<&'a Descriptor, RegistryError> {
    let other = |what, found: &str, needed| RegistryError::MediaType {
        reference: about.reference.to_owned(),
        what,
        found: found.chars().take(100).collect(),
        needed,
    };
    if let Some(kind) = manifest.media_type.as_deref().filter(|kind| *kind != MANIFEST) {
        return Err(other("manifest", kind, MANIFEST));
    }
    if manifest.config.media_type != CONFIG {
        return Err(other("config", &manifest.config.media_type, CONFIG));
    }
    match manifest.layers.as_slice() {
        [layer] if layer.media_type == WASM => Ok(layer),
        [layer] => Err(other("layer", &layer.media_type, WASM)),
        layers => {
            Err(malformed(about, "manifest", &format!("it has {} layers; a plugin has 1", layers.len())))
        }
    }
}

pub(crate) fn parse<T: serde::de::DeserializeOwned>(
    about: &About<'_>,
    what: &'static str,
    bytes: &[u8],
) -> Result<T, RegistryError> {
    serde_json::from_slice(bytes).map_err(|error| malformed(about, what, &error))
}

pub(crate) fn encode<T: serde::Serialize>(about: &About<'_>, value: &T) -> Result<Vec<u8>, RegistryError> {
    serde_json::to_vec(value).map_err(|error| malformed(about, "manifest", &error))
}

/// Some registries leave the type out of their lists; then the manifest tells.
fn is_signatures(descriptor: &Descriptor) -> bool {
    descriptor.artifact_type.as_deref().is_none_or(|kind| kind == SIGNATURES)
}

fn lies(about: &About<'_>, what: &'static str, expected: Digest, found: Digest) -> RegistryError {
    RegistryError::Lies { reference: about.reference.to_owned(), what, expected, found }
}
