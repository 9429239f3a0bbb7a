//! Table `artifacts`: what there is to know of an artifact. Its content lies elsewhere, sealed.

use interlock_domain::{Artifact, ArtifactId, Assignment, Digest, TenantId};

use crate::{
    Page, Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional, text},
    row,
};

/// Stores an artifact; its name and version are unique in a tenant. The very same artifact once more, id and all, says
/// that its content was stored anew: then only how it is sealed is altered.
pub(crate) async fn write(
    tx: &mut Tx,
    artifact: &Artifact,
    body: &str,
    sealed: &serde_json::Value,
) -> Result<(), StoreError> {
    let sealed = serde_json::to_string(sealed)?;
    let resealed = execute!(
        tx.conn(),
        "UPDATE artifacts SET sealed = $4 WHERE id = $1 AND tenant = $2 AND body = $3",
        artifact.id.as_str(),
        artifact.tenant.as_str(),
        body,
        &sealed,
    )?;
    if resealed > 0 {
        return Ok(());
    }
    let made = execute!(
        tx.conn(),
        "INSERT INTO artifacts (id, tenant, name, version, digest, body, sealed)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        artifact.id.as_str(),
        artifact.tenant.as_str(),
        text(&artifact.name),
        text(&artifact.version),
        artifact.digest.to_string(),
        body,
        &sealed,
    )?;
    if made == 0 {
        return Err(StoreError::exists("artifact", format!("{} {}", artifact.name, artifact.version)));
    }
    Ok(())
}

impl Store {
    /// An artifact.
    pub async fn artifact(&self, tenant: &TenantId, id: &ArtifactId) -> Result<Option<Artifact>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM artifacts WHERE id = $1 AND tenant = $2",
            id.as_str(),
            tenant.as_str()
        )?;
        found.map(|(body,)| row::body("artifact", id.as_str(), &body)).transpose()
    }

    /// The artifact of this name and version.
    pub async fn artifact_by_version(
        &self,
        tenant: &TenantId,
        name: &str,
        version: &str,
    ) -> Result<Option<Artifact>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM artifacts WHERE tenant = $1 AND name = $2 AND version = $3",
            tenant.as_str(),
            text(name),
            text(version)
        )?;
        found.map(|(body,)| row::body("artifact", name, &body)).transpose()
    }

    /// The artifact with this content that a change brings or brings back, under the version that its targets are told.
    ///
    /// The same content may be stored under several names. Its bytes, hashes and size are the same under each; the file
    /// name, kind, name and version that a device is shown are those of the change. Where that leaves none, because it
    /// goes back to a version that was noted otherwise, any artifact with the content will do: the bytes are right.
    pub async fn artifact_for(
        &self,
        assignment: &Assignment,
        digest: &Digest,
    ) -> Result<Option<Artifact>, StoreError> {
        let version = if *digest == assignment.artifact {
            Some(&assignment.version)
        } else {
            assignment.version_before.as_ref()
        };
        let digest = digest.to_string();
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM artifacts WHERE tenant = $1 AND digest = $2
             ORDER BY CASE WHEN version = $4
                            AND name IN (SELECT name FROM change_artifacts WHERE change_id = $3)
                           THEN 0 ELSE 1 END, id
             LIMIT 1",
            assignment.tenant.as_str(),
            &digest,
            assignment.change.as_str(),
            text(version.map_or("", String::as_str))
        )?;
        found.map(|(body,)| row::body("artifact", &digest, &body)).transpose()
    }

    /// The artifacts of a tenant, newest first.
    pub async fn artifacts(&self, tenant: &TenantId, page: &Page) -> Result<Vec<Artifact>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM artifacts WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
            tenant.as_str(),
            page.below(),
            page.limit()
        )?;
        row::bodies("artifact", rows)
    }

    /// Where an artifact's content is and how it is sealed, as it was given with the artifact.
    pub async fn sealed(
        &self,
        tenant: &TenantId,
        id: &ArtifactId,
    ) -> Result<Option<serde_json::Value>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT sealed FROM artifacts WHERE tenant = $1 AND id = $2",
            tenant.as_str(),
            id.as_str()
        )?;
        found.map(|(sealed,)| row::body("artifact", id.as_str(), &sealed)).transpose()
    }
}
