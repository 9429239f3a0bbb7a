//! The device edge as clients meet it: one test for each of the habits that they rely on.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions only, not in what they share")]

mod access;
mod download;
mod malformed;
mod world;

use axum::http::{Method, StatusCode};
use interlock_domain::{AssignmentState as S, DeviceHealth};
use interlock_server::device::{router, spawn_seen_flush};
use interlock_store::Window;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::world::{PUMP, TENANT, World, base, token_of};

#[tokio::test]
async fn a_poll_says_when_to_come_again_and_one_thing_to_do() {
    let (world, _) = World::offering().await;
    let polled = world.get("").await.ok();
    assert_eq!(polled["config"]["polling"]["sleep"], "00:05:00");
    let links = polled["_links"].as_object().unwrap();
    assert_eq!(links.len(), 1, "{links:?}");
    assert!(links.contains_key("deploymentBase"));
}

#[tokio::test]
async fn a_poll_without_work_has_no_link() {
    let world = World::new().await;
    let polled = world.get("").await.ok();
    assert_eq!(polled, json!({"config": {"polling": {"sleep": "00:05:00"}}, "_links": {}}));
}

#[tokio::test]
async fn links_are_absolute_and_begin_as_the_client_reached_us() {
    let (world, _) = World::offering().await;
    let href = world.links().await["deploymentBase"]["href"].as_str().unwrap().to_owned();
    assert!(href.starts_with("http://ddi.test/mercy/controller/v1/pump-1/deploymentBase/"), "{href}");
}

#[tokio::test]
async fn links_begin_with_the_public_address_when_there_is_one() {
    let world = World::configured(|config| {
        config.server.public_url = "https://updates.mercy.example/ddi/".to_owned()
    });
    let world = world.await;
    world.register("new", None).await;
    let token = format!("TargetToken {}", token_of("new"));
    let polled = world.send(Method::GET, &base("new"), &[("authorization", &token)], "").await.ok();
    let href = "https://updates.mercy.example/ddi/mercy/controller/v1/new/configData";
    assert_eq!(polled["_links"], json!({"configData": {"href": href}}));
}

#[tokio::test]
async fn a_host_that_is_none_is_not_repeated() {
    let world = World::new().await;
    world.register("new", None).await;
    let token = format!("TargetToken {}", token_of("new"));
    for host in ["evil@example", "a b", "\"", ""] {
        let headers = [("authorization", token.as_str()), ("host", host)];
        let request =
            headers.into_iter().fold(axum::http::Request::get(base("new")), |request, (name, value)| {
                request.header(name, value)
            });
        let request = request.body(axum::body::Body::empty()).unwrap();
        let answer = tower::ServiceExt::oneshot(router(world.app.app.clone()), request).await.unwrap();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains("http://127.0.0.1:8080/mercy"), "{host:?}");
    }
}

#[tokio::test]
async fn action_ids_are_decimal_strings_because_rauc_ignores_numbers() {
    let (world, mut rollout) = World::offering().await;
    let (action, _) = world.offered().await;
    assert!(action.parse::<u32>().is_ok_and(|action| action <= i32::MAX as u32), "{action}");
    world.recall(&mut rollout).await;
    let cancel = world.get(&format!("/cancelAction/{action}")).await.ok();
    assert_eq!(cancel, json!({"id": action, "cancelAction": {"stopId": action}}));
}

#[tokio::test]
async fn every_success_is_exactly_200_because_rauc_takes_201_for_a_failure() {
    let (world, _) = World::offering().await;
    let (action, file) = world.offered().await;
    assert_eq!(world.fetch(Method::GET, &file, &[]).await.status, 200);
    assert_eq!(world.say(&action, "proceeding", "none").await, 200);
    assert_eq!(world.say(&action, "closed", "success").await, 200);
    assert_eq!(world.report("2.0").await, 200);
    let installed = json!({"name": "pump-firmware", "version": "2.0"}).to_string();
    assert_eq!(world.ask(Method::PUT, "/installedBase", installed).await.status, 200);
    let samples = json!({"samples": [{"metric": "error_rate", "value": 0.004}]}).to_string();
    assert_eq!(world.ask(Method::POST, "/telemetry", samples).await.status, 200);
    assert_eq!(world.get("/confirmationBase").await.status, 200);
}

