//! `/metrics` in Prometheus's text format.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use interlock_domain::{DeviceHealth, DeviceState};
use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{App, flow::fresh};

/// Upper bounds of durations, in seconds: around the service levels of 50 ms, 500 ms and 2 s.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0];
/// Upper bounds of a plugin call, in seconds.
const CALL_SECONDS: [f64; 10] = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 2.0];
/// How often what was measured is folded into the histograms; without it, memory would grow until the next scrape.
const UPKEEP: Duration = Duration::from_secs(5);

static RECORDER: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let builder = PrometheusBuilder::new();
    let bounded = builder
        .set_buckets_for_metric(Matcher::Suffix("call_duration_seconds".to_owned()), &CALL_SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS));
    // Bounds that are not empty are never refused; without them histograms would be summaries.
    let recorder = bounded.unwrap_or_else(|_| PrometheusBuilder::new()).build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        warn!("another recorder of metrics is installed; `/metrics` will be empty");
    }
    describe();
    handle
});

/// The process's recorder, installed at first use.
pub(crate) fn recorder() -> &'static PrometheusHandle {
    &RECORDER
}

/// Keeps the histograms small until it is told to stop.
pub(crate) async fn upkeep(stop: CancellationToken) {
    while !stop.is_cancelled() {
        recorder().run_upkeep();
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(UPKEEP) => {}
        }
    }
}

/// The text of a scrape. Counts of devices come from the store, so that every replica says the same.
pub(super) async fn render(app: &App) -> String {
    match app.store.device_counts().await {
        Ok(counts) => {
            let mut registered: BTreeMap<String, u64> = BTreeMap::new();
            let mut critical: BTreeMap<String, u64> = BTreeMap::new();
            for count in counts {
                let tenant = count.tenant.to_string();
                *registered.entry(tenant.clone()).or_default() += count.count;
                let is_critical =
                    count.state == DeviceState::Active && count.health == DeviceHealth::Critical;
                // A tenant without critical devices is shown with 0, or an alert could never end.
                *critical.entry(tenant).or_default() += if is_critical { count.count } else { 0 };
            }
            for (tenant, count) in registered {
                gauge!("devices_registered_total", "tenant" => tenant).set(count as f64);
            }
            for (tenant, count) in critical {
                gauge!("devices_critical_count", "tenant" => tenant).set(count as f64);
            }
        }
        Err(error) => warn!(%error, "devices could not be counted for a scrape"),
    }
    match app.store.all_advisories_as_of().await {
        Ok(all) => {
            let now = app.clock.now();
            for (tenant, as_of) in all {
                let age_seconds = now.millis_since(as_of) as f64 / 1e3;
                gauge!("advisories_age_seconds", "tenant" => tenant.to_string()).set(age_seconds);
            }
        }
        Err(error) => warn!(%error, "the age of the advisories could not be read for a scrape"),
    }
    match app.store.incidents_to_review(app.clock.now()).await {
        Ok((to_review, overdue)) => {
            gauge!("incidents_to_review").set(to_review as f64);
            gauge!("incidents_overdue").set(overdue as f64);
        }
        Err(error) => warn!(%error, "incidents could not be counted for a scrape"),
    }
    if let Some(age_ms) = fresh::age_ms(app) {
        gauge!("policy_bundle_age_seconds").set(age_ms as f64 / 1e3);
    }
    let bundle = app.policies.bundle();
    if let Some(journal) = &app.journal {
        gauge!("decision_journal_backlog_bytes").set(journal.backlog_bytes() as f64);
    }
    gauge!("ledger_signer_refused").set(app.store.refusals().len() as f64);
    match app.copies.standing(app).await {
        Ok(copies) => {
            for copy in copies {
                gauge!("ledger_copy_lag_entries", "copy" => copy.name.clone())
                    .set(copy.behind_entries as f64);
                gauge!("ledger_copy_lag_seconds", "copy" => copy.name).set(copy.behind_ms as f64 / 1e3);
            }
        }
        Err(error) => warn!(%error, "how far the copies of the ledger are could not be read for a scrape"),
    }
    match app.anchors.standing(app).await {
        Ok(anchors) => {
            for anchor in anchors {
                // One that never knew of anything is as old as can be.
                let age = anchor.age_ms.map_or(f64::INFINITY, |age| age as f64 / 1e3);
                gauge!("ledger_anchor_age_seconds", "anchor" => anchor.name).set(age);
            }
        }
        Err(error) => warn!(%error, "how old the anchors of the ledger are could not be read for a scrape"),
    }
    let behind = app.store.behind();
    let now = app.clock.now();
    let oldest = behind.values().map(|behind| now.millis_since(behind.since)).max().unwrap_or_default();
    let most = behind.values().map(|behind| behind.entries).max().unwrap_or_default();
    gauge!("ledger_unsigned_entries").set(most as f64);
    gauge!("ledger_unsigned_age_seconds").set(oldest as f64 / 1e3);
    match app.store.newest_entries().await {
        Ok(newest) => {
            let silence = newest.iter().map(|(_, at)| now.millis_since(*at)).max().unwrap_or_default();
            gauge!("ledger_silence_seconds").set(silence as f64 / 1e3);
        }
        Err(error) => warn!(%error, "the newest entries could not be read for a scrape"),
    }
    gauge!("policy_bundle_revision").set(bundle.revision as f64);
    gauge!("plugins_loaded").set(app.sandbox.shelf().all_bound().len() as f64);
    gauge!("plugins_refused").set(app.installed.refused.len() as f64);
    gauge!("plugins_unloaded").set(app.rosters.unloaded() as f64);
    recorder().run_upkeep();
    recorder().render()
}

