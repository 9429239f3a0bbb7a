//! From the metrics to one score.

use crate::classify::{Class, Classified};
use crate::settings::{MetricSettings, Settings, WHOLE_BP};

/// A metric and what it shows.
pub(crate) type Judged<'a> = (&'a MetricSettings, Classified);

/// The score of a group of metrics.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupScore<'a> {
    pub(crate) name: &'a str,
    /// The passing share of the metrics that count, 0 to 100; 100 when none has data.
    pub(crate) score: f64,
}

/// What the metrics come to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Score<'a> {
    /// In basis points: 9500 is a score of 95. A score has two digits after the point, so this is all of it.
    pub(crate) bp: u32,
    /// The groups that it is made of.
    pub(crate) groups: Vec<GroupScore<'a>>,
    /// Why it is 0 whatever the groups say.
    pub(crate) void: Option<Void<'a>>,
}

/// Why a score is 0 whatever the groups say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Void<'a> {
    /// These critical metrics do not pass.
    Critical(Vec<&'a str>),
    /// These critical metrics have no data, and nothing worse is the matter.
    CriticalWithoutData(Vec<&'a str>),
    /// Half of the metrics or more have no data.
    NoData { without: usize, of: usize },
}

impl<'a> Score<'a> {
    /// The score of what was judged. Muted metrics do not count.
    pub(crate) fn of(judged: &[Judged<'a>], settings: &'a Settings) -> Self {
        let counting: Vec<&Judged<'a>> = judged.iter().filter(|(metric, _)| !metric.muted).collect();
        let groups: Vec<GroupScore<'a>> =
            settings.groups().into_iter().map(|name| GroupScore::of(name, &counting)).collect();
        let void = Void::of(&counting);
        let bp = if void.is_some() { 0 } else { summary_bp(&groups, settings) };
        Self { bp, groups, void }
    }
}

/// The weighted sum of the group scores. Groups without a weight share what the others leave.
fn summary_bp(groups: &[GroupScore<'_>], settings: &Settings) -> u32 {
    let weights = &settings.group_weights_bp;
    let left = WHOLE_BP.saturating_sub(weights.values().sum());
    let unweighed = groups.iter().filter(|group| !weights.contains_key(group.name)).count();
    let share = f64::from(left) / unweighed.max(1) as f64;
    let weight = |group: &GroupScore<'_>| weights.get(group.name).map_or(share, |bp| f64::from(*bp));
    let sum: f64 = groups.iter().map(|group| group.score * weight(group) / f64::from(WHOLE_BP)).sum();
    // Weights come to at most 100 %, so this is from 0 to 10000.
    (sum * 100.0).round() as u32
}

impl<'a> GroupScore<'a> {
    fn of(name: &'a str, judged: &[&Judged<'a>]) -> Self {
        let (mut passing, mut counted) = (0.0, 0.0);
        for (metric, classified) in judged {
            if metric.groups.iter().any(|group| group == name) {
                passing += f64::from(u8::from(classified.class == Class::Pass));
                counted += f64::from(u8::from(classified.class != Class::NoData));
            }
        }
        Self { name, score: if counted == 0.0 { 100.0 } else { 100.0 * passing / counted } }
    }
}

impl<'a> Void<'a> {
    fn of(judged: &[&Judged<'a>]) -> Option<Self> {
        let critical: Vec<&Judged<'a>> =
            judged.iter().copied().filter(|(_, classified)| classified.critical).collect();
        // A metric that must have data has failed without it, however young the rollout.
        let failed: Vec<&Judged<'a>> = critical
            .iter()
            .copied()
            .filter(|(metric, classified)| classified.class != Class::NoData || metric.must_have_data)
            .collect();
        let names = |judged: &[&Judged<'a>]| judged.iter().map(|(metric, _)| metric.name.as_str()).collect();
        let without = judged.iter().filter(|(_, classified)| classified.class == Class::NoData).count();
        if !failed.is_empty() {
            Some(Self::Critical(names(&failed)))
        } else if !critical.is_empty() {
            Some(Self::CriticalWithoutData(names(&critical)))
        } else if without * 2 >= judged.len() {
            Some(Self::NoData { without, of: judged.len() })
        } else {
            None
        }
    }
}
