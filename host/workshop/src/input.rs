//! What a plugin is asked about, by a case or by hand.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::change::ChangeDraft;
use crate::error::WorkshopError;
use crate::evidence::{EvidenceDraft, Shown};
use crate::measured::ObservedDraft;
use crate::moment::{Moment, NOON};
use crate::short::Short;
use crate::situation::SituationDraft;
use crate::suite;

/// The last function that a plugin is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Of a gate.
    Evaluate,
    /// Of a health check: what to measure.
    Needs,
    /// Of a health check: `needs`, then the judgement.
    Judge,
    /// Of a strategy: the stages.
    Plan,
    /// Of a strategy: `plan`, then what to do next.
    Advance,
}

/// What a plugin is asked about. Everything that is not said has a default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    pub(crate) change: ChangeDraft,
    pub(crate) settings: Option<Value>,
    pub(crate) evidence: EvidenceDraft,
    pub(crate) now: Option<Moment>,
    pub(crate) observations: Option<BTreeMap<String, Short<ObservedDraft>>>,
    pub(crate) situation: Option<SituationDraft>,
    /// Evidence from elsewhere, instead of that in `evidence`.
    #[serde(skip)]
    pub(crate) shown: Option<Shown>,
}

const FIELDS: [&str; 6] = ["change", "settings", "evidence", "now", "observations", "situation"];

impl Input {
    /// From a file: the fields of a case, or a change alone.
    ///
    /// # Errors
    /// Names the file and the field.
    pub fn read(path: &Path) -> Result<Self, WorkshopError> {
        let mut value: Value = suite::read(path)?;
        let whole =
            value.as_object().is_none_or(|object| FIELDS.iter().any(|field| object.contains_key(*field)));
        if !whole {
            value = Value::Object(Map::from_iter([("change".to_owned(), value)]));
        }
        let file = path.display().to_string();
        let input: Self = suite::decode(&file, "", value)?;
        input.check().map_err(|(field, reason)| WorkshopError::field(&file, field, reason))?;
        Ok(input)
    }

    /// With these settings instead of its own.
    #[must_use]
    pub fn with_settings(self, settings: Value) -> Self {
        Self { settings: Some(settings), ..self }
    }

    /// With this evidence instead of its own.
    #[must_use]
    pub fn with_evidence(self, shown: Shown) -> Self {
        Self { shown: Some(shown), ..self }
    }

    /// At this instant, in milliseconds since the epoch.
    #[must_use]
    pub fn at(self, now: u64) -> Self {
        Self { now: Some(Moment::At(now)), ..self }
    }

    /// When it is.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now.map_or(NOON, |now| now.instant(NOON))
    }

    /// The field that does not fit, and why.
    pub(crate) fn check(&self) -> Result<(), (String, String)> {
        Shown::new(&self.evidence, self.now())
            .map(|_| ())
            .map_err(|(field, reason)| (format!("evidence.{field}"), reason))
    }

    pub(crate) fn shown(&self) -> Shown {
        // Checked when it was read.
        self.shown.clone().or_else(|| Shown::new(&self.evidence, self.now()).ok()).unwrap_or_default()
    }
}
