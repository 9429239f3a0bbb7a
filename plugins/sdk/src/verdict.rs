//! Building verdicts and findings.

use std::fmt;

use crate::{Fault, Finding, Outcome, Severity, Verdict};

impl Verdict {
    /// Nothing to say against it.
    pub fn pass() -> Self {
        Self { outcome: Outcome::Pass, findings: Vec::new() }
    }

    /// Good, but not now: the host asks the gate again before the change goes on. The finding says until when.
    pub fn hold(finding: Finding) -> Self {
        Self { outcome: Outcome::Hold, findings: vec![finding] }
    }
}

/// The outcome follows from the weightiest finding: a critical one fails, a warning warns, anything less passes.
impl FromIterator<Finding> for Verdict {
    fn from_iter<I: IntoIterator<Item = Finding>>(findings: I) -> Self {
        let findings: Vec<Finding> = findings.into_iter().collect();
        let outcome = match findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Critical) => Outcome::Fail,
            Some(Severity::Warning) => Outcome::Warn,
            Some(Severity::Info) | None => Outcome::Pass,
        };
        Self { outcome, findings }
    }
}

impl From<Finding> for Verdict {
    fn from(finding: Finding) -> Self {
        [finding].into_iter().collect()
    }
}

impl Finding {
    /// Worth knowing; weighs nothing.
    pub fn info(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, code, message)
    }

    /// Somebody should look; the verdict warns.
    pub fn warning(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Must not proceed; the verdict fails.
    pub fn critical(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Critical, code, message)
    }

    /// A finding. `code` is stable, lower-case with dashes; `message` is one sentence: what, of what, what to do.
    pub fn new(severity: Severity, code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), severity, message: message.into(), subject: String::new() }
    }

    /// Says what it is about: an artifact digest, a device, a path into the manifest.
    #[must_use]
    pub fn about(self, subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), ..self }
    }
}

impl Fault {
    /// Evidence that is needed is missing or unreadable.
    pub fn evidence(message: impl fmt::Display) -> Self {
        Self::Evidence(message.to_string())
    }

    /// Anything that is neither the settings' nor the evidence's fault.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::Internal(message.to_string())
    }
}
