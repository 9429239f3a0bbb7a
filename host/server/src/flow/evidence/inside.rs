//! Sources inside: what the host itself knows. Each sees the tenant of the call and nothing else.

use std::collections::BTreeMap;

use interlock_domain::{Cohort, DeviceId, Digest, DocumentRef, Timestamp};
use interlock_sandbox::{Document, EvidenceAnswer, Refusal};
use interlock_store::{Kept, StoreError, Window};
use serde_json::{Value, json};

use super::{
    super::{convert::instant, document},
    Evidence,
};
use crate::outside::unavailable;

/// Devices read at once.
const PART: u32 = 5_000;
/// The longest window of telemetry that is looked at.
const WINDOW_MS_MAX: i64 = 30 * 24 * 3_600_000;

impl Evidence {
    /// The canonical manifest of the change that is being judged.
    pub(super) async fn manifest(&self, key: &str) -> Result<EvidenceAnswer, StoreError> {
        if key != "change" {
            return Ok(not_found());
        }
        let Some(id) = &self.change else { return Ok(not_found()) };
        let Some(change) = self.app.store.change(&self.tenant, id).await? else { return Ok(not_found()) };
        Ok(match interlock_domain::canonical::to_canonical(&change.manifest) {
            Ok(content) => {
                EvidenceAnswer::Found(Document::new("application/json", content, instant(self.now)))
            }
            Err(error) => unavailable(error.to_string()),
        })
    }

    /// A document that somebody attached to an artifact: `sha256:…/sbom`.
    pub(super) async fn document(&self, key: &str) -> Result<EvidenceAnswer, StoreError> {
        let known = key
            .split_once('/')
            .filter(|(digest, kind)| digest.parse::<Digest>().is_ok() && document::KINDS.contains(kind));
        let Some((digest, kind)) = known else { return Ok(not_found()) };
        let id = format!("{digest}/{kind}");
        let note = self.app.store.newest_note(&self.tenant, document::ATTACHED, document::OBJECT, &id);
        let Some(payload) = note.await? else { return Ok(not_found()) };
        let Some(attached) = document::Attached::read(&payload) else {
            return Ok(unavailable(format!("the record of `{key}` cannot be read")));
        };
        let attached = match self.as_proposed(attached).await? {
            Ok(attached) => attached,
            Err(late) => return Ok(unavailable(late)),
        };
        let Some(content) = self.app.store.kept(Kept::Document, &attached.digest).await? else {
            return Ok(unavailable(format!(
                "`{key}` is on record, and its content is gone; attach it again"
            )));
        };
        let document = Document::new(attached.media_type, content, instant(self.now));
        if document.digest != attached.digest {
            return Ok(unavailable(format!(
                "the content of `{key}` was altered: attach it again, and find out by whom"
            )));
        }
        Ok(EvidenceAnswer::Found(document))
    }

    /// The document that a change was proposed with, whatever took its place since: approvals are given for that one. One that
    /// came later is none that anybody approved.
    async fn as_proposed(
        &self,
        newest: document::Attached,
    ) -> Result<Result<document::Attached, String>, StoreError> {
        let Some(id) = &self.change else { return Ok(Ok(newest)) };
        let Some(change) = self.app.store.change(&self.tenant, id).await? else { return Ok(Ok(newest)) };
        let manifest = &change.manifest;
        if !manifest.artifacts.iter().any(|artifact| artifact.digest == newest.artifact) {
            return Ok(Ok(newest));
        }
        let proposed = manifest
            .documents
            .iter()
            .find(|document| document.artifact == newest.artifact && document.kind == newest.kind);
        Ok(match proposed {
            Some(DocumentRef { media_type, digest, .. }) => {
                Ok(document::Attached { media_type: media_type.clone(), digest: *digest, ..newest })
            }
            None => Err(format!(
                "the `{}` was attached after this change was proposed, and approvals are for what was there; revise the \
                 change, or propose it again",
                newest.kind
            )),
        })
    }

