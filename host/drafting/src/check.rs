//! Everything that is wrong with a bundle, of all files at once, each with its place.

use std::collections::BTreeMap;

use interlock_policy::{Bundle, BundleError, Limits};
use serde::Serialize;

use crate::{lints, profiles};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file, as a path inside the bundle; empty when it is about the bundle as a whole.
    pub file: String,
    /// Counted from 1; 0 when it has no place.
    pub line: usize,
    /// In characters, counted from 1; 0 when it has no place.
    pub column: usize,
    /// Which rule it breaks: `bundle` for what a server refuses, else a name of [`LINTS`](crate::LINTS).
    pub lint: &'static str,
    /// What is wrong, and what to do about it.
    pub text: String,
}

/// What was found.
#[derive(Debug)]
pub struct Checked {
    /// In order of file and line. A bundle is good when there are none.
    pub findings: Vec<Finding>,
    /// The bundle, when a server would load it.
    pub bundle: Option<Bundle>,
}

/// Looks a bundle over: what a server would refuse, and the lints.
pub fn check(files: &BTreeMap<String, Vec<u8>>, limits: &Limits) -> Checked {
    let mut findings = lints::findings(files);
    let bundle = match Bundle::from_files_within(files, limits) {
        Ok(bundle) => Some(bundle),
        Err(BundleError::Faulty { faults }) => {
            findings.extend(faults.into_iter().map(|fault| Finding {
                lint: lints::named(&fault.text),
                file: fault.file,
                line: fault.line,
                column: fault.column,
                text: fault.text,
            }));
            None
        }
        Err(error) => {
            findings.push(whole("bundle", error.to_string()));
            None
        }
    };
    if let (Some(bundle), Some(approvals)) = (&bundle, files.get("approvals.toml")) {
        findings.extend(profiles::findings(bundle, &String::from_utf8_lossy(approvals)));
    }
    if bundle.as_ref().is_some_and(Bundle::denies_all) {
        findings.push(whole(
            "denies-everything",
            "THIS BUNDLE HAS NO POLICIES: it denies everything to everybody; write one, or start from `interlock policy new`"
                .to_owned(),
        ));
    }
    findings.sort();
    Checked { findings, bundle }
}

fn whole(lint: &'static str, text: String) -> Finding {
    Finding { file: String::new(), line: 0, column: 0, lint, text }
}

impl Finding {
    /// For a person: the sentence, the place, the line and a caret under the column.
    pub fn show(&self, files: &BTreeMap<String, Vec<u8>>) -> String {
        let head = format!("error[{}]: {}", self.lint, self.text);
        let Some(line) = files
            .get(&self.file)
            .and_then(|content| std::str::from_utf8(content).ok())
            .and_then(|text| text.lines().nth(self.line.checked_sub(1)?))
        else {
            return match self.line {
                0 => head,
                _ => format!("{head}\n  --> {}:{}:{}", self.file, self.line, self.column),
            };
        };
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        // Tabs stay tabs, so that the caret stands where the line does.
        let before: String = line
            .chars()
            .take(self.column.saturating_sub(1))
            .map(|character| if character == '\t' { '\t' } else { ' ' })
            .collect();
        let Finding { file, column, .. } = self;
        format!(
            "{head}\n{margin}--> {file}:{number}:{column}\n{margin} |\n{number} | {line}\n{margin} | {before}^"
        )
    }
}