#[tokio::test]
async fn config_data_stands_alone_because_swupdate_installs_nothing_in_that_cycle() {
    let world = World::new().await;
    world.register("new", None).await;
    world.roll_out(&["new"]).await;
    let token = format!("TargetToken {}", token_of("new"));
    let authorized = [("authorization", token.as_str())];
    let poll = || world.send(Method::GET, "/mercy/controller/v1/new", &authorized, "");
    let links = poll().await.ok()["_links"].clone();
    assert_eq!(links, json!({"configData": {"href": "http://ddi.test/mercy/controller/v1/new/configData"}}));

    // As SWUpdate 2022.12 sends it: no mode, an empty id, a status.
    let body = r#"{"id":"","time":"20261120T190000","status":{"result":{"finished":"success"},"execution":"closed",
        "details":[""]},"data":{"firmware_version":"1.0","serial":"7"}}"#;
    let headers = [("authorization", token.as_str()), ("expect", "100-continue")];
    let put = world.send(Method::PUT, "/mercy/controller/v1/new/configData", &headers, body).await;
    assert_eq!(put.status, 200);
    let links = poll().await.ok()["_links"].clone();
    assert_eq!(
        links.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["deploymentBase"],
        "a sticky link blocks"
    );
    let device = world.stored("new").await.unwrap();
    assert_eq!(device.firmware.as_deref(), Some("1.0"));
    assert_eq!(device.attributes["serial"], "7");
}

#[tokio::test]
async fn config_data_without_a_version_is_not_asked_for_again() {
    let world = World::new().await;
    world.register("new", None).await;
    let token = format!("TargetToken {}", token_of("new"));
    let headers = [("authorization", token.as_str())];
    let body = json!({"data": {"serial": "7"}}).to_string();
    world.send(Method::PUT, "/mercy/controller/v1/new/configData", &headers, body).await.ok();
    let polled = world.send(Method::GET, "/mercy/controller/v1/new", &headers, "").await.ok();
    assert_eq!(polled["_links"], json!({}));
}

#[tokio::test]
async fn attributes_are_merged_replaced_and_removed() {
    let world = World::new().await;
    let put = async |body: serde_json::Value| {
        world.ask(Method::PUT, "/configData", body.to_string()).await.ok();
        serde_json::to_value(world.stored(PUMP).await.unwrap().attributes).unwrap()
    };
    assert_eq!(put(json!({"data": {"a": "1", "b": "2"}})).await, json!({"a": "1", "b": "2"}));
    assert_eq!(put(json!({"mode": "merge", "data": {"b": "3"}})).await, json!({"a": "1", "b": "3"}));
    assert_eq!(put(json!({"mode": "remove", "data": {"a": ""}})).await, json!({"b": "3"}));
    assert_eq!(
        put(json!({"mode": "replace", "data": {"health": "degraded"}})).await,
        json!({"health": "degraded"})
    );
    assert_eq!(world.stored(PUMP).await.unwrap().health, DeviceHealth::Degraded);
}

#[tokio::test]
async fn a_device_cannot_pile_up_attributes() {
    let world = World::new().await;
    let mut statuses = Vec::new();
    for round in 0..3 {
        let data: serde_json::Map<_, _> = (0..80).map(|n| (format!("k{round}-{n}"), json!("v"))).collect();
        let body = json!({"data": data}).to_string();
        statuses.push(world.ask(Method::PUT, "/configData", body).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 400]);
}

