//! What plugins may read: the host fetches it, asks Cedar whether this plugin may, and the sandbox records it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use interlock_domain::{
    Action, Artifact, ArtifactFacts, ArtifactKey, ArtifactRef, ArtifactStatement, ChangeId, Digest,
    Environment, EvidenceRead, Facts, Principal, Question, Released, Resource, SignatureOutcome, TenantId,
    Timestamp, release_counter_floor,
};
use interlock_sandbox::{Document, EvidenceAnswer, EvidenceSource, Refusal};
use interlock_vault::signature;

mod advisory;
mod inside;

use super::{ask::ask, convert::instant};
use crate::{
    App, FlowError,
    config::{Bound, is_outside},
    outside::{Place, unavailable},
};

/// The evidence that one plugin call may see.
pub(crate) struct Evidence {
    pub(crate) app: Arc<App>,
    pub(crate) tenant: TenantId,
    pub(crate) environment: Environment,
    pub(crate) change: Option<ChangeId>,
    pub(crate) plugin: Digest,
    /// What the roster grants to the plugin.
    pub(crate) granted: BTreeSet<String>,
    pub(crate) now: Timestamp,
    /// What the policies said of each source that was asked for, once.
    pub(crate) reads: Mutex<Vec<EvidenceRead>>,
}

#[async_trait]
impl EvidenceSource for Evidence {
    async fn fetch(&self, plugin: &str, source: &str, key: &str) -> EvidenceAnswer {
        let question = Question {
            principal: Principal::Plugin {
                tenant: self.tenant.clone(),
                name: plugin.to_owned(),
                digest: self.plugin,
                granted: self.granted.clone(),
            },
            action: Action::ReadEvidence,
            resource: Resource::EvidenceSource { tenant: self.tenant.clone(), name: source.to_owned() },
            facts: Facts::None,
            now: self.now,
            freshness: None,
        };
        let decision = ask(&self.app, self.change.as_ref(), question);
        self.note(source, &decision);
        let answer = if decision.permit().is_none() {
            EvidenceAnswer::Refused(Refusal::Denied(format!(
                "plugin `{plugin}` may not read `{source}`: {}; grant it with a `plugin` change: {}",
                decision.reasons().join("; "),
                self.grant_command(plugin, source)
            )))
        } else {
            let answer = self.within_limits(source, key).await;
            self.app.evidence.heard(&self.tenant, source, &answer, self.app.clock.now());
            answer
        };
        metrics::counter!("evidence_lookups_total", "source" => source.to_owned(), "outcome" => outcome(&answer))
            .increment(1);
        answer
    }
}

impl Evidence {
    /// What grants one source more. The command says all that a plugin may read, so it names what it has already.
    fn grant_command(&self, plugin: &str, source: &str) -> String {
        let sources: Vec<&str> = self.granted.iter().map(String::as_str).chain([source]).collect();
        format!("`interlock plugin grant {plugin} {} --environment {}`", sources.join(" "), self.environment)
    }
}

fn outcome(answer: &EvidenceAnswer) -> &'static str {
    match answer {
        EvidenceAnswer::Found(_) => "found",
        EvidenceAnswer::Refused(Refusal::NotFound) => "not_found",
        EvidenceAnswer::Refused(Refusal::Denied(_)) => "denied",
        EvidenceAnswer::Refused(Refusal::Unavailable(_)) | EvidenceAnswer::Ended(_) => "unavailable",
    }
}

impl Evidence {
    /// Looks up, and no longer and no more than the source allows; or says what was found a moment ago.
    async fn within_limits(&self, source: &str, key: &str) -> EvidenceAnswer {
        let bounds = self.app.config.evidence.bounds(source);
        let place = Place { scope: self.scope(source), source: source.to_owned(), key: key.to_owned() };
        if let Some(document) = self.app.evidence.kept(&place, bounds.cache_ms, self.now) {
            return EvidenceAnswer::Found(document);
        }
        let patience = Duration::from_millis(bounds.timeout_ms.most);
        match tokio::time::timeout(patience, self.looked_up(source, key, &bounds.bytes_max)).await {
            Ok(EvidenceAnswer::Found(document)) if document.content.len() as u64 > bounds.bytes_max.most => {
                unavailable(format!(
                    "what `{source}` has there has {} bytes, more than the {} of `{}`",
                    document.content.len(),
                    bounds.bytes_max.most,
                    bounds.bytes_max.key
                ))
            }
            Ok(EvidenceAnswer::Found(document)) if bounds.cache_ms > 0 => {
                self.app.evidence.keep(place, self.now, document.clone());
                EvidenceAnswer::Found(document)
            }
            Ok(answer) => answer,
            Err(_) => unavailable(format!(
                "`{source}` did not answer within the {} ms of `{}`",
                bounds.timeout_ms.most, bounds.timeout_ms.key
            )),
        }
    }

    /// Whose answer it is: what the host knows is told of a change and its tenant, and kept for them alone.
    fn scope(&self, source: &str) -> String {
        if is_outside(source) {
            return String::new();
        }
        let change = self.change.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{}/{change}", self.tenant)
    }

