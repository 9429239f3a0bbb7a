//! Cases made of recorded decisions, and put behind those that a file already has.

mod append;
mod write;

use std::path::{Path, PathBuf};
use std::{fs, io};

use interlock_sandbox::types::Request;
use interlock_sandbox::{EvidenceAnswer, Plugin};
use serde_json::Value;
use serde_yaml_ng::Mapping;

use crate::case::Case;
use crate::error::WorkshopError;
use crate::recorded::Recorded;
use crate::report::Status;
use crate::suite::{self, Suite};

/// Bytes of one document of evidence that a case takes over unless the caller says otherwise.
pub const EVIDENCE_BYTES_MAX: u64 = 64 << 10;

/// A file of cases that takes over recorded decisions. Nothing is written before [`Recorder::write`].
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    file: String,
    text: String,
    /// Whether its cases start from `defaults`.
    has_defaults: bool,
    names: Vec<String>,
    added: Vec<Mapping>,
    evidence_bytes_max: u64,
}

/// Why a decision became no case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRecorded {
    /// The file has a case of this name already.
    There {
        /// Its name.
        name: String,
    },
    /// It cannot be one.
    Impossible {
        /// Why, and what to do.
        reason: String,
    },
}

impl Recorder {
    /// Opens a YAML file of cases, or begins one.
    ///
    /// # Errors
    /// When the file is not YAML, cannot be read, or holds the cases of another plugin.
    pub fn open(path: &Path, plugin: &str, evidence_bytes_max: u64) -> Result<Self, WorkshopError> {
        let file = path.display().to_string();
        if !matches!(path.extension().and_then(|extension| extension.to_str()), Some("yaml" | "yml")) {
            let reason = "cases are recorded as YAML: name a `.yaml` file, beside this one if you like";
            return Err(WorkshopError::field(&file, "the file", reason));
        }
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => format!("plugin: {plugin}\ncases:\n"),
            Err(source) => return Err(WorkshopError::File { path: file, source }),
        };
        let whole: Value = suite::parse(path, &text)?;
        let suite = Suite::of(&file, whole.clone())?;
        if let Some(other) = suite.plugin.as_ref().filter(|other| *other != plugin) {
            let reason = format!("its cases are for `{other}`, and the component is `{plugin}`");
            return Err(WorkshopError::field(&file, "plugin", reason));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            text,
            has_defaults: whole.get("defaults").is_some(),
            names: suite.cases.into_iter().map(|case| case.name).collect(),
            added: Vec::new(),
            evidence_bytes_max,
        })
    }

    /// Makes a case of a decision. `needs` is what a health check wanted measured before it judged: it says which change that
    /// was about. A case that does not ask what was asked is none, and neither is one that `plugin` fails although it is the
    /// component that decided.
    ///
    /// # Errors
    /// When there is a case of this name already, or the decision cannot be a case.
    pub async fn add(
        &mut self,
        recorded: &Recorded,
        needs: Option<&Recorded>,
        plugin: &Plugin,
    ) -> Result<String, NotRecorded> {
        let impossible = |reason: String| NotRecorded::Impossible { reason };
        if let Some(reason) = recorded.impossible() {
            return Err(impossible(reason));
        }
        let name = write::name(recorded, needs);
        if self.names.contains(&name) {
            return Err(NotRecorded::There { name });
        }
        self.check_evidence(recorded).map_err(impossible)?;
        let written = write::case(&name, recorded, needs, self.has_defaults).map_err(impossible)?;
        let case = self.read_back(&written).map_err(|error| impossible(error.to_string()))?;
        asks_the_same(&case, recorded).map_err(impossible)?;
        if plugin.digest() == recorded.record.plugin
            && let Status::Failed { differences } = case.run(plugin).await.status
        {
            let reason = format!("the component that decided does not pass it: {}", differences.join("; "));
            return Err(impossible(reason));
        }
        self.names.push(name.clone());
        self.added.push(written);
        Ok(name)
    }

    /// Writes the cases behind those that are there. Comments and order stay as they are, and a file that would come out
    /// otherwise is left alone. Returns how many were added.
    ///
    /// # Errors
    /// When the file cannot be written, or its cases are not written one below the other.
    pub fn write(self) -> Result<usize, WorkshopError> {
        if self.added.is_empty() {
            return Ok(0);
        }
        let text = append::append(&self.path, &self.file, &self.text, &self.added)?;
        let failed = |source| WorkshopError::File { path: self.file.clone(), source };
        // In one step, so that there is never half a file.
        let unfinished = self.path.with_extension("yaml.unfinished");
        fs::write(&unfinished, text).map_err(failed)?;
        fs::rename(&unfinished, &self.path).map_err(failed)?;
        Ok(self.added.len())
    }

    fn check_evidence(&self, recorded: &Recorded) -> Result<(), String> {
        for lookup in &recorded.record.evidence {
            let EvidenceAnswer::Found(document) = &lookup.answer else { continue };
            let bytes = document.content.len() as u64;
            if bytes > self.evidence_bytes_max {
                return Err(format!(
                    "its evidence `{}` of `{}` has {bytes} bytes, and a case takes over at most {}: raise \
                     --evidence-bytes-max, or keep the decision itself (`interlock decision show`) for `interlock plugin \
                     replay`",
                    lookup.key, lookup.source, self.evidence_bytes_max
                ));
            }
        }
        Ok(())
    }

    /// The case as whoever reads the file will have it.
    fn read_back(&self, written: &Mapping) -> Result<Case, WorkshopError> {
        let value = serde_yaml_ng::to_string(written)
            .map_err(|error| error.to_string())
            .and_then(|text| suite::yaml(&text))
            .map_err(|reason| WorkshopError::field(&self.file, "the recorded case", reason))?;
        Suite::case_of(&self.file, "the recorded case", &Default::default(), value)
    }
}