#[tokio::test]
async fn the_deployment_suits_both_clients() {
    let (world, _) = World::offering().await;
    let href = world.links().await["deploymentBase"]["href"].as_str().unwrap().to_owned();
    let (action, token) = href.rsplit_once('/').unwrap().1.split_once("?c=").unwrap();
    assert!(token.parse::<i32>().is_ok(), "{token}");
    let deployment = world.fetch(Method::GET, &href, &[]).await.ok();
    let artifact = world.artifact("2.0").await;
    let sha256 = artifact.digest.to_hex();
    let file =
        format!("http://ddi.test/mercy/controller/v1/pump-1/softwaremodules/{sha256}/artifacts/pump-2.0.swu");
    let (content, md5) = (json!({"href": file}), json!({"href": format!("{file}.MD5SUM")}));
    // Exactly one chunk with one artifact, for rauc-hawkbit-updater; `-http` links too, for SWUpdate without TLS.
    let expected = json!({
        "id": action,
        "deployment": {"download": "forced", "update": "forced", "chunks": [{
            "part": "os", "version": "2.0", "name": "pump-firmware", "artifacts": [{
                "filename": "pump-2.0.swu",
                "size": 150_001,
                "hashes": {"sha1": artifact.sha1, "md5": artifact.md5, "sha256": sha256},
                "_links": {"download": content, "download-http": content, "md5sum": md5, "md5sum-http": md5}
            }]
        }]}
    });
    assert_eq!(deployment, expected);
}

#[tokio::test]
async fn the_history_of_an_action_is_told_when_it_is_wanted() {
    let (world, _) = World::offering().await;
    let (action, _) = world.offered().await;
    world.say(&action, "proceeding", "none").await;
    let path = format!("/deploymentBase/{action}");
    assert_eq!(world.get(&format!("{path}?actionHistory=0")).await.ok().get("actionHistory"), None);
    let deployment = world.get(&format!("{path}?c=1&actionHistory=-1")).await.ok();
    assert_eq!(deployment["actionHistory"], json!({"status": "RUNNING", "messages": ["as it goes"]}));
}

#[tokio::test]
async fn withheld_work_has_no_link_because_skip_would_be_a_false_success_of_swupdate() {
    let (world, mut rollout) = World::offering().await;
    let (action, file) = world.offered().await;
    world.pause(&mut rollout).await;
    assert_eq!(world.links().await, json!({}));
    assert_eq!(world.get(&format!("/deploymentBase/{action}")).await.status, 404);
    assert_eq!(world.fetch(Method::GET, &file, &[]).await.status, 404);
}

#[tokio::test]
async fn the_deployment_stays_visible_until_swupdate_has_reported_after_its_restart() {
    let (world, mut rollout) = World::offering().await;
    let (action, file) = world.offered().await;
    assert_eq!(world.say(&action, "proceeding", "none").await, 200);
    world.fetch(Method::GET, &file, &[]).await;
    world.pause(&mut rollout).await;
    assert_eq!(world.offered().await.0, action, "also while the rollout is paused");
    assert_eq!(world.say(&action, "closed", "success").await, 200);
    assert_eq!(world.state(&rollout).await, S::Installed);
}

#[tokio::test]
async fn installed_is_not_verified_until_the_device_reports_the_new_version() {
    let (world, rollout) = World::offering().await;
    let (action, _) = world.offered().await;
    world.say(&action, "closed", "success").await;
    assert_eq!(world.state(&rollout).await, S::Installed);
    assert_eq!(world.links().await.as_object().unwrap().keys().collect::<Vec<_>>(), ["configData"]);
    world.report("2.0").await;
    assert_eq!(world.state(&rollout).await, S::Verified);
    assert_eq!(world.links().await, json!({}));
}

#[tokio::test]
async fn a_put_of_the_installed_base_counts_as_a_report() {
    let (world, rollout) = World::offering().await;
    let (action, _) = world.offered().await;
    world.say(&action, "closed", "success").await;
    let body = json!({"name": "pump-firmware", "version": "2.0"}).to_string();
    world.ask(Method::PUT, "/installedBase", body).await.ok();
    assert_eq!(world.state(&rollout).await, S::Verified);
}

