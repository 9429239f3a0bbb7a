//! What plugins may read: the host fetches it, asks Cedar whether this plugin may, and the sandbox records it.

use std::sync::Arc;

use async_trait::async_trait;
use interlock_domain::{
    Action, Artifact, ArtifactFacts, ChangeId, Digest, Facts, Principal, Question, Resource,
    SignatureOutcome, TenantId, Timestamp,
};
use interlock_sandbox::{Document, EvidenceAnswer, EvidenceSource, Refusal};
use interlock_vault::signature;

use super::{ask::ask, convert::instant};
use crate::{App, FlowError};

/// The evidence that one plugin call may see.
pub(crate) struct Evidence {
    pub(crate) app: Arc<App>,
    pub(crate) tenant: TenantId,
    pub(crate) change: Option<ChangeId>,
    pub(crate) plugin: Digest,
    pub(crate) now: Timestamp,
}

#[async_trait]
impl EvidenceSource for Evidence {
    async fn fetch(&self, plugin: &str, source: &str, key: &str) -> EvidenceAnswer {
        let question = Question {
            principal: Principal::Plugin {
                tenant: self.tenant.clone(),
                name: plugin.to_owned(),
                digest: self.plugin,
            },
            action: Action::ReadEvidence,
            resource: Resource::EvidenceSource { tenant: self.tenant.clone(), name: source.to_owned() },
            facts: Facts::None,
            now: self.now,
        };
        let decision = ask(&self.app, self.change.as_ref(), question);
        if decision.permit().is_none() {
            let why = format!("plugin `{plugin}` may not read `{source}`: {}", decision.reasons().join("; "));
            return EvidenceAnswer::Refused(Refusal::Denied(why));
        }
        match source {
            "artifact" => self.artifact(key).await,
            _ => EvidenceAnswer::Refused(Refusal::NotFound),
        }
    }
}

impl Evidence {
    async fn artifact(&self, key: &str) -> EvidenceAnswer {
        let Ok(digest) = key.parse::<Digest>() else {
            return EvidenceAnswer::Refused(Refusal::NotFound);
        };
        match artifact_facts(&self.app, &self.tenant, &digest, self.now).await {
            Ok(Some(facts)) => match interlock_domain::canonical::to_canonical(&facts) {
                Ok(content) => {
                    EvidenceAnswer::Found(Document::new("application/json", content, instant(self.now)))
                }
                Err(error) => EvidenceAnswer::Refused(Refusal::Unavailable(error.to_string())),
            },
            Ok(None) => EvidenceAnswer::Refused(Refusal::NotFound),
            Err(error) => EvidenceAnswer::Refused(Refusal::Unavailable(error.to_string())),
        }
    }
}

/// What the host can say of an artifact: verified anew each time, because keys are revoked and statements expire.
pub(crate) async fn artifact_facts(
    app: &App,
    tenant: &TenantId,
    digest: &Digest,
    now: Timestamp,
) -> Result<Option<ArtifactFacts>, FlowError> {
    let Some(artifact) = app.store.artifact_by_digest(tenant, digest).await? else { return Ok(None) };
    let mut counter_max = None;
    for earlier in app.store.completed_artifacts(tenant, &artifact.name).await? {
        if let Some(earlier) = app.store.artifact_by_digest(tenant, &earlier).await?
            && verify(app, &earlier, now).outcome == SignatureOutcome::Verified
        {
            counter_max = counter_max.max(release_counter(&earlier));
        }
    }
    Ok(Some(ArtifactFacts {
        digest: artifact.digest,
        size: artifact.size_bytes,
        name: artifact.name.clone(),
        version: artifact.version.clone(),
        signature: verify(app, &artifact, now),
        release_counter: release_counter(&artifact),
        current_release_counter_max: counter_max,
    }))
}

/// Verifies an artifact's signed statement against the trusted keys of today.
pub(crate) fn verify(app: &App, artifact: &Artifact, now: Timestamp) -> interlock_domain::SignatureFacts {
    let about = signature::About {
        name: &artifact.name,
        version: &artifact.version,
        digest: artifact.digest,
        size_bytes: artifact.size_bytes,
    };
    signature::verify(artifact.signed.as_ref(), &about, &app.trusted_keys.load(), now)
}

fn release_counter(artifact: &Artifact) -> Option<u64> {
    let signed = artifact.signed.as_ref()?;
    signature::read_statement(signed).ok().map(|statement| statement.release_counter)
}
