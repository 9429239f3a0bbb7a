//! Artifacts: pushed once, encrypted as they arrive, never altered.

use bytes::Bytes;
use futures::Stream;
use interlock_domain::{
    Action, Actor, Artifact, ArtifactId, ArtifactKind, Digest, SignatureFacts, SignedStatement,
};
use interlock_store::{Page, StoreError, Write};
use interlock_vault::{Expected, Sealed};
use serde::{Deserialize, Serialize};

use super::{
    ask::{may_read, permit},
    change::tenant,
    evidence::verify,
};
use crate::{App, FlowError};

/// What its pusher says of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Its name.
    #[schema(example = "pump-firmware")]
    pub name: String,
    /// Its version. Name and version are taken once.
    #[schema(example = "2.0.0")]
    pub version: String,
    /// What it is.
    #[schema(value_type = String, example = "firmware")]
    pub kind: ArtifactKind,
    /// The file name that devices see.
    #[schema(example = "pump-2.0.0.swu")]
    pub file_name: String,
    /// SHA-256 of the content that follows. An upload that is cut short or altered on the way is refused.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
    /// The maker's signed statement. Whether it is sound is judged when a change brings the artifact out, not now.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub signed: Option<SignedStatement>,
}

impl Description {
    /// Whether this describes the stored artifact.
    fn is_of(&self, stored: &Artifact) -> bool {
        let Self { name, version, kind, file_name, digest, size_bytes, signed } = self;
        stored.name == *name
            && stored.version == *version
            && stored.kind == *kind
            && stored.file_name == *file_name
            && stored.digest == *digest
            && stored.size_bytes == *size_bytes
            && stored.signed == *signed
    }
}

/// Stores an artifact. Pushing it again heals it when its content is gone.
pub async fn push<S>(
    app: &App,
    who: &Actor,
    description: Description,
    content: S,
) -> Result<Artifact, FlowError>
where
    S: Stream<Item = std::io::Result<Bytes>> + Send + Unpin,
{
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::PushArtifact, tenant(who), None, now).await?;
    check(&description)?;
    let before = app.store.artifact_by_version(&who.tenant, &description.name, &description.version).await?;
    if let Some(before) = &before
        && (!description.is_of(before) || is_kept(app, before).await?)
    {
        return Err(exists(&description));
    }
    let expected = Expected {
        digest: Some(description.digest),
        size_bytes: Some(description.size_bytes),
        size_bytes_max: app.config.artifacts.size_bytes_max,
    };
    let stored = app.vault.put(content, expected).await?;
    let sealed = serde_json::to_value(&stored.sealed)
        .map_err(|error| FlowError::invalid("", format!("the seal cannot be recorded: {error}")))?;
    let taken = exists(&description);
    // What is healed stays what it was, id and all: only its content is stored anew.
    let artifact = before.unwrap_or_else(|| Artifact {
        id: ArtifactId::new(app.clock.uuid()),
        tenant: who.tenant.clone(),
        name: description.name,
        version: description.version,
        kind: description.kind,
        file_name: description.file_name,
        digest: stored.digest,
        sha1: stored.sha1,
        md5: stored.md5,
        size_bytes: stored.size_bytes,
        signed: description.signed,
        pushed_by: who.account.clone(),
        pushed_at: now,
    });
    let writes = vec![
        Write::Decision(Box::new(decision)),
        Write::Artifact { artifact: Box::new(artifact.clone()), sealed },
    ];
    let Err(error) = app.commit(who, now, writes).await else { return Ok(artifact) };
    // Content without a row would be nobody's. When even removing it fails, it is only unused space, and so it is when
    // nobody knows whether there is a row: a row without content would be worse.
    if is_refused(&error)
        && let Err(left) = app.vault.remove(&stored.sealed, &stored.digest).await
    {
        tracing::warn!(%left, digest = %stored.digest, "content of a refused artifact is left behind");
    }
    Err(match error {
        // Two pushes at once: the other one was faster.
        FlowError::Store(StoreError::AlreadyExists { .. }) => taken,
        error => error,
    })
}