#[tokio::test]
async fn what_was_installed_can_be_read_again() {
    let (world, _) = World::offering().await;
    let (action, file) = world.offered().await;
    let path = format!("/installedBase/{action}");
    assert_eq!(world.get(&path).await.status, 404, "it is not installed yet");
    world.say(&action, "closed", "success").await;
    world.report("2.0").await;
    assert_eq!(world.get(&path).await.ok()["deployment"]["chunks"][0]["version"], "2.0");
    let list = file.rsplit_once('/').unwrap().0;
    let listed = world.fetch(Method::GET, list, &[]).await.ok();
    assert_eq!(listed[0]["filename"], "pump-2.0.swu");
    assert_eq!(world.fetch(Method::GET, &file, &[]).await.status, 404, "but not be downloaded");
}

#[tokio::test]
async fn feedback_ids_may_be_numbers_strings_or_missing() {
    let (world, rollout) = World::offering().await;
    let (action, _) = world.offered().await;
    let number: u32 = action.parse().unwrap();
    for id in [json!(number), json!(action), json!(""), json!(null)] {
        let body = json!({"id": id, "time": "20261120T190000", "status": {
            "execution": "proceeding", "result": {"finished": "none", "progress": {"cnt": 1, "of": 2}},
            "code": 200, "details": ["Installing Update Chunk Artifacts."]
        }});
        let path = format!("/deploymentBase/{action}/feedback");
        assert_eq!(world.ask(Method::POST, &path, body.to_string()).await.status, 200, "{id}");
    }
    assert_eq!(world.state(&rollout).await, S::Installing);
}

#[tokio::test]
async fn a_closed_action_is_gone_and_an_unknown_one_not_found() {
    let (world, _) = World::offering().await;
    let (action, _) = world.offered().await;
    assert_eq!(world.say(&action, "closed", "failure").await, 200);
    assert_eq!(world.say(&action, "closed", "success").await, 410);
    assert_eq!(
        world.get(&format!("/deploymentBase/{action}")).await.status,
        404,
        "only feedback is told that it is"
    );
    for unknown in ["999998", "0", "-1", "abc", "99999999999999999999", "+2"] {
        assert_eq!(world.say(unknown, "closed", "success").await, 404, "{unknown}");
        assert_eq!(world.get(&format!("/deploymentBase/{unknown}")).await.status, 404, "{unknown}");
        assert_eq!(world.get(&format!("/cancelAction/{unknown}")).await.status, 404, "{unknown}");
        assert_eq!(world.get(&format!("/installedBase/{unknown}")).await.status, 404, "{unknown}");
    }
}

#[tokio::test]
async fn an_action_of_another_device_is_not_found() {
    let world = World::new().await;
    world.register("other", Some("1.0")).await;
    world.roll_out(&["other"]).await;
    let other =
        world.app.app.store.live_assignment(&TENANT.parse().unwrap(), &"other".parse().unwrap()).await;
    let action = other.unwrap().unwrap().0.action.to_string();
    assert_eq!(world.get(&format!("/deploymentBase/{action}")).await.status, 404);
    assert_eq!(world.say(&action, "closed", "success").await, 404);
}

#[tokio::test]
async fn a_cancellation_has_no_query_because_swupdate_puts_feedback_behind_it() {
    let (world, mut rollout) = World::offering().await;
    let (action, _) = world.offered().await;
    world.say(&action, "proceeding", "none").await;
    world.recall(&mut rollout).await;
    let href = world.links().await["cancelAction"]["href"].as_str().unwrap().to_owned();
    assert_eq!(href, format!("http://ddi.test/mercy/controller/v1/pump-1/cancelAction/{action}"));
    assert_eq!(world.get(&format!("/deploymentBase/{action}")).await.status, 404);

    let body = json!({"id": 7, "status": {"execution": "closed", "result": {"finished": "success"},
        "details": ["Operation canceled."]}});
    let feedback = format!("/cancelAction/{action}/feedback");
    assert_eq!(world.ask(Method::POST, &feedback, body.to_string()).await.status, 200);
    assert_eq!(world.links().await.as_object().unwrap().keys().collect::<Vec<_>>(), ["configData"]);
    assert_eq!(world.ask(Method::POST, &feedback, body.to_string()).await.status, 410);
    world.report("1.0").await;
    assert_eq!(world.state(&rollout).await, S::RolledBack);
}

