//! How fast a plugin answers, call after call.

use interlock_sandbox::Plugin;
use serde::Serialize;

use crate::input::{Function, Input};
use crate::report::Cost;
use crate::run::{Mismatch, ask};

/// Calls before anything is counted: the first ones find cold caches.
const WARM_UP: u32 = 20;

/// What the calls took. Of a health check and a strategy both functions are counted, as the host asks both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// How often it was asked.
    pub runs: u32,
    /// The median, in microseconds.
    pub p50_us: u64,
    /// The 99th percentile (nearest rank).
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
    /// Of one run.
    pub fuel: u64,
    /// Whether every run used as much; if not, the plugin is no function of its input.
    pub fuel_constant: bool,
    /// Bytes of all memories at their largest.
    pub memory_bytes_peak: u64,
}

/// Asks `runs` times, one call after the other.
///
/// # Errors
/// When the input is not for this plugin, or its settings do not fit.
pub async fn bench(
    plugin: &Plugin,
    input: &Input,
    function: Function,
    runs: u32,
) -> Result<Measured, Mismatch> {
    let runs = runs.max(1);
    let mut costs = Vec::new();
    for run in 0..runs.saturating_add(WARM_UP) {
        let asked = ask(plugin, input, function).await?;
        if let Some(problem) = asked.settings.first() {
            return Err(Mismatch(format!(
                "the settings do not fit at `{}`: {}",
                problem.path, problem.message
            )));
        }
        if run >= WARM_UP {
            costs.push(Cost::of(&asked.calls));
        }
    }
    let mut times: Vec<u64> = costs.iter().map(|cost| cost.elapsed_us).collect();
    times.sort_unstable();
    let rank = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    let first = costs.first().copied().unwrap_or_default();
    Ok(Measured {
        runs,
        p50_us: rank(50).unwrap_or_default(),
        p99_us: rank(99).unwrap_or_default(),
        max_us: times.last().copied().unwrap_or_default(),
        fuel: first.fuel,
        fuel_constant: costs.iter().all(|cost| cost.fuel == first.fuel),
        memory_bytes_peak: costs.iter().map(|cost| cost.memory_bytes_peak).max().unwrap_or_default(),
    })
}
