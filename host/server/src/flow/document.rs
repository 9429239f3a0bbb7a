//! Documents about artifacts: what a maker sends with them, such as an SBOM, and what a plugin may read.
//!
//! The content is kept under its digest and the note about it stands in the ledger, which nobody alters unnoticed: the newest
//! note says which document counts.

use interlock_domain::{Action, Actor, Artifact, Digest, DocumentRef, TenantId};
use interlock_store::{Kept, Note, Write};
use serde::{Deserialize, Serialize};

use super::{
    ask::{may_read, permit},
    change::tenant,
};
use crate::{App, FlowError};

/// What a document may be.
pub const KINDS: [&str; 6] =
    ["sbom", "provenance", "release-notes", "test-report", "compatibility", "configuration"];
/// The entry's type.
pub(crate) const ATTACHED: &str = "artifact.document_attached";
/// What the entry is about.
pub(crate) const OBJECT: &str = "document";
/// No media type is longer.
const MEDIA_TYPE_BYTES_MAX: usize = 120;

/// A document that was attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Attached {
    /// The artifact's digest.
    #[schema(value_type = String)]
    pub artifact: Digest,
    /// `sbom`, `provenance`, `release-notes`, `test-report`, `compatibility` or `configuration`.
    pub kind: String,
    /// For example `application/vnd.cyclonedx+json`.
    pub media_type: String,
    /// SHA-256 of the document.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
}

impl Attached {
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }
}

/// Attaches a document to an artifact. A newer one of the same kind takes its place; what was read before stays on record.
pub async fn attach(
    app: &App,
    who: &Actor,
    (name, version): (&str, &str),
    kind: &str,
    media_type: &str,
    content: &[u8],
) -> Result<Attached, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::PushArtifact, tenant(who), None, now).await?;
    let kind = known(kind)?;
    let artifact = artifact(app, who, name, version).await?;
    let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if media_type.is_empty() || media_type.len() > MEDIA_TYPE_BYTES_MAX || !media_type.bytes().all(plain) {
        return Err(FlowError::invalid(
            "/media_type",
            "say what the document is, for example application/json",
        ));
    }
    if content.is_empty() {
        return Err(FlowError::invalid("", "the document is empty"));
    }
    let attached = Attached {
        artifact: artifact.digest,
        kind: kind.to_owned(),
        media_type: media_type.to_owned(),
        digest: Digest::of(content),
        size_bytes: content.len() as u64,
    };
    // Before anything refers to it.
    app.store.keep(Kept::Document, &attached.digest, content).await?;
    let note = Note {
        kind: ATTACHED,
        object_kind: OBJECT,
        object_id: format!("{}/{kind}", artifact.digest),
        payload: serde_json::json!(attached),
    };
    app.commit(who, now, vec![Write::Decision(Box::new(decision)), Write::Note(note)]).await?;
    Ok(attached)
}

/// The document of a kind that counts, with its content.
pub async fn show(
    app: &App,
    who: &Actor,
    (name, version): (&str, &str),
    kind: &str,
) -> Result<(Attached, Vec<u8>), FlowError> {
    may_read(app, who, Action::ReadArtifact, tenant(who)).await?;
    let kind = known(kind)?;
    let artifact = artifact(app, who, name, version).await?;
    let missing = || FlowError::NotFound { what: "document", id: format!("{name}/{version}/{kind}") };
    let id = format!("{}/{kind}", artifact.digest);
    let payload = app.store.newest_note(&who.tenant, ATTACHED, OBJECT, &id).await?.ok_or_else(missing)?;
    let attached = Attached::read(&payload).ok_or_else(missing)?;
    let content = app.store.kept(Kept::Document, &attached.digest).await?.ok_or_else(missing)?;
    Ok((attached, content))
}

/// The documents of an artifact that count: the newest of each kind.
pub async fn list(app: &App, who: &Actor, (name, version): (&str, &str)) -> Result<Vec<Attached>, FlowError> {
    may_read(app, who, Action::ReadArtifact, tenant(who)).await?;
    let artifact = artifact(app, who, name, version).await?;
    let mut all = Vec::new();
    for kind in KINDS {
        let id = format!("{}/{kind}", artifact.digest);
        let payload = app.store.newest_note(&who.tenant, ATTACHED, OBJECT, &id).await?;
        all.extend(payload.as_deref().and_then(Attached::read));
    }
    Ok(all)
}

/// The documents about an artifact that count now: a change is approved, and judged, with these.
pub(crate) async fn about(
    app: &App,
    tenant: &TenantId,
    artifact: &Digest,
) -> Result<Vec<DocumentRef>, FlowError> {
    let mut documents = Vec::new();
    for kind in KINDS {
        let id = format!("{artifact}/{kind}");
        let payload = app.store.newest_note(tenant, ATTACHED, OBJECT, &id).await?;
        let attached = payload.as_deref().and_then(Attached::read);
        documents.extend(attached.map(|attached| DocumentRef {
            artifact: *artifact,
            kind: attached.kind,
            media_type: attached.media_type,
            digest: attached.digest,
        }));
    }
    Ok(documents)
}

fn known(kind: &str) -> Result<&'static str, FlowError> {
    KINDS.into_iter().find(|known| *known == kind).ok_or_else(|| {
        FlowError::invalid(
            "/kind",
            format!("`{kind}` is no kind of document; there are {}", KINDS.join(", ")),
        )
    })
}

async fn artifact(app: &App, who: &Actor, name: &str, version: &str) -> Result<Artifact, FlowError> {
    let found = app.store.artifact_by_version(&who.tenant, name, version).await?;
    found.ok_or_else(|| FlowError::NotFound { what: "artifact", id: format!("{name}/{version}") })
}
