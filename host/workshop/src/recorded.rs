//! A recorded decision of a plugin, as a server keeps it and `interlock decision show` prints it.

use std::path::Path;

use interlock_ledger::Digest;
use interlock_sandbox::Record;
use interlock_sandbox::types::{PluginKind, Request};
use serde::Deserialize;
use serde_json::Value;

use crate::error::WorkshopError;
use crate::suite;

/// One recorded answer of a plugin, with all that is needed to ask again.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The decision; empty for a call that no server recorded.
    pub id: String,
    /// The change that it was about.
    pub change: Option<String>,
    /// When it was made, as the server says it.
    pub at: Option<String>,
    /// The plugin's name.
    pub plugin: String,
    /// The call.
    pub record: Record,
    /// What was asked.
    pub request: Request,
}

#[derive(Debug, Deserialize)]
struct DecisionDraft {
    id: String,
    change: Option<String>,
    at: Option<String>,
    subject: SubjectDraft,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum SubjectDraft {
    Policy {},
    Plugin { name: String, transcript: Value },
}

impl Recorded {
    /// From a file that `interlock decision show ID --output json` wrote.
    ///
    /// # Errors
    /// Names the file and what it lacks.
    pub fn read(path: &Path) -> Result<Self, WorkshopError> {
        Self::from_value(&path.display().to_string(), suite::read(path)?)
    }

    /// From a decision as the API gives it. `source` is what it is called in an error.
    ///
    /// # Errors
    /// When it is no decision of a plugin, or its call cannot be read.
    pub fn from_value(source: &str, decision: Value) -> Result<Self, WorkshopError> {
        let DecisionDraft { id, change, at, subject } = suite::decode(source, "", decision)?;
        let refuse = |reason: &str| WorkshopError::field(source, "subject", reason);
        let (plugin, transcript) = match subject {
            SubjectDraft::Plugin { name, transcript } => (name, transcript),
            SubjectDraft::Policy {} => {
                return Err(refuse(
                    "the policies decided this, not a plugin: `interlock decision replay` makes it again",
                ));
            }
        };
        if let Some(why) = transcript.get("unrecordable").and_then(Value::as_str) {
            return Err(refuse(&format!("the call could not be recorded then: {why}")));
        }
        let record: Record = suite::decode(source, "subject.transcript", transcript)?;
        let request = suite::decode(source, "subject.transcript.input", record.input.clone())?;
        Ok(Self { id, change, at, plugin, record, request })
    }

    /// Why it cannot be asked again at all, when it cannot.
    pub(crate) fn impossible(&self) -> Option<String> {
        match Digest::of_canonical(&self.record.input) {
            Err(error) => return Some(format!("the recorded input is not canonical: {error}")),
            Ok(digest) if digest != self.record.input_digest => {
                return Some(format!(
                    "the recorded input was altered: its digest is `{digest}`, not `{}`",
                    self.record.input_digest
                ));
            }
            Ok(_) => {}
        }
        match self.kind() {
            Some(_) => self.record.unrepeatable(),
            None => Some(format!("`{}` decides nothing", self.record.function)),
        }
    }

    /// Which kind of plugin answers such a question.
    pub(crate) const fn kind(&self) -> Option<PluginKind> {
        match self.request {
            Request::Evaluate { .. } => Some(PluginKind::ComplianceGate),
            Request::Needs { .. } | Request::Judge { .. } => Some(PluginKind::HealthCheck),
            Request::Plan { .. } | Request::Advance { .. } => Some(PluginKind::RolloutStrategy),
            Request::Describe | Request::CheckSettings { .. } => None,
        }
    }

    /// The settings that it was asked with, as text.
    pub(crate) fn settings(&self) -> &str {
        match &self.request {
            Request::Evaluate { settings, .. }
            | Request::Needs { settings, .. }
            | Request::Judge { settings, .. }
            | Request::Plan { settings, .. }
            | Request::CheckSettings { settings } => settings,
            Request::Advance { situation } => &situation.settings,
            Request::Describe => "{}",
        }
    }

    /// The same question with other settings.
    pub(crate) fn asked_with(&self, settings: String) -> Request {
        let mut request = self.request.clone();
        match &mut request {
            Request::Evaluate { settings: its, .. }
            | Request::Needs { settings: its, .. }
            | Request::Judge { settings: its, .. }
            | Request::Plan { settings: its, .. }
            | Request::CheckSettings { settings: its } => *its = settings,
            Request::Advance { situation } => situation.settings = settings,
            Request::Describe => {}
        }
        request
    }
}