/// A case that asks something else than was asked would prove nothing.
fn asks_the_same(case: &Case, recorded: &Recorded) -> Result<(), String> {
    let differs =
        |what: &str| Err(format!("a case cannot say its {what} exactly: replay the decision instead"));
    let input = &case.input;
    let now = recorded.request.now();
    if now.is_some_and(|now| now != input.now()) {
        return differs("time");
    }
    let asked = input.settings.clone().unwrap_or_else(|| serde_json::json!({}));
    if Some(asked) != write::settings(recorded) {
        return differs("settings");
    }
    let same = match &recorded.request {
        Request::Evaluate { change, .. } | Request::Needs { change, .. } => {
            input.change.fill(input.now()) == **change
        }
        Request::Plan { change, population, .. } => {
            input.change.fill(input.now()) == **change && change.population == *population
        }
        Request::Advance { situation } => {
            let draft = input.situation.clone().unwrap_or_default();
            let change = input.change.fill(input.now());
            let plan = draft.plan().unwrap_or_default();
            draft.fill(change.into(), situation.settings.clone(), plan, situation.now) == **situation
        }
        Request::Judge { observations, .. } => observations.iter().all(|seen| {
            let drafts = input.observations.as_ref();
            let answer = drafts.and_then(|drafts| drafts.get(&seen.query.id)?.0.answer(seen.query.clone()));
            // As text, in which one NaN is like another.
            serde_json::to_value(&answer).ok() == serde_json::to_value(Some(seen)).ok()
        }),
        Request::Describe | Request::CheckSettings { .. } => false,
    };
    if !same {
        return differs("input");
    }
    let shown = input.shown();
    for lookup in &recorded.record.evidence {
        if shown.answer(&lookup.source, &lookup.key).as_ref() != Some(&lookup.answer) {
            return differs(&format!("evidence `{}` of `{}`", lookup.key, lookup.source));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