fn describe() {
    describe_counter!("deployments_initiated_total", "Changes that were proposed");
    describe_counter!("deployments_completed_total", "Changes that completed");
    describe_counter!("rollbacks_initiated_total", "Rollouts that were sent back, by a person or a strategy");
    describe_gauge!("devices_registered_total", "Devices in the registry, retired ones too");
    describe_gauge!("devices_critical_count", "Devices in service that last reported critical health");
    describe_gauge!("advisories_age_seconds", "How long ago the advisories of a tenant were complete");
    describe_gauge!("ledger_signer_refused", "Logs that do not continue what was signed of them");
    describe_gauge!(
        "ledger_copy_lag_entries",
        "Entries that a copy of the ledger lacks, of the log with most"
    );
    describe_gauge!("ledger_copy_lag_seconds", "For how long a copy of the ledger lacks some");
    describe_counter!(
        "ledger_copy_failures_total",
        "Rounds in which a copy of the ledger could not be brought up to date"
    );
    describe_gauge!(
        "ledger_anchor_age_seconds",
        "How long ago an anchor came to know of a log, of the one that waits longest"
    );
    describe_counter!("ledger_anchor_failures_total", "Tries in which a checkpoint could not be anchored");
    describe_gauge!("ledger_unsigned_entries", "Entries that wait to be signed, of the log with most");
    describe_gauge!("ledger_unsigned_age_seconds", "How long the oldest of them has waited");
    describe_gauge!("ledger_silence_seconds", "How long nothing was written to the log that is quietest");
    describe_counter!("http_requests_total", "Requests answered");
    describe_histogram!("http_request_duration_seconds", "Time until the head of the answer was ready");
    describe_counter!("policy_decisions_total", "Questions that the policies answered");
    describe_gauge!("decision_journal_backlog_bytes", "Answers on the disk that are not in the database yet");
    describe_counter!("plugin_calls_total", "Calls of plugins");
    describe_histogram!("plugin_call_duration_seconds", "Time that plugins took");
    describe_gauge!(
        "ledger_tampered",
        "Whether something of a log was found altered when it was verified last"
    );
    describe_counter!("ledger_tamper_detected_total", "Incidents of the ledger that were opened");
    describe_counter!("break_glass_total", "Times that two persons let a change proceed without approvals");
    describe_gauge!("incidents_to_review", "Incidents that nobody has reviewed");
    describe_gauge!("incidents_overdue", "Incidents that nobody reviewed in time");
    describe_counter!("assignment_transitions_total", "Steps of targets");
    describe_gauge!("policy_bundle_revision", "Revision of the policies in force");
    describe_gauge!("policy_bundle_age_seconds", "How long ago the policies were known to be the newest");
    describe_counter!("policy_sync_failures_total", "Looks at the policies in git that came to nothing");
    describe_gauge!("policy_sync_last_success_timestamp_seconds", "When the policies in git were last good");
    describe_gauge!("plugins_loaded", "Plugins that are installed");
    describe_gauge!("plugins_refused", "Plugin files that were refused");
    describe_gauge!("plugins_unloaded", "Plugins that are active in an environment and do not load");
}
