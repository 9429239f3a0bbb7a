//! All cases of a bundle, and which policies they cover.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use interlock_policy::{Bundle, CaseResult, Written, run_cases};
use serde::Serialize;

use crate::{cedar_cases, junit};

/// How the cases went.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The bundle's name.
    pub bundle: String,
    /// How many hold.
    pub passed: usize,
    /// How many do not.
    pub failed: usize,
    /// In the order of files.
    pub cases: Vec<CaseResult>,
    /// Which policies decided a case.
    pub coverage: Coverage,
}

/// Which policies decided at least one case, and which none.
#[derive(Debug, Clone, Serialize)]
pub struct Coverage {
    /// In how many cases each policy decided.
    pub decided: BTreeMap<String, usize>,
    /// Those that never did.
    pub never: BTreeSet<String>,
    /// Of all policies, how many decided at least once, in percent, rounded down.
    pub percent: u8,
}

/// Asks the bundle's own cases, and those in files of Cedar's test format beside it.
pub fn run(bundle: &Bundle, policies: &[Written], cedar_files: &[(String, &Path, String)]) -> Report {
    let mut cases = run_cases(bundle);
    for (name, folder, text) in cedar_files {
        cases.extend(cedar_cases::run(name, folder, text, bundle, policies));
    }
    let mut decided: BTreeMap<String, usize> = BTreeMap::new();
    for id in cases.iter().filter(|case| case.holds()).flat_map(|case| &case.decided) {
        *decided.entry(id.clone()).or_default() += 1;
    }
    let all = bundle.ids();
    decided.retain(|id, _| all.contains(id.as_str()));
    let never: BTreeSet<String> =
        all.iter().filter(|id| !decided.contains_key(**id)).map(|id| (*id).to_owned()).collect();
    let percent = (decided.len() * 100).checked_div(all.len()).unwrap_or(100);
    let failed = cases.iter().filter(|case| !case.holds()).count();
    Report {
        bundle: bundle.name.clone(),
        passed: cases.len() - failed,
        failed,
        cases,
        coverage: Coverage { decided, never, percent: u8::try_from(percent).unwrap_or(100) },
    }
}

impl Report {
    /// Whether the cases say that the bundle is good: there are some, and all hold.
    pub fn holds(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    /// The document that CI servers read.
    pub fn junit(&self) -> String {
        junit::document(self)
    }
}