#[tokio::test]
async fn a_device_is_brought_back_under_an_action_of_its_own() {
    let (world, mut rollout) = World::offering().await;
    let (action, _) = world.offered().await;
    world.say(&action, "closed", "success").await;
    world.report("2.0").await;
    world.recall(&mut rollout).await;
    let (back, file) = world.offered().await;
    assert_ne!(back, action);
    assert_eq!(world.fetch(Method::GET, &file, &[]).await.body, b"the old firmware");
    assert_eq!(world.say(&action, "closed", "success").await, 410, "the way forward is closed");
    assert_eq!(world.say(&back, "closed", "success").await, 200);
    assert_eq!(world.state(&rollout).await, S::Confirming);
    world.report("1.0").await;
    assert_eq!(world.state(&rollout).await, S::RolledBack);
    assert_eq!(
        world.get(&format!("/installedBase/{back}")).await.ok()["deployment"]["chunks"][0]["version"],
        "1.0"
    );
}

#[tokio::test]
async fn a_device_is_never_asked_for_its_consent() {
    let world = World::new().await;
    let base = world.get("/confirmationBase").await.ok();
    assert_eq!(base, json!({"autoConfirm": {"active": true}, "_links": {}}));
    for (path, status) in [
        ("/confirmationBase/activateAutoConfirm", 409),
        ("/confirmationBase/deactivateAutoConfirm", 409),
        ("/confirmationBase/7/feedback", 404),
    ] {
        assert_eq!(world.ask(Method::POST, path, "{}").await.status, status, "{path}");
    }
}

#[tokio::test]
async fn measurements_are_kept() {
    let (world, rollout) = World::offering().await;
    let (action, _) = world.offered().await;
    world.say(&action, "closed", "success").await;
    let body =
        json!({"samples": [{"metric": "error_rate", "value": 0.004}, {"metric": "latency_ms", "value": 12}]});
    world.ask(Method::POST, "/telemetry", body.to_string()).await.ok();
    let change = world.assignment(&rollout).await.change;
    let (from, to) = (world.app.app.clock.now(), world.app.app.clock.now().plus_millis(1));
    let store = &world.app.app.store;
    let tenant = TENANT.parse().unwrap();
    let cohort = interlock_domain::Cohort::Treatment;
    let window = Window { tenant: &tenant, change: &change, cohort, metric: "error_rate", from, to };
    assert_eq!(store.thinned(&window, 10).await.unwrap(), (vec![0.004], 1));
}

#[tokio::test]
async fn a_poll_writes_nothing_and_a_flush_writes_down_when_devices_were_heard_of() {
    let world = World::new().await;
    let seen =
        async || world.app.app.store.seen(&TENANT.parse().unwrap(), &PUMP.parse().unwrap()).await.unwrap();
    world.get("").await.ok();
    assert_eq!(seen().await, None);
    world.app.clock.advance(500);
    world.get("").await.ok();
    let stop = CancellationToken::new();
    stop.cancel();
    spawn_seen_flush(world.app.app.clone(), stop).await.unwrap();
    assert_eq!(seen().await, Some(world.app.app.clock.now()));
}

#[tokio::test]
async fn what_the_protocol_has_not_is_refused_in_its_words() {
    let world = World::new().await;
    let missing = world.get("/softwaremodule").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert_eq!(missing.json()["errorCode"], "hawkbit.server.error.repo.entitiyNotFound");
    let wrong = world.ask(Method::DELETE, "/configData", "").await;
    assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong.header("allow"), "PUT");
    let body = json!({
        "exceptionClass": "org.springframework.web.HttpRequestMethodNotSupportedException",
        "errorCode": "hawkbit.server.error.client.methodNotAllowed",
        "message": "this path is not for this method; the `Allow` header says for which it is"
    });
    assert_eq!(wrong.json(), body);
}
