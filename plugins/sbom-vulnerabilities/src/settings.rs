//! What an operator sets for the gate.

use interlock_plugin_sdk::prelude::*;
use interlock_plugin_sdk::read_instant;

use crate::purl::Purl;

const WAIVERS_MAX: usize = 1_000;

/// What an operator sets for the gate.
#[settings(check = Settings::check)]
pub struct Settings {
    /// From this CVSS base score on a vulnerability fails, in tenths: 70 is 7.0.
    #[default(70)]
    #[schemars(range(max = 100))]
    pub deny_score_tenths: u32,
    /// From this score on it warns; below it is only told.
    #[default(40)]
    #[schemars(range(max = 100))]
    pub warn_score_tenths: u32,
    /// A vulnerability that is known to be exploited fails, whatever its score.
    #[default(true)]
    pub deny_known_exploited: bool,
    /// Ids of vulnerabilities that are known to be exploited, besides those of which the advisory database says so.
    #[default]
    pub known_exploited: Vec<String>,
    /// A vulnerability that was published so many days ago fails, if it warns by its score. Left out, age does not count.
    #[default]
    pub deny_age_days: Option<u32>,
    /// What a vulnerability is whose score nobody knows.
    #[default(UnknownScore::Warn)]
    pub unknown_score: UnknownScore,
    /// Advisories older than this fail, in hours.
    #[default(48)]
    #[schemars(range(min = 1))]
    pub as_of_max_age_hours: u32,
    /// Vulnerabilities that somebody answers for, for a time.
    #[default]
    #[schemars(length(max = 1000))]
    pub waivers: Vec<Waiver>,
}

/// A vulnerability that somebody answers for, for a time.
#[settings]
pub struct Waiver {
    /// Its id, or one of its aliases: `CVE-2026-1234`, `GHSA-…`.
    pub id: String,
    /// The package, with its version or without. Left out, every package.
    #[default]
    pub purl: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why it may stay.
    pub reason: String,
    /// From when on it does not count any more: `2026-06-30`, or `2026-06-30T12:00:00Z`.
    pub expires: String,
}

/// What a vulnerability of unknown score is.
#[settings]
#[derive(Copy, PartialEq, Eq)]
pub enum UnknownScore {
    /// It fails.
    Fail,
    /// It warns.
    Warn,
}

impl Settings {
    fn check(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        for (name, score) in [("deny", self.deny_score_tenths), ("warn", self.warn_score_tenths)] {
            if score > 100 {
                problems.push(SettingsProblem::at(
                    format!("/{name}_score_tenths"),
                    "a score is at most 100 tenths",
                ));
            }
        }
        if self.warn_score_tenths > self.deny_score_tenths {
            let message =
                format!("must not be above `deny_score_tenths`, which is {}", self.deny_score_tenths);
            problems.push(SettingsProblem::at("/warn_score_tenths", message));
        }
        if self.as_of_max_age_hours == 0 {
            problems.push(SettingsProblem::at("/as_of_max_age_hours", "must be at least 1"));
        }
        if self.waivers.len() > WAIVERS_MAX {
            problems.push(SettingsProblem::at("/waivers", format!("at most {WAIVERS_MAX} waivers are read")));
        }
        for (index, waiver) in self.waivers.iter().enumerate() {
            let mut problem = |field: &str, message: &str| {
                problems.push(SettingsProblem::at(format!("/waivers/{index}/{field}"), message));
            };
            if waiver.id.trim().is_empty() {
                problem("id", "name the vulnerability");
            }
            if waiver.owner.trim().is_empty() {
                problem("owner", "name who answers for it");
            }
            if waiver.reason.trim().is_empty() {
                problem("reason", "say why it may stay");
            }
            if read_instant(&waiver.expires).is_none() {
                problem("expires", "say from when on it does not count any more: `2026-06-30`");
            }
            if waiver.purl.as_deref().is_some_and(|purl| Purl::read(purl).is_none()) {
                problem("purl", "this is no package URL such as `pkg:npm/left-pad@1.3.0`");
            }
        }
        problems
    }
}
