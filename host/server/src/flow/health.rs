//! Health: what the checks want to see is fetched for both cohorts, then they judge.

use std::sync::Arc;

use interlock_domain::{Change, Cohort, Decision, DecisionId, HealthBinding, Progress, Timestamp, Verdict};
use interlock_sandbox::types::{Aggregation, Observation, Query, Request, Response, Series};
use interlock_store::{Summary, Window};

use super::{
    convert,
    plugin::{Answered, Asking, Failed, call},
};
use crate::{App, FlowError};

/// Most samples that a plugin is given; more are thinned evenly.
const RAW_MAX: u32 = 10_000;

/// What one health check said of a rollout.
pub(crate) struct Judged {
    /// The verdict; a failing one that says why when the check did not answer.
    pub(crate) verdict: Verdict,
    /// The call that the verdict comes from: one of `calls`.
    pub(crate) decision: DecisionId,
    /// Every call that was made, answered or not; not committed yet.
    pub(crate) calls: Vec<Decision>,
}

/// Has one health check judge a rollout.
pub(crate) async fn judge(
    app: &Arc<App>,
    change: &Change,
    binding: &HealthBinding,
    now: Timestamp,
) -> Result<Judged, FlowError> {
    let asking = Asking::about(app, change, now);
    let settings = binding.settings.to_string();
    let needs = Request::Needs { change: convert::change(change), settings: settings.clone() };
    let queries = |response| match response {
        Response::Queries(queries) => Some(queries),
        _ => None,
    };
    let (queries, needed) = match call(asking, &binding.plugin, needs, queries).await {
        Ok(Answered { answer, decision }) => (answer, decision),
        Err(failed) => return Ok(Judged::unanswered(binding, failed, Vec::new())),
    };
    let observations = observe(app, change, queries, now).await?;
    let judge = Request::Judge { observations, settings, now: convert::instant(now) };
    let verdict = |response| match response {
        Response::Verdict(verdict) => Some(convert::verdict(verdict)),
        _ => None,
    };
    Ok(match call(asking, &binding.plugin, judge, verdict).await {
        Ok(Answered { answer, decision }) => {
            Judged { verdict: answer, decision: decision.id.clone(), calls: vec![needed, decision] }
        }
        Err(failed) => Judged::unanswered(binding, failed, vec![needed]),
    })
}

impl Judged {
    fn unanswered(binding: &HealthBinding, failed: Failed, mut calls: Vec<Decision>) -> Self {
        let Failed { error, decision } = failed;
        let name = binding.called();
        let message = format!("health check `{name}` did not answer, which counts as a failure: {error}");
        let (verdict, id) = (Verdict::unanswered(error.code(), message), decision.id.clone());
        calls.push(decision);
        Self { verdict, decision: id, calls }
    }
}

async fn observe(
    app: &App,
    change: &Change,
    queries: Vec<Query>,
    now: Timestamp,
) -> Result<Vec<Observation>, FlowError> {
    let progress = app.store.progress(change.tenant(), &change.id).await?;
    let mut observations = Vec::with_capacity(queries.len());
    for query in queries {
        let treatment = series(app, change, &query, Cohort::Treatment, &progress, now).await?;
        let control = series(app, change, &query, Cohort::Control, &progress, now).await?;
        observations.push(Observation { query, treatment, control });
    }
    Ok(observations)
}

async fn series(
    app: &App,
    change: &Change,
    query: &Query,
    cohort: Cohort,
    progress: &Progress,
    now: Timestamp,
) -> Result<Series, FlowError> {
    if let Some(count) = counted(&query.metric, cohort, progress) {
        // What the host counts, it counts over all that were told to install.
        let targets = match cohort {
            Cohort::Treatment => progress.exposed() - progress.waiting,
            Cohort::Control => progress.pending + progress.waiting,
        };
        // Targets are few enough for f64 to count them exactly.
        return Ok(Series { targets, samples: 1, value: Some(count as f64), raw: Vec::new() });
    }
    let (tenant, id) = (change.tenant(), &change.id);
    let targets = app.store.cohort_size(tenant, id, cohort).await?;
    let back = i64::try_from(query.window_ms).unwrap_or(i64::MAX);
    let from = now.plus_millis(back.saturating_neg());
    let window = Window { tenant, change: id, cohort, metric: &query.metric, from, to: now };
    if query.aggregation == Aggregation::Raw {
        let (raw, samples) = app.store.thinned(&window, RAW_MAX).await?;
        return Ok(Series { targets, samples, value: None, raw });
    }
    let aggregate = aggregate(app, &window, query.aggregation).await?;
    let (value, samples) = aggregate.map_or((None, 0), |(value, samples)| (Some(value), samples));
    Ok(Series { targets, samples, value, raw: Vec::new() })
}

/// One number of all samples in a window, and how many there are. Percentiles by nearest rank (ISO 2854 calls it the
/// empirical quantile), so that each is a sample that was seen.
async fn aggregate(
    app: &App,
    window: &Window<'_>,
    aggregation: Aggregation,
) -> Result<Option<(f64, u64)>, FlowError> {
    let of: fn(&Summary) -> f64 = match aggregation {
        Aggregation::P50 => return Ok(app.store.percentile(window, 50).await?),
        Aggregation::P95 => return Ok(app.store.percentile(window, 95).await?),
        Aggregation::P99 => return Ok(app.store.percentile(window, 99).await?),
        // The samples themselves are no number.
        Aggregation::Raw => return Ok(None),
        Aggregation::Mean => Summary::mean,
        Aggregation::Minimum => |all| all.minimum,
        Aggregation::Maximum => |all| all.maximum,
        Aggregation::Sum => |all| all.sum,
        Aggregation::Count => |all| all.samples as f64,
    };
    Ok(app.store.summary(window).await?.map(|all| (of(&all), all.samples)))
}

/// The metrics that the host counts itself.
fn counted(metric: &str, cohort: Cohort, progress: &Progress) -> Option<u64> {
    let treatment = |count: u64| Some(if cohort == Cohort::Treatment { count } else { 0 });
    match metric {
        "interlock.exposed" => treatment(progress.exposed() - progress.waiting),
        "interlock.failed" => treatment(progress.failed),
        "interlock.silent" => treatment(progress.silent),
        "interlock.verified" => treatment(progress.verified),
        _ => None,
    }
}
