//! What an operator sets for one metric.

use interlock_plugin_sdk::prelude::*;

use super::WHOLE_BP;

/// One metric.
#[settings]
pub struct MetricSettings {
    /// The metric that targets report.
    pub name: String,
    /// Which way is bad.
    #[default(Direction::Either)]
    pub direction: Direction,
    /// Whether the whole score is 0 when this metric does not pass.
    #[default(false)]
    pub critical: bool,
    /// Whether missing data counts against its group, instead of not counting.
    #[default(false)]
    pub must_have_data: bool,
    /// Whether it is reported but counts for nothing.
    #[default(false)]
    pub muted: bool,
    /// What becomes of samples that are not numbers.
    #[default(NanStrategy::Remove)]
    pub nan_strategy: NanStrategy,
    /// What becomes of samples far outside of the others.
    #[default(OutlierStrategy::Keep)]
    pub outlier_strategy: OutlierStrategy,
    /// What the four limits below are in.
    #[default(EffectSize::MeanRatio)]
    pub effect_size: EffectSize,
    /// A significant increase counts from this effect on, in basis points.
    #[default]
    pub allowed_increase_bp: Option<u32>,
    /// A significant decrease counts from this effect down, in basis points.
    #[default]
    pub allowed_decrease_bp: Option<u32>,
    /// An increase of a critical metric is critical from this effect on, in basis points.
    #[default]
    pub critical_increase_bp: Option<u32>,
    /// A decrease of a critical metric is critical from this effect down, in basis points.
    #[default]
    pub critical_decrease_bp: Option<u32>,
    /// The groups that it counts in.
    #[default(vec!["all".to_owned()])]
    #[schemars(length(min = 1))]
    pub groups: Vec<String>,
}

/// Which way is bad.
#[settings]
#[derive(Copy, PartialEq, Eq)]
pub enum Direction {
    /// Up, as for errors.
    Increase,
    /// Down, as for battery charge.
    Decrease,
    /// Both.
    Either,
}

/// What becomes of samples that are not numbers.
#[settings]
#[derive(Copy, PartialEq, Eq)]
pub enum NanStrategy {
    /// They are left out, and a cohort without samples has no data.
    Remove,
    /// They are zero, and a metric without samples passes: for counters that are only reported when there is something.
    Replace,
}

/// What becomes of samples far outside of the others.
#[settings]
#[derive(Copy, PartialEq, Eq)]
pub enum OutlierStrategy {
    /// They count.
    Keep,
    /// They are left out.
    Remove,
}

/// How the size of a difference is told.
#[settings]
#[derive(Copy, PartialEq, Eq)]
pub enum EffectSize {
    /// Mean of treatment over mean of control: 10500 is 5 % more.
    MeanRatio,
    /// The chance that a treatment sample is above a control sample: 5000 is no difference.
    Cles,
}

impl EffectSize {
    /// The effect of no difference at all, in basis points.
    pub(crate) fn none_bp(self) -> u32 {
        match self {
            Self::MeanRatio => WHOLE_BP,
            Self::Cles => WHOLE_BP / 2,
        }
    }
}

impl MetricSettings {
    /// What is wrong with the settings of this metric, which stand at `at`.
    pub(crate) fn problems(&self, at: &str) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let mut refuse = |field: &str, message: String| {
            problems.push(SettingsProblem::at(format!("{at}/{field}"), message));
        };
        if self.groups.is_empty() {
            refuse("groups", "name at least one group".to_owned());
        }
        for (index, group) in self.groups.iter().enumerate() {
            if group.trim().is_empty() {
                refuse(&format!("groups/{index}"), "name a group".to_owned());
            } else if self.groups.iter().take(index).any(|before| before == group) {
                refuse(&format!("groups/{index}"), format!("`{group}` is named before"));
            }
        }
        let none = self.effect_size.none_bp();
        for (field, limit) in [
            ("allowed_increase_bp", self.allowed_increase_bp),
            ("critical_increase_bp", self.critical_increase_bp),
        ] {
            match limit {
                Some(limit) if limit < none => {
                    refuse(field, format!("{none} is no difference; an increase is not below it"));
                }
                Some(limit) if self.effect_size == EffectSize::Cles && limit > WHOLE_BP => {
                    refuse(field, "a chance is at most 10000".to_owned());
                }
                _ => {}
            }
        }
        for (field, limit) in [
            ("allowed_decrease_bp", self.allowed_decrease_bp),
            ("critical_decrease_bp", self.critical_decrease_bp),
        ] {
            if limit.is_some_and(|limit| limit > none) {
                refuse(field, format!("{none} is no difference; a decrease is not above it"));
            }
        }
        for (field, limit) in [
            ("critical_increase_bp", self.critical_increase_bp),
            ("critical_decrease_bp", self.critical_decrease_bp),
        ] {
            if limit.is_some() && !self.critical {
                refuse(field, "means nothing unless `critical` is true".to_owned());
            }
        }
        problems
    }
}
