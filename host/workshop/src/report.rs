//! How the cases went.

use interlock_ledger::Digest;
use interlock_sandbox::Call;
use serde::Serialize;

/// All cases of one file.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The file of the cases.
    pub file: String,
    /// The plugin's name.
    pub plugin: String,
    /// The component that was asked.
    pub digest: Digest,
    /// In the order of the file.
    pub cases: Vec<CaseResult>,
}

/// How one case went.
#[derive(Debug, Clone, Serialize)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// Whether everything was as expected.
    #[serde(flatten)]
    pub status: Status,
    /// What its calls took.
    #[serde(flatten)]
    pub cost: Cost,
}

/// Whether everything was as expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// It was.
    Passed,
    /// It was not.
    Failed {
        /// All that differs, in words.
        differences: Vec<String>,
    },
    /// It was not asked.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// What calls took. Fuel is the same every time; time is not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// About one unit for each wasm instruction, over all calls.
    pub fuel: u64,
    /// Bytes of all memories of a call at their largest.
    pub memory_bytes_peak: u64,
    /// Wall time over all calls.
    pub elapsed_us: u64,
}

impl Cost {
    /// Of these calls together.
    #[must_use]
    pub fn of(calls: &[Call]) -> Self {
        calls.iter().map(|call| &call.transcript).fold(Self::default(), |sum, call| Self {
            fuel: sum.fuel.saturating_add(call.fuel),
            memory_bytes_peak: sum.memory_bytes_peak.max(call.memory_bytes_peak),
            elapsed_us: sum.elapsed_us.saturating_add(call.elapsed_us),
        })
    }
}

impl Report {
    /// How many passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.count(|status| matches!(status, Status::Passed))
    }

    /// How many failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.count(|status| matches!(status, Status::Failed { .. }))
    }

    /// How many were skipped.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.count(|status| matches!(status, Status::Skipped { .. }))
    }

    /// Whether the cases say that the plugin is good: none failed, and not all were skipped.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.failed() == 0 && self.passed() > 0
    }

    fn count(&self, is: impl Fn(&Status) -> bool) -> usize {
        self.cases.iter().filter(|case| is(&case.status)).count()
    }
}
