//! The fleet against a fake server.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic as tests do")]

mod fake;

use std::time::Duration;

use fake::{Event, FakeServer, Offer};
use interlock_emulator::{Behaviour, DeviceSpec, Effect, Fleet, FleetError, FleetOptions};

fn pump(id: &str) -> DeviceSpec {
    DeviceSpec {
        id: id.to_owned(),
        token: Some(format!("token-of-{id}")),
        version: "1.0".to_owned(),
        site: "north".to_owned(),
    }
}

/// One quick device, `p1`, that measures nothing.
fn options(server: &FakeServer) -> FleetOptions {
    FleetOptions {
        devices: vec![pump("p1")],
        poll_ms: Some(10),
        telemetry_ms: None,
        install_ms: 10,
        reboot_ms: 10,
        ..FleetOptions::new(server.url(), "mercy")
    }
}

fn misbehaving(server: &FakeServer, effect: Effect) -> FleetOptions {
    let behaviour = Behaviour { version: Some("2.0".to_owned()), site: None, share_bp: 10_000, effect };
    FleetOptions { behaviours: vec![behaviour], ..options(server) }
}

/// Far more than anything here takes: only a fault reaches it.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it happens soon")
}

/// What `p1` says until its deployment has ended and its data has been reported again.
async fn story(
    options: FleetOptions,
    server: &mut FakeServer,
) -> (Vec<String>, interlock_emulator::Snapshot) {
    server.ask_for_data("p1");
    server.offer("p1", Offer::Deploy { action: 7, version: "2.0", update: "forced" });
    let fleet = Fleet::start(options).unwrap();
    let mut said = Vec::new();
    while said.iter().filter(|line: &&String| line.starts_with("data")).count() < 2 {
        said.push(soon(server.next()).await.to_string());
    }
    (said, fleet.stop().await)
}

#[tokio::test]
async fn a_good_installation_is_told_step_by_step_as_swupdate_does() {
    let mut server = FakeServer::start().await;
    let (said, end) = story(FleetOptions { download: true, ..options(&server) }, &mut server).await;
    assert_eq!(
        said,
        [
            "data: health ok, version 1.0, site north",
            "7 proceeding none: Installing Update Chunk Artifacts.",
            "HEAD firmware",
            "GET firmware",
            "7 proceeding none: Installed Chunk.",
            "7 proceeding none: All Chunks Installed.",
            "7 closed success: Update Installed.",
            "data: health ok, version 2.0, site north",
        ]
    );
    assert_eq!((end.installs, end.failures, end.failed_polls), (1, 0, 0));
    assert_eq!(end.by_version.into_iter().collect::<Vec<_>>(), [("2.0".to_owned(), 1)]);
    assert!(end.polls >= 4);
    assert!(0.0 < end.poll_p50_ms && end.poll_p50_ms <= end.poll_p99_ms);
}

#[tokio::test]
async fn an_installation_that_fails_is_told_and_the_old_version_stays() {
    let mut server = FakeServer::start().await;
    let (said, end) = story(misbehaving(&server, Effect::FailInstall), &mut server).await;
    assert_eq!(
        said,
        [
            "data: health ok, version 1.0, site north",
            "7 proceeding none: Installing Update Chunk Artifacts.",
            "7 closed failure: Installation failed.",
            "data: health ok, version 1.0, site north",
        ]
    );
    assert_eq!((end.installs, end.failures, end.by_version["1.0"]), (0, 1, 1));
}

#[tokio::test]
async fn a_download_that_fails_on_request_or_in_truth_is_told() {
    let mut server = FakeServer::start().await;
    let (said, end) = story(misbehaving(&server, Effect::FailDownload), &mut server).await;
    assert_eq!(said[2], "7 closed failure: Download failed: connection reset.");
    assert_eq!((end.installs, end.failures), (0, 1));

    let mut server = FakeServer::start().await;
    server.serve_other_content(b"some other firmware");
    let download = FleetOptions { download: true, ..options(&server) };
    let (said, end) = story(download.clone(), &mut server).await;
    assert_eq!(said[4], "7 closed failure: Download failed: SHA-1 differs.");
    assert_eq!((end.installs, end.failures, end.by_version["1.0"]), (0, 1, 1));

    let mut server = FakeServer::start().await;
    server.serve_other_content(b"short");
    let (said, _) = story(FleetOptions { server: server.url(), ..download }, &mut server).await;
    assert_eq!(said[4], "7 closed failure: Download failed: 5 bytes instead of 19.");
}

