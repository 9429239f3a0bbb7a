//! Why a bundle is refused.

use std::fmt;

use interlock_domain::Action;
use serde::Serialize;

/// One thing that is wrong in one file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// The file, as a path inside the bundle.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong, and what to do about it.
    pub text: String,
    /// The line itself, of a long one the part around the column. Empty where the file has no such line.
    pub source: String,
    /// What stands under that line for the column to be seen: blanks, and a caret.
    pub caret: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.text)
    }
}

/// Why a bundle is refused. The bundle in force stays.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The disk does not give a file.
    #[error("cannot read `{path}`: {source}")]
    Unreadable {
        /// The file or folder.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A link would let the content change without the bundle changing.
    #[error("`{path}` is a symbolic link; put the file itself into the bundle")]
    Symlink {
        /// The link.
        path: String,
    },
    /// A file that would be ignored, which is how a guard rail gets lost.
    #[error(
        "`{path}` has no place in a bundle, which holds bundle.toml, schema.cedarschema, *.cedar, *.md, cases/*.json and \
         invariants/*.cedar; rename it or take it out"
    )]
    Unexpected {
        /// The file or folder.
        path: String,
    },
    /// The same in an application.
    #[error(
        "`{path}` has no place in an application, which holds application.toml, schema.cedarschema, *.cedar, entities.json, \
         *.md and cases/*.json; rename it or take it out"
    )]
    NotOfApplication {
        /// The file.
        path: String,
    },
    /// A file that every bundle has.
    #[error("there is no `{path}` in this bundle; add it")]
    Absent {
        /// The file.
        path: &'static str,
    },
    /// More than the limits allow.
    #[error("`{subject}` has {unit} beyond the limit of {limit} (`{setting}`); split or shorten it")]
    TooLarge {
        /// What is too large.
        subject: String,
        /// Bytes, files, policies.
        unit: &'static str,
        /// How many are allowed.
        limit: u64,
        /// What the limit is called in [`Limits`](crate::Limits), and in the server's `policies.limits`.
        setting: &'static str,
    },
    /// Something is written wrongly. All that was found, in order of file and line.
    #[error("{}", list(.faults))]
    Faulty {
        /// At least one.
        faults: Vec<Fault>,
    },
    /// The bundle validates, and still cannot answer a question that the host asks.
    #[error("this bundle cannot answer `{action}`: {}; make its schema fit the host's questions", .errors.join("; "))]
    Mute {
        /// The question's action.
        action: Action,
        /// What went wrong.
        errors: Vec<String>,
    },
}

impl BundleError {
    /// The faults in its files, if that is what is wrong.
    pub fn faults(&self) -> &[Fault] {
        match self {
            BundleError::Faulty { faults } => faults,
            _ => &[],
        }
    }
}

/// The first few faults; nobody reads fifty.
fn list(faults: &[Fault]) -> String {
    const SHOWN: usize = 5;
    let mut lines: Vec<String> = faults.iter().take(SHOWN).map(Fault::to_string).collect();
    if faults.len() > SHOWN {
        lines.push(format!("and {} more", faults.len() - SHOWN));
    }
    lines.join("\n")
}
