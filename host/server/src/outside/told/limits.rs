//! What each source is bounded by: its time, its size and how long an answer is good, with the key that says so.

use super::*;
use crate::config::SourceLimits;

#[tokio::test]
async fn a_slow_source_is_unavailable_with_its_own_limit_named() {
    let tickets = FalseTickets::start().await;
    let (app, change, _folder) = with_tickets(&tickets).await;
    let why = refused(&plugin(&app, Some(&change)), "http.ticket", "slow").await;
    assert_eq!(why, "`http.ticket` did not answer within the 500 ms of `evidence.timeout_ms`");

    let url = tickets.url.clone();
    let (app, _, change) = hospital(|config| {
        let connector = |timeout_ms| Connector { url: url.clone(), timeout_ms, ..Connector::default() };
        config.evidence.timeout_ms = 600_000;
        config.evidence.http.insert("ticket".to_owned(), connector(Some(50)));
    })
    .await;
    let about = plugin(&app, Some(&change));
    let why = refused(&about, "http.ticket", "slow").await;
    assert_eq!(why, "`http.ticket` did not answer within the 50 ms of `evidence.http.ticket.timeout_ms`");
    let failing = app.app.evidence.failures(&TENANT.parse().unwrap(), app.app.clock.now());
    assert_eq!(failing["http.ticket"], why);
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_passes_and_one_byte_more_is_refused() {
    let tickets = FalseTickets::start().await;
    let url = tickets.url.clone();
    let (app, ana, change) = hospital(|config| {
        let connector = |bytes_max| Connector { url: url.clone(), bytes_max, ..Connector::default() };
        config.evidence.bytes_max = 200;
        config.evidence.http.insert("ticket".to_owned(), connector(None));
        config.evidence.http.insert("nobody".to_owned(), connector(Some(20)));
        for (key, bytes) in [("twenty", 20), ("one-more", 21)] {
            config.evidence.values.insert(key.to_owned(), json!("x".repeat(bytes - 2)));
        }
        for source in ["config", "document"] {
            let limits = SourceLimits { bytes_max: Some(20), ..SourceLimits::default() };
            config.evidence.sources.insert(source.to_owned(), limits);
        }
    })
    .await;
    let about = plugin(&app, Some(&change));
    found(&about, "http.ticket", "bytes-200").await;
    let why = refused(&about, "http.ticket", "bytes-201").await;
    assert_eq!(why, "the answer of `http.ticket` has more than the 200 bytes of `evidence.bytes_max`");
    found(&about, "http.nobody", "bytes-20").await;
    let why = refused(&about, "http.nobody", "bytes-21").await;
    assert_eq!(
        why,
        "the answer of `http.nobody` has more than the 20 bytes of `evidence.http.nobody.bytes_max`"
    );
    found(&about, "config", "twenty").await;
    let why = refused(&about, "config", "one-more").await;
    assert!(why.contains("has 21 bytes, more than the 20 of `evidence.sources.config.bytes_max`"), "{why}");

    let digest = Digest::of(b"content");
    for (kind, bytes) in [("sbom", 20), ("provenance", 21)] {
        let (path, body) = (format!("/artifacts/fw/2.0/documents/{kind}"), format!("{:>bytes$}", "{}"));
        ana.send(Method::PUT, &path, &[("content-type", "application/json")], Body::from(body)).await.ok();
    }
    let about = plugin(&app, None);
    found(&about, "document", &format!("{digest}/sbom")).await;
    let why = refused(&about, "document", &format!("{digest}/provenance")).await;
    assert!(why.contains("`evidence.sources.document.bytes_max`"), "{why}");
}

#[tokio::test]
async fn what_the_host_knows_is_told_anew_unless_its_source_is_kept_and_then_to_the_same_change_alone() {
    let kept = |cache_ms: Option<u64>| async move {
        let (app, _, change) = hospital(|config| {
            let limits = SourceLimits { cache_ms, ..SourceLimits::default() };
            config.evidence.sources.insert("device".to_owned(), limits);
        })
        .await;
        let fetched_at = async |evidence: &Evidence| match evidence.fetch("probe", "device", "a").await {
            EvidenceAnswer::Found(document) => document.fetched_at,
            other => panic!("{other:?}"),
        };
        let first = fetched_at(&plugin(&app, Some(&change))).await;
        app.clock.advance(999);
        let soon = fetched_at(&plugin(&app, Some(&change))).await - first;
        let elsewhere = fetched_at(&plugin(&app, None)).await - first;
        app.clock.advance(1);
        let later = fetched_at(&plugin(&app, Some(&change))).await - first;
        let other = Evidence { tenant: "other".parse().unwrap(), ..plugin(&app, Some(&change)) };
        assert_eq!(refused(&other, "device", "a").await, "not found", "another tenant sees nothing of it");
        (soon, elsewhere, later)
    };
    assert_eq!(kept(None).await, (999, 999, 1_000));
    assert_eq!(kept(Some(1_000)).await, (0, 999, 1_000));
}

#[tokio::test]
async fn a_connector_whose_answers_are_not_kept_is_asked_each_time() {
    let tickets = FalseTickets::start().await;
    let url = tickets.url.clone();
    let (app, _, change) = hospital(|config| {
        config.evidence.http.insert("ticket".to_owned(), Connector { url, ..Connector::default() });
        config.evidence.cache_ms = 0;
    })
    .await;
    let about = plugin(&app, Some(&change));
    for _ in 0..2 {
        found(&about, "http.ticket", "CHG1").await;
    }
    assert_eq!(tickets.asked.load(Ordering::Relaxed), 2);
}
