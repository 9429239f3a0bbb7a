//! One way to write policies: Cedar's own formatter, which keeps comments.

use std::collections::BTreeMap;

use cedar_policy_formatter::{Config, policies_str_to_pretty};
use similar::TextDiff;
use thiserror::Error;

/// As wide as the default bundle.
const LINE_WIDTH: usize = 110;
/// The formatter settles at once or at the second look, where a comment moved; more is a defect.
const ROUNDS_MAX: usize = 4;

/// Why a file keeps its form.
#[derive(Debug, Error)]
pub enum FormatError {
    /// It is not UTF-8.
    #[error("`{file}` is not UTF-8; save it as UTF-8")]
    Encoding {
        /// Which file.
        file: String,
    },
    /// It does not parse.
    #[error("`{file}` does not parse: {reason}; `interlock policy check` shows where")]
    Syntax {
        /// Which file.
        file: String,
        /// What the parser said.
        reason: String,
    },
}

/// A file that should be written differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formatted {
    /// The file, as a path inside the bundle.
    pub file: String,
    /// As it is.
    pub before: String,
    /// As it should be.
    pub after: String,
}

impl Formatted {
    /// What would change, as `diff -u` shows it.
    pub fn diff(&self) -> String {
        unified(&self.file, &self.before, &self.after)
    }
}

pub(crate) fn unified(name: &str, before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().header(name, name).to_string()
}

/// The policy files that are not in form. All are looked at before anything is said, so that nothing is half-written.
pub fn format(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<Formatted>, Vec<FormatError>> {
    let (mut differing, mut errors) = (Vec::new(), Vec::new());
    for (file, content) in files.iter().filter(|(file, _)| file.ends_with(".cedar")) {
        let Ok(before) = std::str::from_utf8(content) else {
            errors.push(FormatError::Encoding { file: file.clone() });
            continue;
        };
        match settled(before) {
            Ok(after) if after == before => {}
            Ok(after) => {
                differing.push(Formatted { file: file.clone(), before: before.to_owned(), after });
            }
            Err(reason) => errors.push(FormatError::Syntax { file: file.clone(), reason }),
        }
    }
    if errors.is_empty() { Ok(differing) } else { Err(errors) }
}

/// A text in form: the same text in form is itself.
pub(crate) fn settled(text: &str) -> Result<String, String> {
    // Nothing but comments is in form; the formatter would ask for a policy.
    if only_comments(text) {
        return Ok(text.to_owned());
    }
    // The formatter would take away the line between what is said of the file and its first policy.
    let (about, policies) = about_the_file(text);
    let policies = rounds(policies)?;
    Ok(if about.is_empty() { policies } else { format!("{about}\n\n{policies}") })
}

fn rounds(text: &str) -> Result<String, String> {
    let config = Config { line_width: LINE_WIDTH, indent_width: 2 };
    let mut text = text.to_owned();
    for _ in 0..ROUNDS_MAX {
        let mut next = policies_str_to_pretty(&text, &config).map_err(|error| error.to_string())?;
        if !next.ends_with('\n') {
            next.push('\n');
        }
        if next == text {
            return Ok(text);
        }
        text = next;
    }
    Ok(text)
}

/// The comments at the top, up to the last empty line before the first policy, and the rest.
fn about_the_file(text: &str) -> (&str, &str) {
    let (mut at, mut cut) = (0, 0);
    for line in text.split_inclusive('\n') {
        match line.trim() {
            "" => cut = at + line.len(),
            comment if comment.starts_with("//") => {}
            _ => break,
        }
        at += line.len();
    }
    let (about, rest) = text.split_at(cut);
    (about.trim(), rest)
}

fn only_comments(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with("//"))
}