/// True when nothing was written, for sure.
fn is_refused(error: &FlowError) -> bool {
    matches!(error, FlowError::Store(error) if error.is_refusal() || matches!(error, StoreError::Busy | StoreError::Behind { .. }))
}

fn exists(description: &Description) -> FlowError {
    let Description { name, version, .. } = description;
    FlowError::Exists { what: "artifact", id: format!("{name} {version}") }
}

/// Whether an artifact's content is where it was put. It is not read.
async fn is_kept(app: &App, artifact: &Artifact) -> Result<bool, FlowError> {
    match sealed(app, artifact).await? {
        Some(sealed) => Ok(app.vault.exists(&sealed, &artifact.digest).await?),
        None => Ok(false),
    }
}

async fn sealed(app: &App, artifact: &Artifact) -> Result<Option<Sealed>, FlowError> {
    let sealed = app.store.sealed(&artifact.tenant, &artifact.id).await?;
    Ok(sealed.and_then(|sealed| serde_json::from_value(sealed).ok()))
}

/// An artifact and what its signature is worth today.
pub async fn show(app: &App, who: &Actor, id: &ArtifactId) -> Result<(Artifact, SignatureFacts), FlowError> {
    may_read(app, who, Action::ReadArtifact, tenant(who)).await?;
    let artifact = app.store.artifact(&who.tenant, id).await?;
    let artifact = artifact.ok_or_else(|| FlowError::NotFound { what: "artifact", id: id.to_string() })?;
    let facts = verify(app, &artifact, app.clock.now());
    Ok((artifact, facts))
}

/// What an artifact's signature is worth today, for whoever just pushed it.
pub fn signature(app: &App, artifact: &Artifact) -> SignatureFacts {
    verify(app, artifact, app.clock.now())
}

/// The stored artifact that is exactly what this describes, content and all, if there is one: pushing it again is no
/// error.
pub async fn same(app: &App, who: &Actor, description: &Description) -> Result<Option<Artifact>, FlowError> {
    let Description { name, version, .. } = description;
    match app.store.artifact_by_version(&who.tenant, name, version).await? {
        Some(stored) if description.is_of(&stored) && is_kept(app, &stored).await? => Ok(Some(stored)),
        _ => Ok(None),
    }
}

/// The tenant's artifacts, newest first.
pub async fn list(app: &App, who: &Actor, page: &Page) -> Result<Vec<Artifact>, FlowError> {
    may_read(app, who, Action::ReadArtifact, tenant(who)).await?;
    Ok(app.store.artifacts(&who.tenant, page).await?)
}

/// An artifact's plain content, or the part of it in `range`, decrypted as it is read.
pub async fn content(
    app: &App,
    artifact: &Artifact,
    range: Option<std::ops::Range<u64>>,
) -> Result<impl Stream<Item = Result<Bytes, interlock_vault::VaultError>> + Send + use<>, FlowError> {
    let sealed = sealed(app, artifact)
        .await?
        .ok_or_else(|| FlowError::NotFound { what: "artifact content", id: artifact.digest.to_string() })?;
    Ok(app.vault.get(&sealed, &artifact.digest, range).await?)
}

fn check(description: &Description) -> Result<(), FlowError> {
    let name_like = |text: &str, max: usize| {
        !text.is_empty()
            && text.len() <= max
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+'))
    };
    for (field, text, max) in [
        ("/name", &description.name, 100),
        ("/version", &description.version, 100),
        ("/file_name", &description.file_name, 200),
    ] {
        if !name_like(text, max) {
            return Err(FlowError::invalid(
                field,
                format!("must be 1 to {max} of a-z, A-Z, 0-9, `.`, `-`, `_` and `+`"),
            ));
        }
    }
    if let Some(signed) = &description.signed
        && (signed.statement.len() > 64 << 10
            || signed.signature.len() > 4 << 10
            || signed.key_id.len() > 128)
    {
        return Err(FlowError::invalid(
            "/signed",
            "a statement has at most 64 KiB, a signature at most 4 KiB",
        ));
    }
    Ok(())
}