#[tokio::test]
async fn a_liar_says_success_and_reports_the_old_version() {
    let mut server = FakeServer::start().await;
    let (said, end) = story(misbehaving(&server, Effect::LieAboutSuccess), &mut server).await;
    assert_eq!(
        said[said.len() - 2..],
        ["7 closed success: Update Installed.", "data: health ok, version 1.0, site north"]
    );
    assert_eq!((end.installs, end.by_version["1.0"]), (1, 1));
}

#[tokio::test]
async fn a_behaviour_of_another_version_does_nothing() {
    let mut server = FakeServer::start().await;
    let mut options = misbehaving(&server, Effect::FailInstall);
    options.behaviours[0].version = Some("3.0".to_owned());
    let (_, end) = story(options, &mut server).await;
    assert_eq!((end.installs, end.failures), (1, 0));
}

#[tokio::test]
async fn a_silent_device_fetches_the_version_and_is_heard_of_no_more() {
    let mut server = FakeServer::start().await;
    let mut options = misbehaving(&server, Effect::Silent);
    options.behaviours[0].site = Some("south".to_owned());
    options.devices = vec![pump("p1"), DeviceSpec { site: "south".to_owned(), ..pump("p2") }];
    for id in ["p1", "p2"] {
        server.offer(id, Offer::Deploy { action: 7, version: "2.0", update: "forced" });
    }
    let fleet = Fleet::start(options).unwrap();
    let then = soon(fleet.wait_until(|now| now.silent == 1 && now.installs == 1)).await;
    // The other one keeps polling; by now a device that still lived would have been heard.
    soon(fleet.wait_until(|now| now.polls >= then.polls + 20)).await;
    let end = fleet.stop().await;
    assert!(server.drain().iter().all(|event| event.device() == "p1"));
    assert_eq!(server.deployments_fetched("p2"), 1);
    assert_eq!((end.by_version["1.0"], end.by_version["2.0"]), (1, 1));
}

#[tokio::test]
async fn a_device_that_runs_a_silent_version_never_polls() {
    let server = FakeServer::start().await;
    let mut options = misbehaving(&server, Effect::Silent);
    options.behaviours[0].version = Some("1.0".to_owned());
    let fleet = Fleet::start(options).unwrap();
    let end = soon(fleet.wait_until(|now| now.silent == 1)).await;
    assert_eq!((end.polls, end.failed_polls), (0, 0));
}

#[tokio::test]
async fn a_deployment_that_is_cancelled_while_it_installs_stops() {
    let mut server = FakeServer::start().await;
    server.offer("p1", Offer::Deploy { action: 7, version: "2.0", update: "forced" });
    // It would never end by itself.
    let fleet = Fleet::start(FleetOptions { install_ms: 86_400_000, ..options(&server) }).unwrap();
    assert_eq!(
        soon(server.next()).await.to_string(),
        "7 proceeding none: Installing Update Chunk Artifacts."
    );
    server.offer("p1", Offer::Cancel { action: 7 });
    assert_eq!(soon(server.next()).await.to_string(), "cancel 7 closed success: Operation canceled.");
    let end = soon(fleet.wait_until(|now| now.cancelled == 1)).await;
    assert_eq!((end.installs, end.failures, end.by_version["1.0"]), (0, 0, 1));

    // And the device takes the next one.
    server.offer("p1", Offer::Deploy { action: 8, version: "3.0", update: "forced" });
    assert!(soon(server.next()).await.to_string().starts_with("8 proceeding"));
}