    /// The facts of one device.
    pub(super) async fn device(&self, key: &str) -> Result<EvidenceAnswer, StoreError> {
        let Ok(id) = key.parse::<DeviceId>() else { return Ok(not_found()) };
        let Some(device) = self.app.store.device(&self.tenant, &id).await? else { return Ok(not_found()) };
        let facts = json!({
            "id": device.id,
            "environment": device.environment,
            "model": device.model,
            "hardware_revision": device.hardware_revision,
            "site": device.site,
            "labels": device.labels,
            "groups": device.groups,
            "state": device.state,
            "version": device.firmware,
            "health": device.health,
            "attributes": device.attributes,
        });
        Ok(self.found(&facts))
    }

    /// The devices that the change was proposed for, grouped by what matters for compatibility.
    pub(super) async fn fleet(&self, key: &str) -> Result<EvidenceAnswer, StoreError> {
        let Some(change) = self.change.as_ref().filter(|_| key == "population") else {
            return Ok(not_found());
        };
        let mut groups: BTreeMap<(String, String, Option<String>), u64> = BTreeMap::new();
        let (mut after, mut targets): (Option<DeviceId>, u64) = (None, 0);
        loop {
            let part = self.app.store.population(&self.tenant, change, after.as_ref(), PART).await?;
            targets += part.len() as u64;
            after = part.last().map(|device| device.id.clone());
            for device in part {
                *groups.entry((device.model, device.hardware_revision, device.firmware)).or_default() += 1;
            }
            if !targets.is_multiple_of(u64::from(PART)) || after.is_none() {
                break;
            }
        }
        let devices: Vec<Value> = groups
            .into_iter()
            .map(|((model, hardware_revision, version), targets)| {
                json!({
                    "model": model, "hardware_revision": hardware_revision, "version": version, "targets": targets,
                })
            })
            .collect();
        Ok(self.found(&json!({ "targets": targets, "devices": devices })))
    }

    /// A value that the operator configured.
    pub(super) fn value(&self, key: &str) -> EvidenceAnswer {
        self.app.config.evidence.values.get(key).map_or_else(not_found, |value| self.found(value))
    }

    /// What telemetry says over the change's devices: `error_rate?window=3600000`.
    pub(super) async fn telemetry(&self, key: &str) -> Result<EvidenceAnswer, StoreError> {
        let Some(change) = &self.change else { return Ok(not_found()) };
        let Some((metric, window)) = key.split_once("?window=") else { return Ok(not_found()) };
        let Some(window_ms) =
            window.parse::<i64>().ok().filter(|window| (1..=WINDOW_MS_MAX).contains(window))
        else {
            return Ok(not_found());
        };
        let mut cohorts = serde_json::Map::new();
        for (name, cohort) in [("treatment", Cohort::Treatment), ("control", Cohort::Control)] {
            let from = self.now.plus_millis(-window_ms);
            let window = Window { tenant: &self.tenant, change, cohort, metric, from, to: self.now };
            let targets = self.app.store.cohort_size(&self.tenant, change, cohort).await?;
            let summary = self.app.store.summary(&window).await?;
            let said = summary.map_or(json!({ "targets": targets, "samples": 0 }), |all| {
                json!({
                    "targets": targets, "samples": all.samples, "mean": all.mean(), "minimum": all.minimum,
                    "maximum": all.maximum, "sum": all.sum,
                })
            });
            cohorts.insert(name.to_owned(), said);
        }
        Ok(self.found(&Value::Object(cohorts)))
    }

    /// The entries of a calendar that the operator configured, in order of their beginning.
    pub(super) fn calendar(&self, key: &str) -> EvidenceAnswer {
        let Some(entries) = self.app.config.evidence.calendars.get(key) else { return not_found() };
        let mut entries: Vec<(Option<Timestamp>, Value)> =
            entries.iter().map(|entry| (entry.from.parse().ok(), json!(entry))).collect();
        entries.sort_by_key(|(from, _)| *from);
        let entries: Vec<Value> = entries.into_iter().map(|(_, entry)| entry).collect();
        self.found(&json!({ "calendar": key, "entries": entries }))
    }

    fn found(&self, value: &Value) -> EvidenceAnswer {
        EvidenceAnswer::Found(Document::new("application/json", value.to_string(), instant(self.now)))
    }
}

pub(super) fn not_found() -> EvidenceAnswer {
    EvidenceAnswer::Refused(Refusal::NotFound)
}
