//! What an operator sets for the judge.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use interlock_plugin_sdk::prelude::*;

mod metric;

pub use metric::{Direction, EffectSize, MetricSettings, NanStrategy, OutlierStrategy};

/// 100 % in basis points.
pub(crate) const WHOLE_BP: u32 = 10_000;
/// How many samples of one cohort are compared over all metrics. They take a quarter of a call's fuel, and less than all of
/// it however far apart they are.
const SAMPLES_TOTAL_MAX: usize = 10_000;
const METRICS_MAX: usize = 25;

/// What an operator sets for the judge.
#[settings(check = Settings::check)]
pub struct Settings {
    /// The metrics to compare.
    #[schemars(length(min = 1, max = 25))]
    pub metrics: Vec<MetricSettings>,
    /// How much each group of metrics counts, in basis points. Groups that are not named share what is left to 10000.
    #[default]
    pub group_weights_bp: BTreeMap<String, u32>,
    /// From this score on it passes, in basis points: 9500 is a score of 95.
    #[default(9_500)]
    #[schemars(range(max = 10_000))]
    pub pass_bp: u32,
    /// From this score on it is marginal and warns.
    #[default(7_500)]
    #[schemars(range(max = 10_000))]
    pub marginal_bp: u32,
    /// How far to look back, in seconds.
    #[default(3_600)]
    #[schemars(range(min = 1, max = 2_592_000))]
    pub window_secs: u64,
    /// More samples than this of a cohort and metric are thinned evenly.
    #[default(500)]
    #[schemars(range(min = 10, max = 10_000))]
    pub samples_max: usize,
    /// What it says when the score is 0 for want of data alone.
    #[default(Unjudged::Warn)]
    pub without_data: Unjudged,
    /// What it says when no target is left to compare with, as in the last stage of a rollout.
    #[default(Unjudged::Pass)]
    pub without_control: Unjudged,
}

/// What the judge says where it cannot compare.
#[settings]
#[derive(Copy, PartialEq, Eq)]
pub enum Unjudged {
    /// Nothing against it.
    Pass,
    /// A warning, at which most strategies wait.
    Warn,
    /// It fails.
    Fail,
}

impl Settings {
    /// Every group that a metric which counts is in.
    pub(crate) fn groups(&self) -> BTreeSet<&str> {
        let counting = self.metrics.iter().filter(|metric| !metric.muted);
        counting.flat_map(|metric| metric.groups.iter().map(String::as_str)).collect()
    }

    fn check(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        if self.metrics.is_empty() || self.metrics.len() > METRICS_MAX {
            problems.push(SettingsProblem::at("/metrics", format!("name from 1 to {METRICS_MAX} metrics")));
        }
        let mut named = BTreeSet::new();
        for (index, metric) in self.metrics.iter().enumerate() {
            let at = format!("/metrics/{index}");
            if metric.name.trim().is_empty() {
                problems.push(SettingsProblem::at(format!("{at}/name"), "name a metric that targets report"));
            } else if !named.insert(metric.name.as_str()) {
                let message = format!("`{}` is named before", metric.name);
                problems.push(SettingsProblem::at(format!("{at}/name"), message));
            }
            problems.extend(metric.problems(&at));
        }
        if !self.metrics.is_empty() && self.metrics.iter().all(|metric| metric.muted) {
            problems.push(SettingsProblem::at("/metrics", "at least one metric must count; all are muted"));
        }
        problems.extend(self.weight_problems());
        if self.pass_bp > WHOLE_BP {
            problems.push(SettingsProblem::at("/pass_bp", "a score is at most 10000"));
        }
        if self.marginal_bp > self.pass_bp {
            let message = format!("must not be above `pass_bp`, which is {}", self.pass_bp);
            problems.push(SettingsProblem::at("/marginal_bp", message));
        }
        if self.window_secs == 0 {
            problems.push(SettingsProblem::at("/window_secs", "must be at least 1"));
        }
        if !(10..=10_000).contains(&self.samples_max) {
            problems.push(SettingsProblem::at("/samples_max", "must be from 10 to 10000"));
        } else if self.samples_max.saturating_mul(self.metrics.len()) > SAMPLES_TOTAL_MAX {
            let count = self.metrics.len();
            let message =
                format!("{count} metrics may have {} samples each", SAMPLES_TOTAL_MAX / count.max(1));
            problems.push(SettingsProblem::at("/samples_max", message));
        }
        problems
    }

    /// Weights that could never give a score of 100 are a slip, not a wish.
    fn weight_problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let groups = self.groups();
        for group in self.group_weights_bp.keys().filter(|group| !groups.contains(group.as_str())) {
            let path = format!("/group_weights_bp/{}", group.replace('~', "~0").replace('/', "~1"));
            problems.push(SettingsProblem::at(path, "no metric that counts is in this group"));
        }
        let weighed: u64 = self.group_weights_bp.values().map(|weight| u64::from(*weight)).sum();
        let all_weighed = groups.iter().all(|group| self.group_weights_bp.contains_key(*group));
        let message = match weighed.cmp(&u64::from(WHOLE_BP)) {
            Ordering::Greater => Some(format!("weights come to {weighed}, at most 10000 may be given")),
            Ordering::Equal if !all_weighed => {
                Some("all 10000 are given, which leaves nothing for the other groups".to_owned())
            }
            Ordering::Less if all_weighed && !groups.is_empty() => {
                Some(format!("weights of all groups come to {weighed}; make it 10000"))
            }
            _ => None,
        };
        problems.extend(message.map(|message| SettingsProblem::at("/group_weights_bp", message)));
        problems
    }
}
