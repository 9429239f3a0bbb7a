//! Artifacts: pushed once, encrypted as they arrive, never altered.

use bytes::Bytes;
use futures::Stream;
use interlock_domain::{
    Action, Actor, Artifact, ArtifactId, ArtifactKind, Digest, SignatureFacts, SignedStatement,
};
use interlock_store::{Page, Write};
use interlock_vault::Expected;
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

/// Stores an artifact.
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
    let Description { name, version, kind, file_name, digest, size_bytes, signed } = description;
    if app.store.artifact_by_version(&who.tenant, &name, &version).await?.is_some() {
        return Err(FlowError::Exists { what: "artifact", id: format!("{name} {version}") });
    }
    let expected = Expected {
        digest: Some(digest),
        size_bytes: Some(size_bytes),
        size_bytes_max: app.config.artifacts.size_bytes_max,
    };
    let stored = app.vault.put(content, expected).await?;
    let artifact = Artifact {
        id: ArtifactId::new(app.clock.uuid()),
        tenant: who.tenant.clone(),
        name,
        version,
        kind,
        file_name,
        digest: stored.digest,
        sha1: stored.sha1,
        md5: stored.md5,
        size_bytes: stored.size_bytes,
        signed,
        pushed_by: who.account.clone(),
        pushed_at: now,
    };
    let sealed = serde_json::to_value(&stored.sealed)
        .map_err(|error| FlowError::invalid("", format!("the seal cannot be recorded: {error}")))?;
    let writes = vec![
        Write::Decision(Box::new(decision)),
        Write::Artifact { artifact: Box::new(artifact.clone()), sealed },
    ];
    if let Err(error) = app.commit(who, now, writes).await {
        // Content without a row would be nobody's. When even this fails, it is only unused space.
        if let Err(left) = app.vault.remove(&stored.sealed, &stored.digest).await {
            tracing::warn!(%left, digest = %stored.digest, "content of a refused artifact is left behind");
        }
        return Err(error);
    }
    Ok(artifact)
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

/// The stored artifact that is exactly what this describes, if there is one: pushing it again is no error.
pub async fn same(app: &App, who: &Actor, description: &Description) -> Result<Option<Artifact>, FlowError> {
    let Description { name, version, kind, file_name, digest, size_bytes, signed } = description;
    let stored = app.store.artifact_by_version(&who.tenant, name, version).await?;
    Ok(stored.filter(|stored| {
        stored.digest == *digest
            && stored.kind == *kind
            && stored.file_name == *file_name
            && stored.size_bytes == *size_bytes
            && stored.signed == *signed
    }))
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
    let sealed = app.store.sealed(&artifact.tenant, &artifact.digest).await?;
    let sealed = sealed
        .and_then(|sealed| serde_json::from_value(sealed).ok())
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
