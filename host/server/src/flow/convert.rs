//! Domain words to plugin words and back. The sandbox knows nothing of the domain, and the other way round.

use std::sync::Arc;

use interlock_domain as domain;
use interlock_domain::{Change, Digest, Manifest, Timestamp};
use interlock_sandbox::types as wit;

/// An instant as plugins see it.
pub(crate) fn instant(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(0)
}

/// A plugin's instant as the domain sees it.
pub(crate) fn timestamp(ms: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// A change as plugins see it.
pub(crate) fn change(change: &Change) -> Arc<wit::Change> {
    Arc::new(draft(&Draft {
        id: change.id.as_str(),
        author: change.author.as_str(),
        proposed_at: change.created_at,
        manifest: &change.manifest,
        digest: change.digest,
    }))
}

/// What a plugin is told of a change that may not exist yet.
pub(crate) struct Draft<'a> {
    pub(crate) id: &'a str,
    pub(crate) author: &'a str,
    pub(crate) proposed_at: Timestamp,
    pub(crate) manifest: &'a Manifest,
    pub(crate) digest: Digest,
}

/// A proposal as plugins see it.
pub(crate) fn draft(draft: &Draft<'_>) -> wit::Change {
    let manifest = draft.manifest;
    // The manifest has a digest, so it is canonical; an empty text would fail every gate that reads it.
    let text = domain::canonical::to_canonical(manifest).unwrap_or_default();
    wit::Change {
        id: draft.id.to_owned(),
        tenant: manifest.tenant.to_string(),
        environment: manifest.environment.to_string(),
        kind: match manifest.kind {
            domain::ChangeKind::Release => wit::ChangeKind::Release,
            domain::ChangeKind::Config => wit::ChangeKind::Config,
            domain::ChangeKind::Policy => wit::ChangeKind::Policy,
            domain::ChangeKind::Plugin => wit::ChangeKind::Plugin,
            domain::ChangeKind::Tenant => wit::ChangeKind::Tenant,
        },
        digest: draft.digest.to_string(),
        title: manifest.title.clone(),
        author: draft.author.to_owned(),
        proposed_at: instant(draft.proposed_at),
        artifacts: manifest
            .artifacts
            .iter()
            .map(|artifact| wit::Artifact {
                name: artifact.name.clone(),
                version: artifact.version.clone(),
                digest: artifact.digest.to_string(),
                size_bytes: artifact.size_bytes,
            })
            .collect(),
        population: population(&manifest.population),
        rollback: manifest
            .rollback
            .iter()
            .map(|target| wit::RollbackTarget {
                version: target.version.clone().unwrap_or_default(),
                artifact: target.artifact.map(|digest| digest.to_string()),
                targets: target.targets,
            })
            .collect(),
        manifest: String::from_utf8(text).unwrap_or_default(),
    }
}

/// A population as plugins see it.
pub(crate) fn population(population: &domain::Population) -> wit::Population {
    wit::Population {
        size: population.size,
        digest: population.digest.to_string(),
        groups: population
            .groups
            .iter()
            .map(|(name, size)| wit::Group { name: name.clone(), size: *size })
            .collect(),
    }
}

/// A plugin's stages as the domain sees them.
pub(crate) fn stages(stages: Vec<wit::Stage>) -> Vec<domain::Stage> {
    stages
        .into_iter()
        .map(|stage| domain::Stage {
            name: stage.name,
            exposure: match stage.exposure {
                wit::Exposure::Shadow => domain::Exposure::Shadow,
                wit::Exposure::PercentBp(basis_points) => domain::Exposure::Percent { basis_points },
                wit::Exposure::Groups(names) => domain::Exposure::Groups { names },
                wit::Exposure::All => domain::Exposure::All,
            },
            hold_ms: stage.hold_ms,
        })
        .collect()
}

/// The domain's stages as plugins see them.
pub(crate) fn plan(stages: &[domain::Stage]) -> Vec<wit::Stage> {
    stages
        .iter()
        .map(|stage| wit::Stage {
            name: stage.name.clone(),
            exposure: match &stage.exposure {
                domain::Exposure::Shadow => wit::Exposure::Shadow,
                domain::Exposure::Percent { basis_points } => wit::Exposure::PercentBp(*basis_points),
                domain::Exposure::Groups { names } => wit::Exposure::Groups(names.clone()),
                domain::Exposure::All => wit::Exposure::All,
            },
            hold_ms: stage.hold_ms,
        })
        .collect()
}

/// A plugin's verdict as the domain sees it.
pub(crate) fn verdict(verdict: wit::Verdict) -> domain::Verdict {
    domain::Verdict {
        outcome: match verdict.outcome {
            wit::Outcome::Pass => domain::Outcome::Pass,
            wit::Outcome::Warn => domain::Outcome::Warn,
            wit::Outcome::Hold => domain::Outcome::Hold,
            wit::Outcome::Fail => domain::Outcome::Fail,
        },
        findings: verdict
            .findings
            .into_iter()
            .map(|finding| domain::Finding {
                code: finding.code,
                severity: match finding.severity {
                    wit::Severity::Info => domain::Severity::Info,
                    wit::Severity::Warning => domain::Severity::Warning,
                    wit::Severity::Critical => domain::Severity::Critical,
                },
                message: finding.message,
                subject: finding.subject,
            })
            .collect(),
    }
}

/// A recorded health verdict as plugins see it.
pub(crate) fn health(verdict: &domain::HealthVerdict) -> wit::HealthVerdict {
    wit::HealthVerdict {
        check: verdict.check.clone(),
        at: instant(verdict.at),
        verdict: wit::Verdict {
            outcome: match verdict.outcome {
                domain::Outcome::Pass => wit::Outcome::Pass,
                domain::Outcome::Warn => wit::Outcome::Warn,
                domain::Outcome::Hold => wit::Outcome::Hold,
                domain::Outcome::Fail => wit::Outcome::Fail,
            },
            findings: verdict
                .findings
                .iter()
                .map(|finding| wit::Finding {
                    code: finding.code.clone(),
                    severity: match finding.severity {
                        domain::Severity::Info => wit::Severity::Info,
                        domain::Severity::Warning => wit::Severity::Warning,
                        domain::Severity::Critical => wit::Severity::Critical,
                    },
                    message: finding.message.clone(),
                    subject: finding.subject.clone(),
                })
                .collect(),
        },
    }
}

/// Where the targets are, as plugins see it.
pub(crate) fn progress(progress: &domain::Progress) -> wit::Progress {
    wit::Progress {
        pending: progress.pending,
        // Reached and not started is one thing to a strategy, whatever the host waits for.
        offered: progress.offered + progress.waiting,
        downloading: progress.downloading,
        installing: progress.installing,
        installed: progress.installed,
        verified: progress.verified,
        failed: progress.failed,
        silent: progress.silent,
        rolled_back: progress.rolled_back,
    }
}

/// A plugin's directive as the domain sees it.
pub(crate) fn directive(directive: wit::Directive) -> domain::Directive {
    match directive {
        wit::Directive::EnterStage(index) => domain::Directive::EnterStage { index },
        wit::Directive::Wait(until) => domain::Directive::Wait { until: timestamp(until) },
        wit::Directive::Complete => domain::Directive::Complete,
        wit::Directive::Pause(reason) => domain::Directive::Pause { reason },
        wit::Directive::RollBack(reason) => domain::Directive::RollBack { reason },
    }
}
