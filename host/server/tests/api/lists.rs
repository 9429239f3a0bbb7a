use std::collections::BTreeSet;

use interlock_domain::Role;
use interlock_server::testing::{Client, TestApp};
use serde_json::{Value, json};

async fn with_pumps(count: usize) -> (TestApp, Client) {
    let app = TestApp::start().await;
    let admin = app.person("Eva", &[Role::Administrator, Role::Auditor]).await;
    admin.post("/groups", json!({ "name": "even" })).await.ok();
    let pumps: Vec<Value> = (0..count)
        .map(|n| {
            let groups = if n % 2 == 0 { vec!["even"] } else { vec![] };
            let site = if n < 3 { "north" } else { "south" };
            json!({ "id": format!("pump-{n:03}"), "environment": "production", "model": "x2", "site": site, "groups": groups })
        })
        .collect();
    admin.post("/devices:import", pumps.into()).await.ok();
    (app, admin)
}

/// All items, part by part.
async fn all(client: &Client, path: &str) -> Vec<Vec<Value>> {
    let mut parts = Vec::new();
    let mut next = path.to_owned();
    loop {
        let mut part = client.get(&next).await.ok();
        let items = part["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        parts.push(items);
        match part["next_cursor"].as_str() {
            Some(cursor) => next = format!("{path}&cursor={cursor}"),
            None => return parts,
        }
    }
}

#[tokio::test]
async fn parts_follow_each_other_without_gap_or_repeat() {
    let (_app, admin) = with_pumps(25).await;
    let parts = all(&admin, "/devices?limit=10").await;
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    let ids: BTreeSet<String> = parts.concat().iter().map(|device| device["id"].to_string()).collect();
    assert_eq!(ids.len(), 25);
}

#[tokio::test]
async fn a_last_part_that_is_full_has_no_next() {
    let (_app, admin) = with_pumps(20).await;
    assert_eq!(all(&admin, "/devices?limit=10").await.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10]);
}

#[tokio::test]
async fn filters_hold_in_every_part() {
    let (_app, admin) = with_pumps(9).await;
    let even = all(&admin, "/devices?limit=2&group=even").await.concat();
    assert_eq!(even.len(), 5);
    assert!(even.iter().all(|device| device["groups"] == json!(["even"])));
    assert_eq!(all(&admin, "/devices?limit=2&site=north&state=active").await.concat().len(), 3);
    assert_eq!(all(&admin, "/devices?limit=2&environment=staging").await.concat().len(), 0);
}

#[tokio::test]
async fn the_ledger_pages_too_newest_first() {
    let (_app, admin) = with_pumps(9).await;
    let entries = all(&admin, "/ledger/entries?limit=4").await.concat();
    let places: Vec<u64> = entries.iter().filter_map(|entry| entry["index"].as_u64()).collect();
    assert!(places.len() > 9);
    assert_eq!(places, (0..places.len() as u64).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_parameter_that_does_not_fit_is_named() {
    let (_app, admin) = with_pumps(1).await;
    for (query, parameter) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=cHVtcC0x", "cursor"),
        ("state=broken", "state"),
        ("environment=Not%20A%20Name", "environment"),
        ("colour=red", "colour"),
        ("site=a&site=b", "site"),
    ] {
        let problem = admin.get(&format!("/devices?{query}")).await.problem("invalid");
        assert_eq!(problem["parameter"], parameter, "{query}: {problem}");
    }
}

/// Somebody who holds a role in one environment only.
async fn of_staging(app: &TestApp, admin: &Client, role: &str) -> Client {
    let request = json!({
        "name": format!("{role} of staging"), "kind": "user", "roles": [{ "role": role, "environment": "staging" }],
        "scopes": ["read"], "expires_in_ms": 60_000,
    });
    let key = admin.post("/keys", request).await.ok();
    app.client("mercy", key["key"].as_str())
}

#[tokio::test]
async fn whoever_reads_in_one_environment_sees_that_of_every_list_and_no_more() {
    let (app, admin) = with_pumps(7).await;
    let vera = of_staging(&app, &admin, "viewer").await;
    assert_eq!(
        vera.get("/devices").await.ok()["items"],
        json!([]),
        "nothing is there, and that is no denial"
    );
    let staged: Vec<Value> = (0..5)
        .map(|n| json!({ "id": format!("pump-{n:03}s"), "environment": "staging", "model": "x2" }))
        .collect();
    admin.post("/devices:import", staged.into()).await.ok();
    let parts = all(&vera, "/devices?limit=2").await;
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert!(parts.concat().iter().all(|device| device["environment"] == "staging"));
    assert_eq!(all(&vera, "/devices?limit=9&environment=staging").await.concat().len(), 5);
    vera.get("/devices?environment=production").await.problem("denied");
    assert_eq!(vera.get("/changes").await.ok()["items"], json!([]));
    vera.get("/changes?environment=production").await.problem("denied");
    // What the whole tenant shares takes a role in the whole tenant.
    vera.get("/decisions").await.problem("denied");
    vera.get("/artifacts").await.problem("denied");
    let stranger = app.person("Otto", &[]).await;
    stranger.get("/devices").await.problem("denied");
    stranger.get("/changes").await.problem("denied");
    assert_eq!(all(&admin, "/devices?limit=5").await.concat().len(), 12);
}

#[tokio::test]
async fn changes_and_their_decisions_are_seen_where_one_may_read() {
    let app = TestApp::with_plugins().await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    ana.push("fw", "2.0", b"content", None).await.ok();
    let mut changes = Vec::new();
    for environment in ["production", "staging", "production", "staging"] {
        let id = format!("pump-{}", changes.len());
        let device = json!({ "id": id, "environment": environment, "model": id });
        admin.post("/devices", device).await.ok();
        let proposal = json!({
            "environment": environment, "title": "2.0", "artifacts": [{ "name": "fw", "version": "2.0" }],
            "selector": { "model": id }, "strategy": { "plugin": "direct" },
        });
        changes.push(ana.post("/changes", proposal).await.ok()["id"].as_str().unwrap().to_owned());
    }
    let vera = of_staging(&app, &admin, "viewer").await;
    let seen: Vec<Value> = all(&vera, "/changes?limit=1").await.concat();
    let ids: Vec<&str> = seen.iter().filter_map(|change| change["id"].as_str()).collect();
    assert_eq!(ids, [changes[3].as_str(), changes[1].as_str()]);
    assert_eq!(all(&ana, "/changes?limit=3").await.concat().len(), 4);
    let about = |change: &str| format!("/decisions?change={change}");
    let decisions = vera.get(&about(&changes[1])).await.ok();
    let id = decisions["items"][0]["id"].as_str().unwrap();
    vera.get(&format!("/decisions/{id}")).await.ok();
    vera.get(&about(&changes[0])).await.problem("denied");
    let theirs = ana.get(&about(&changes[0])).await.ok();
    let id = theirs["items"][0]["id"].as_str().unwrap();
    vera.get(&format!("/decisions/{id}")).await.problem("denied");
}
