//! What an operator sets for the check.

use interlock_plugin_sdk::prelude::*;

/// What an operator sets for the check.
#[settings(check = Settings::check)]
pub struct Settings {
    /// A failure rate that is good enough, in basis points.
    #[default(100)]
    #[schemars(range(min = 1, max = 9_999))]
    pub acceptable_bp: u32,
    /// A failure rate that must not go unnoticed, in basis points.
    #[default(500)]
    #[schemars(range(min = 1, max = 9_999))]
    pub unacceptable_bp: u32,
    /// How often a good release may be stopped, in basis points (Wald's alpha).
    #[default(100)]
    #[schemars(range(min = 1, max = 4_999))]
    pub false_alarm_bp: u32,
    /// How often a bad release may be let go on, in basis points (Wald's beta).
    #[default(100)]
    #[schemars(range(min = 1, max = 4_999))]
    pub missed_bp: u32,
    /// What it says while it cannot tell.
    #[default(Undecided::Pass)]
    pub undecided: Undecided,
}

/// What the check says while it cannot tell.
#[settings]
#[derive(Copy, PartialEq, Eq)]
pub enum Undecided {
    /// Nothing against it.
    Pass,
    /// A warning, at which most strategies wait.
    Warn,
}

impl Settings {
    fn check(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        for (field, share, max) in [
            ("/acceptable_bp", self.acceptable_bp, 9_999),
            ("/unacceptable_bp", self.unacceptable_bp, 9_999),
            ("/false_alarm_bp", self.false_alarm_bp, 4_999),
            ("/missed_bp", self.missed_bp, 4_999),
        ] {
            if share == 0 || share > max {
                problems.push(SettingsProblem::at(field, format!("must be from 1 to {max}")));
            }
        }
        if self.acceptable_bp >= self.unacceptable_bp {
            let message = format!("must be above the {} that is acceptable", self.acceptable_bp);
            problems.push(SettingsProblem::at("/unacceptable_bp", message));
        }
        problems
    }
}
