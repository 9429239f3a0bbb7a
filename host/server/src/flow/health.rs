//! Health: what the checks want to see is fetched for both cohorts, then they judge.

use std::sync::Arc;

use interlock_domain::{Change, Cohort, Decision, HealthBinding, Progress, Timestamp, Verdict};
use interlock_sandbox::types::{Aggregation, Observation, Query, Request, Response, Series};

use super::{convert, plugin::call};
use crate::{App, FlowError};

/// Most samples that one series is computed from; more are thinned evenly.
const SAMPLES_MAX: u32 = 10_000;

/// Has one health check judge a rollout. Without an answer there is a failing verdict that says why.
pub(crate) async fn judge(
    app: &Arc<App>,
    change: &Change,
    binding: &HealthBinding,
    now: Timestamp,
) -> Result<(Verdict, Vec<Decision>), FlowError> {
    let name = &binding.plugin.name;
    let Some(plugin) = app.sandbox.shelf().get(&binding.plugin.digest) else {
        let message = format!("health check `{name}` ({}) is not installed here", binding.plugin.digest);
        return Ok((Verdict::unanswered("health-missing", message), Vec::new()));
    };
    let settings = binding.settings.to_string();
    let needs = Request::Needs { change: convert::change(change), settings: settings.clone() };
    let called = call(app, change.tenant(), Some(&change.id), &plugin, needs, now).await;
    let queries = match called.answer {
        Ok(Response::Queries(queries)) => queries,
        Ok(_) => {
            return Ok((unanswered(name, "health-bad-answer", "it named no queries"), vec![called.decision]));
        }
        Err(error) => return Ok((unanswered(name, error.code(), &error.to_string()), vec![called.decision])),
    };
    let needed = called.decision;
    let observations = observe(app, change, queries, now).await?;
    let request = Request::Judge { observations, settings, now: convert::instant(now) };
    let called = call(app, change.tenant(), Some(&change.id), &plugin, request, now).await;
    let verdict = match called.answer {
        Ok(Response::Verdict(verdict)) => convert::verdict(verdict),
        Ok(_) => unanswered(name, "health-bad-answer", "it gave no verdict"),
        Err(error) => unanswered(name, error.code(), &error.to_string()),
    };
    // The judgement last: it is the one that the verdict refers to.
    Ok((verdict, vec![needed, called.decision]))
}

fn unanswered(name: &str, code: &str, why: &str) -> Verdict {
    Verdict::unanswered(
        code,
        format!("health check `{name}` did not answer, which counts as a failure: {why}"),
    )
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
    let targets = match cohort {
        Cohort::Treatment => progress.exposed(),
        Cohort::Control => progress.pending,
    };
    if let Some(count) = counted(&query.metric, cohort, progress) {
        // Targets are few enough for f64 to count them exactly.
        return Ok(Series { targets, samples: 1, value: Some(count as f64), raw: Vec::new() });
    }
    let window = i64::try_from(query.window_ms).unwrap_or(i64::MAX);
    let from = now.plus_millis(window.saturating_neg());
    let samples =
        app.store.samples(change.tenant(), &change.id, cohort, &query.metric, from, now, SAMPLES_MAX).await?;
    let value = aggregate(query.aggregation, &samples);
    let raw = if query.aggregation == Aggregation::Raw { samples.clone() } else { Vec::new() };
    Ok(Series { targets, samples: samples.len() as u64, value, raw })
}

/// The metrics that the host counts itself.
fn counted(metric: &str, cohort: Cohort, progress: &Progress) -> Option<u64> {
    let treatment = |count: u64| Some(if cohort == Cohort::Treatment { count } else { 0 });
    match metric {
        "interlock.exposed" => treatment(progress.exposed()),
        "interlock.failed" => treatment(progress.failed),
        "interlock.silent" => treatment(progress.silent),
        "interlock.verified" => treatment(progress.verified),
        _ => None,
    }
}

/// One number of many. Percentiles by nearest rank (ISO 2854 calls it the empirical quantile).
fn aggregate(aggregation: Aggregation, samples: &[f64]) -> Option<f64> {
    if samples.is_empty() {
        return None;
    }
    let sum: f64 = samples.iter().sum();
    let percentile = |share: f64| {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.clamp(1, sorted.len()) - 1).copied()
    };
    match aggregation {
        Aggregation::Raw => None,
        Aggregation::Mean => Some(sum / samples.len() as f64),
        Aggregation::Minimum => samples.iter().copied().min_by(f64::total_cmp),
        Aggregation::Maximum => samples.iter().copied().max_by(f64::total_cmp),
        Aggregation::Sum => Some(sum),
        Aggregation::Count => Some(samples.len() as f64),
        Aggregation::P50 => percentile(0.50),
        Aggregation::P95 => percentile(0.95),
        Aggregation::P99 => percentile(0.99),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_that_were_seen() {
        let samples: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(aggregate(Aggregation::P50, &samples), Some(50.0));
        assert_eq!(aggregate(Aggregation::P99, &samples), Some(99.0));
        assert_eq!(aggregate(Aggregation::P99, &[7.0]), Some(7.0));
        assert_eq!(aggregate(Aggregation::Mean, &[]), None);
    }
}
