//! A plugin that is ready to be called.

use std::fmt;
use std::sync::Arc;

use interlock_ledger::Digest;
use jsonschema::Validator;
use serde_json::Value;

use crate::PluginError;
use crate::call::Runner;
use crate::evidence::{EvidenceSource, NoEvidence};
use crate::state::Declared;
use crate::transcript::Call;
use crate::types::{Description, PluginKind, Request, Response, SettingsProblem};

/// A compiled, inspected and smoke-tested component.
pub struct Plugin {
    pub(crate) runner: Runner,
    pub(crate) declared: Arc<Declared>,
    pub(crate) description: Description,
    pub(crate) schema: Validator,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Description { name, version, .. } = &self.description;
        write!(f, "Plugin({} {name} {version} {})", self.kind(), self.digest())
    }
}

impl Plugin {
    /// Digest of the component's bytes: the plugin's identity.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.runner.digest
    }

    /// Which world it implements.
    #[must_use]
    pub const fn kind(&self) -> PluginKind {
        self.runner.kind()
    }

    /// What it says of itself.
    #[must_use]
    pub const fn description(&self) -> &Description {
        &self.description
    }

    /// Whether it may ask for this evidence source.
    #[must_use]
    pub fn declares(&self, source: &str) -> bool {
        self.description.evidence_sources.iter().any(|declared| declared == source)
    }

    /// Asks the plugin in a fresh sandbox. Needs a tokio runtime with its timer.
    ///
    /// Never panics and never returns without an answer or a reason; nothing of this call reaches the next one.
    pub async fn call(&self, request: impl Into<Arc<Request>>, evidence: Arc<dyn EvidenceSource>) -> Call {
        self.runner.run(&self.declared, request.into(), evidence).await
    }

    /// What is wrong with these settings by the plugin's schema, each with its JSON pointer.
    #[must_use]
    pub fn schema_problems(&self, settings: &Value) -> Vec<SettingsProblem> {
        let mut problems: Vec<_> = self
            .schema
            .iter_errors(settings)
            .map(|error| SettingsProblem {
                path: error.instance_path().as_str().to_owned(),
                message: error.to_string(),
            })
            .collect();
        if !settings.is_object() {
            problems.push(SettingsProblem { path: String::new(), message: "settings are an object".into() });
        }
        problems.extend(unhashable(settings));
        problems
    }

    /// What is wrong with these settings: by the schema, and if that finds nothing, in the plugin's own view.
    ///
    /// # Errors
    /// When the plugin fails to answer.
    pub async fn check_settings(&self, settings: &Value) -> Result<Vec<SettingsProblem>, PluginError> {
        let problems = self.schema_problems(settings);
        if !problems.is_empty() {
            return Ok(problems);
        }
        let request = Request::CheckSettings { settings: settings.to_string() };
        match self.call(request, Arc::new(NoEvidence)).await.outcome? {
            Response::Problems(problems) => Ok(problems),
            other => Err(PluginError::HostFailed { reason: format!("`check-settings` gave {other:?}") }),
        }
    }
}

/// Settings become part of a digest, and JSON numbers beyond whole ones below 2^53 do not hash reproducibly.
fn unhashable(settings: &Value) -> Option<SettingsProblem> {
    use interlock_ledger::CanonicalError::{Float, IntegerTooLarge};
    match interlock_ledger::to_canonical(settings) {
        Ok(_) => None,
        Err(Float { path, found }) => {
            let message = format!("`{found}` is not a whole number: write ratios in basis points");
            Some(SettingsProblem { path, message })
        }
        Err(IntegerTooLarge { path, found }) => {
            Some(SettingsProblem { path, message: format!("`{found}` lies beyond ±(2^53−1)") })
        }
        Err(other) => Some(SettingsProblem { path: String::new(), message: other.to_string() }),
    }
}