#[tokio::test]
async fn a_device_that_reboots_later_says_success_first_and_runs_the_old_version_until_then() {
    let mut server = FakeServer::start().await;
    // Long enough that it is asked for its data before it reboots.
    let late = FleetOptions { poll_ms: Some(20), ..misbehaving(&server, Effect::RebootsAfterMs(2_000)) };
    server.offer("p1", Offer::Deploy { action: 7, version: "2.0", update: "forced" });
    let fleet = Fleet::start(late).unwrap();
    while soon(server.next()).await.to_string() != "7 closed success: Software bundle installed successfully."
    {
    }
    assert_eq!(soon(server.next()).await.to_string(), "data: health ok, version 1.0, site north");
    let said = fleet.snapshot();
    assert_eq!((said.installs, said.by_version["1.0"]), (1, 1), "success is told before it is true");

    soon(fleet.wait_until(|now| now.by_version.contains_key("2.0"))).await;
    server.ask_for_data("p1");
    assert_eq!(
        soon(server.next()).await.to_string(),
        "data: health ok, version 2.0, site north",
        "of the deployment it says nothing more"
    );
    assert_eq!(fleet.stop().await.installs, 1);
}

#[tokio::test]
async fn a_device_that_rejects_a_cancellation_goes_on_and_says_how_it_ended() {
    let mut server = FakeServer::start().await;
    let options = misbehaving(&server, Effect::RejectsCancelWhileInstalling);
    server.offer("p1", Offer::Deploy { action: 7, version: "2.0", update: "forced" });
    let fleet = Fleet::start(FleetOptions { install_ms: 1_500, ..options }).unwrap();
    assert_eq!(
        soon(server.next()).await.to_string(),
        "7 proceeding none: Installing Update Chunk Artifacts."
    );
    server.offer("p1", Offer::Cancel { action: 7 });
    let mut said = Vec::new();
    while said.last().is_none_or(|line: &String| !line.starts_with("7 closed")) {
        said.push(soon(server.next()).await.to_string());
    }
    let rejected = "cancel 7 rejected success: Cancelation impossible, installation started already.";
    assert_eq!(said[0], rejected);
    let after: Vec<_> = said.iter().filter(|line| *line != rejected).collect();
    assert_eq!(
        after,
        [
            "7 proceeding none: Installed Chunk.",
            "7 proceeding none: All Chunks Installed.",
            "7 closed success: Update Installed.",
        ]
    );
    let end = fleet.stop().await;
    assert_eq!((end.installs, end.cancelled, end.by_version["2.0"]), (1, 0, 1));

    // What it does not install it lets be cancelled.
    server.offer("p1", Offer::Cancel { action: 9 });
    let _fleet = Fleet::start(misbehaving(&server, Effect::RejectsCancelWhileInstalling)).unwrap();
    while soon(server.next()).await.to_string() != "cancel 9 closed success: Operation canceled." {}
}

#[tokio::test]
async fn a_device_that_reports_its_health_only_leaves_the_version_out() {
    let mut server = FakeServer::start().await;
    let mut options = misbehaving(&server, Effect::ReportsHealthOnly);
    let (said, _) = story(options.clone(), &mut server).await;
    assert_eq!(said[0], "data: health ok, version 1.0, site north", "it is one of 2.0 alone");
    assert_eq!(said[said.len() - 1], "data: health ok, version ?, site ?");

    options.behaviours[0].share_bp = 0;
    let (said, _) = story(options, &mut server).await;
    assert_eq!(said[said.len() - 1], "data: health ok, version 2.0, site north", "its share is nobody");
}

#[tokio::test]
async fn a_skipped_update_is_a_false_success_as_with_the_real_client() {
    let mut server = FakeServer::start().await;
    server.offer("p1", Offer::Deploy { action: 7, version: "2.0", update: "skip" });
    let fleet = Fleet::start(options(&server)).unwrap();
    assert_eq!(soon(server.next()).await.to_string(), "7 closed success: Skipped Update.");
    assert_eq!(fleet.stop().await.by_version["1.0"], 1);
}

