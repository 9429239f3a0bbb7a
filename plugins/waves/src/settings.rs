//! What an operator sets for a rollout in waves.

use std::collections::BTreeMap;

use interlock_plugin_sdk::prelude::*;

/// A stage names every group before it, so the plan grows with the square of this.
const WAVES_MAX: usize = 50;
/// How many groups the name of a stage spells out.
const NAMED_MAX: usize = 3;

/// What an operator sets for a rollout in waves.
#[settings(check = Settings::check)]
pub struct Settings {
    /// The waves, first to last. The last one also takes what no wave names.
    #[schemars(length(min = 1, max = 50))]
    pub waves: Vec<WaveSettings>,
    /// How long health must stay good after the last target of a wave settled, in seconds.
    #[default(2 * 60 * 60)]
    #[schemars(range(max = 31_536_000))]
    pub hold_secs: u64,
    /// Roll back when more than this share of the finished targets failed or fell silent, in basis points.
    #[default(500)]
    #[schemars(range(max = 10_000))]
    pub max_failure_bp: u32,
    /// How many targets must have finished before their failures count while a wave is still under way.
    #[default(1)]
    pub min_finished: u64,
    /// What to do while a health check warns.
    #[default(OnWarning::Wait)]
    pub on_warning: OnWarning,
}

/// One wave.
#[settings]
pub struct WaveSettings {
    /// Groups such as `site:north`, and prefixes that end in a colon: `site:` is every site that no wave names. Only the
    /// last wave may be empty; it then takes the rest alone.
    pub groups: Vec<String>,
    /// As `hold_secs` above, for this wave alone.
    #[default]
    #[schemars(range(max = 31_536_000))]
    pub hold_secs: Option<u64>,
}

impl Settings {
    /// The index of the wave that reaches this group: the one that names it, otherwise the one with the longest prefix.
    pub(crate) fn wave_of(&self, group: &str) -> Option<usize> {
        let entries = self.entries().map(|(wave, _, entry)| (wave, entry));
        entries
            .filter(|(_, entry)| *entry == group || (is_prefix(entry) && group.starts_with(*entry)))
            .max_by_key(|(_, entry)| entry.len())
            .map(|(wave, _)| wave)
    }

    /// How long health must stay good after this wave.
    pub(crate) fn hold(&self, wave: &WaveSettings) -> Millis {
        wave.hold_secs.unwrap_or(self.hold_secs).saturating_mul(1000)
    }

    /// Every entry with the indices of its wave and of itself.
    fn entries(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        self.waves.iter().enumerate().flat_map(|(wave, settings)| {
            settings.groups.iter().enumerate().map(move |(index, entry)| (wave, index, entry.as_str()))
        })
    }

    fn check(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        if self.waves.is_empty() || self.waves.len() > WAVES_MAX {
            problems.push(SettingsProblem::at("/waves", format!("name from 1 to {WAVES_MAX} waves")));
        }
        for (index, wave) in self.waves.iter().enumerate() {
            if wave.groups.is_empty() && index + 1 < self.waves.len() {
                let message = "name at least one group; only the last wave may be empty, it takes the rest";
                problems.push(SettingsProblem::at(format!("/waves/{index}/groups"), message));
            }
        }
        let mut named = BTreeMap::new();
        for (wave, index, entry) in self.entries() {
            let path = format!("/waves/{wave}/groups/{index}");
            if entry.trim().is_empty() {
                problems.push(SettingsProblem::at(path, "name a group such as `site:north`"));
            } else if let Some(prefix) = entry.strip_suffix('*') {
                let message = format!("there are no patterns; a prefix such as `{prefix}` ends in a colon");
                problems.push(SettingsProblem::at(path, message));
            } else if let Some(first) = named.get(entry) {
                let message = format!("`{entry}` is named before, at `{first}`; a group is in one wave");
                problems.push(SettingsProblem::at(path, message));
            } else {
                named.insert(entry, path);
            }
        }
        if self.max_failure_bp > 10_000 {
            problems.push(SettingsProblem::at("/max_failure_bp", "a share is at most 10000"));
        }
        problems
    }
}

impl WaveSettings {
    /// `site:north, site:south, site:east and 4 more`, for people.
    pub(crate) fn title(&self) -> String {
        let named = self.groups.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.groups.len().saturating_sub(NAMED_MAX) {
            0 => named,
            more => format!("{named} and {more} more"),
        }
    }
}

/// Group names of the host hold a colon (`site:north`) but do not end in one.
fn is_prefix(entry: &str) -> bool {
    entry.ends_with(':')
}