    async fn looked_up(&self, source: &str, key: &str, bytes_max: &Bound) -> EvidenceAnswer {
        let found = match source {
            "artifact" => return self.artifact(key).await,
            "config" => return self.value(key),
            "calendar" => return self.calendar(key),
            "prometheus" => {
                let config = &self.app.config.evidence.prometheus;
                return self.app.evidence.prometheus(key, config, bytes_max, self.now).await;
            }
            _ if source.starts_with("http.") => {
                return self.app.evidence.connector(source, key, bytes_max, self.now).await;
            }
            "manifest" => self.manifest(key).await,
            "document" => self.document(key).await,
            "device" => self.device(key).await,
            "fleet" => self.fleet(key).await,
            "telemetry" => self.telemetry(key).await,
            "advisory" => return advisory::look_up(&self.app, &self.tenant, key, self.now).await,
            _ => Ok(unavailable(format!("there is no evidence source `{source}`"))),
        };
        found.unwrap_or_else(|error| unavailable(error.to_string()))
    }

    /// Once for each source: a call may ask a thousand times, and is told the same each time.
    fn note(&self, source: &str, decision: &interlock_domain::Decision) {
        let interlock_domain::DecisionSubject::Policy { answer, .. } = &decision.subject else { return };
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        if !reads.iter().any(|read| read.source == source) {
            reads.push(EvidenceRead {
                source: source.to_owned(),
                allowed: answer.allowed,
                policies: answer.determining.iter().map(|policy| policy.id.clone()).collect(),
                errors: answer.errors.clone(),
                bundle: answer.bundle,
            });
        }
    }
}

impl Evidence {
    async fn artifact(&self, key: &str) -> EvidenceAnswer {
        let Ok(key) = key.parse::<ArtifactKey>() else {
            return EvidenceAnswer::Refused(Refusal::NotFound);
        };
        match artifact_facts(&self.app, &self.tenant, &key, self.change.as_ref(), self.now).await {
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
/// `asking` is the change that it is said to, which does not count against itself.
async fn artifact_facts(
    app: &App,
    tenant: &TenantId,
    key: &ArtifactKey,
    asking: Option<&ChangeId>,
    now: Timestamp,
) -> Result<Option<ArtifactFacts>, FlowError> {
    let Some(artifact) = stored(app, tenant, key).await? else { return Ok(None) };
    let statement = statement(&artifact);
    let released = released(app, tenant, &key.name, asking).await?;
    Ok(Some(ArtifactFacts {
        digest: artifact.digest,
        size: artifact.size_bytes,
        signature: verify(app, &artifact, now),
        release_counter: statement.as_ref().map(|statement| statement.release_counter),
        models: statement.map(|statement| statement.models).unwrap_or_default(),
        current_release_counter_max: release_counter_floor(&key.version, &key.digest, &released),
        name: artifact.name,
        version: artifact.version,
    }))
}

/// What the signature of one of a change's artifacts is worth now.
pub(crate) async fn signature_outcome(
    app: &App,
    tenant: &TenantId,
    artifact: &ArtifactRef,
    now: Timestamp,
) -> Result<SignatureOutcome, FlowError> {
    let stored = stored(app, tenant, &artifact.into()).await?;
    Ok(stored.map_or(SignatureOutcome::Missing, |artifact| verify(app, &artifact, now).outcome))
}

/// The stored artifact that brings targets back to a version, if its signature verifies now: otherwise whoever may push
/// could put anything under a version that was never stored, and a rollback would install it.
pub(crate) async fn verified_way_back(
    app: &App,
    tenant: &TenantId,
    artifact_name: &str,
    version: &str,
    now: Timestamp,
) -> Result<Option<Digest>, FlowError> {
    let stored = app.store.artifact_by_version(tenant, artifact_name, version).await?;
    let verified = stored.filter(|stored| verify(app, stored, now).outcome == SignatureOutcome::Verified);
    Ok(verified.map(|stored| stored.digest))
}

/// Verifies an artifact's signed statement against the trusted keys of today.
pub(crate) fn verify(app: &App, artifact: &Artifact, now: Timestamp) -> interlock_domain::SignatureFacts {
    let about = signature::About {
        name: &artifact.name,
        version: &artifact.version,
        digest: artifact.digest,
        size_bytes: artifact.size_bytes,
    };
    signature::verify(artifact.signed.as_ref(), &about, &app.trusted_keys.current(), now)
}

/// The artifact of exactly this name, version and content.
async fn stored(app: &App, tenant: &TenantId, key: &ArtifactKey) -> Result<Option<Artifact>, FlowError> {
    let stored = app.store.artifact_by_version(tenant, &key.name, &key.version).await?;
    Ok(stored.filter(|stored| stored.digest == key.digest))
}

/// Every admitted release of the artifact of this name, but for those of the change that asks.
async fn released(
    app: &App,
    tenant: &TenantId,
    name: &str,
    asking: Option<&ChangeId>,
) -> Result<Vec<Released>, FlowError> {
    let mut released = Vec::new();
    for change in app.store.changes_with_artifact(tenant, name).await? {
        if Some(&change.id) == asking {
            continue;
        }
        for release in Released::of(&change, name) {
            let key = ArtifactKey {
                name: name.to_owned(),
                version: release.version.clone(),
                digest: release.digest,
            };
            let statement = stored(app, tenant, &key).await?.as_ref().and_then(statement);
            let release_counter = statement.map(|statement| statement.release_counter);
            released.push(Released { release_counter, ..release });
        }
    }
    Ok(released)
}

/// What the maker says, whether or not it is soundly signed.
fn statement(artifact: &Artifact) -> Option<ArtifactStatement> {
    signature::read_statement(artifact.signed.as_ref()?).ok()
}