#[tokio::test]
async fn measurements_follow_the_version_that_runs() {
    let mut server = FakeServer::start().await;
    let bad = |effect| Behaviour { version: Some("2.0".to_owned()), site: None, share_bp: 10_000, effect };
    let options = FleetOptions {
        telemetry_ms: Some(10),
        poll_ms: Some(10),
        behaviours: vec![bad(Effect::ErrorRate(0.2)), bad(Effect::SlowLatencyMs(900))],
        ..options(&server)
    };
    let fleet = Fleet::start(options).unwrap();
    let mut healthy = None;
    loop {
        let Event::Telemetry { error_rate, latency_ms, .. } = soon(server.next()).await else { continue };
        if healthy.is_none() {
            healthy = Some((error_rate, latency_ms));
            server.offer("p1", Offer::Deploy { action: 7, version: "2.0", update: "forced" });
        }
        if error_rate > 0.1 {
            assert!((0.18..0.22).contains(&error_rate) && (810.0..990.0).contains(&latency_ms));
            break;
        }
        assert!(error_rate < 0.01 && (30.0..50.0).contains(&latency_ms));
    }
    drop(fleet);
}

#[tokio::test]
async fn a_fleet_outlives_its_server() {
    let server = FakeServer::start().await;
    let address = server.address();
    let fleet = Fleet::start(options(&server)).unwrap();
    soon(fleet.wait_until(|now| now.polls >= 3)).await;
    server.kill().await;
    let away = soon(fleet.wait_until(|now| now.failed_polls >= 3)).await;

    let mut server = FakeServer::start_at(address).await;
    server.offer("p1", Offer::Deploy { action: 7, version: "2.0", update: "forced" });
    soon(fleet.wait_until(|now| now.polls > away.polls && now.installs == 1)).await;
    while soon(server.next()).await.to_string() != "7 closed success: Update Installed." {}
}

#[tokio::test]
async fn an_answer_without_sense_is_a_failed_poll() {
    let server = FakeServer::start().await;
    for nonsense in ["", "[]", "{", "{\"_links\":{\"deploymentBase\":{\"href\":\"http://[\"}}}"] {
        server.answer_polls_with(nonsense);
        let fleet = Fleet::start(options(&server)).unwrap();
        let end = soon(fleet.wait_until(|now| now.failed_polls >= 1)).await;
        assert_eq!(end.polls, 0, "{nonsense}");
    }
}

#[tokio::test]
async fn a_device_shows_its_own_token_and_otherwise_the_gateways() {
    let server = FakeServer::start().await;
    let with = |token: Option<&str>, gateway: Option<&str>| {
        let device = DeviceSpec { token: token.map(str::to_owned), ..pump("p1") };
        let gateway_token = gateway.map(str::to_owned);
        FleetOptions { devices: vec![device], gateway_token, ..options(&server) }
    };
    for good in [with(Some("token-of-p1"), Some("wrong")), with(None, Some("gateway-token"))] {
        let fleet = Fleet::start(good).unwrap();
        let end = soon(fleet.wait_until(|now| now.polls + now.failed_polls >= 2)).await;
        assert_eq!(end.failed_polls, 0);
    }
    for bad in [with(Some("wrong"), Some("gateway-token")), with(None, Some("wrong")), with(None, None)] {
        let fleet = Fleet::start(bad).unwrap();
        let end = soon(fleet.wait_until(|now| now.polls + now.failed_polls >= 2)).await;
        assert_eq!(end.polls, 0);
    }
    let Err(error) = Fleet::start(with(Some("two\nlines"), None)) else { panic!("it started") };
    assert!(matches!(error, FleetError::Token { .. }));
    assert_eq!(error.to_string(), "the token of `p1` cannot stand in a header: use printable ASCII");
}

#[tokio::test]
async fn many_devices_poll_evenly_and_none_fails() {
    let server = FakeServer::start().await;
    let devices = (0..300).map(|i| pump(&format!("p{i}"))).collect();
    let fleet = Fleet::start(FleetOptions { devices, poll_ms: Some(500), ..options(&server) }).unwrap();
    let end = soon(fleet.wait_until(|now| now.polls >= 900)).await;
    assert_eq!((end.failed_polls, end.by_version["1.0"]), (0, 300));
    let busiest = server.most_polls_of_a_device();
    assert!(busiest <= 5, "{busiest} polls of one device while the average is 3");
}
