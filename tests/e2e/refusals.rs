//! Bad input gets a clear problem that names the field and what to do, and nothing is lost or half-written.

use interlock_tests::{FIRMWARE, Hospital, Refused, Setup, text};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::program;

async fn hospital() -> Hospital {
    Hospital::open(program::quick(), 3).await.unwrap()
}

/// Posts what must be refused, and says how.
async fn refused(hospital: &Hospital, path: &str, body: &Value) -> Refused {
    match hospital.ana.try_post(path, body).await.unwrap() {
        Ok(body) => panic!("{path} was not refused: {body}"),
        Err(refused) => refused,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_that_does_not_fit_is_refused_with_the_field_named() {
    let hospital = hospital().await;
    hospital.push("2.0.0", 2).await.unwrap();
    let good = Hospital::proposal("2.0.0", "why", 1);
    let with = |pointer: &str, value: Value| {
        let mut body = good.clone();
        match pointer.rsplit_once('/') {
            Some((parent, key)) => body.pointer_mut(parent).unwrap()[key] = value,
            None => panic!("no pointer"),
        }
        body
    };
    let table = [
        (with("/colour", json!("red")), 422, "/colour"),
        (with("/title", json!(7)), 422, "/title"),
        (with("/title", json!("")), 422, "/title"),
        (with("/environment", json!("Production!")), 422, "/environment"),
        (with("/selector", json!({})), 422, "/selector"),
        (with("/selector", json!({ "model": "no-such-model" })), 422, "/selector"),
        (with("/artifacts", json!([])), 422, "/artifacts"),
        (with("/artifacts", json!([{ "name": FIRMWARE, "version": "9.9.9" }])), 422, "/artifacts/0"),
        (with("/strategy/plugin", json!("teleport")), 422, "/strategy/plugin"),
        (with("/strategy/settings", json!({ "stages": [] })), 422, "/strategy/settings"),
        (with("/strategy/settings", json!({ "max_failure_bp": 0.5 })), 422, "/strategy/settings"),
        (with("/strategy/settings", json!({ "speed": "fast" })), 422, "/strategy/settings"),
        (with("/strategy/plugin", json!("signature")), 422, "/strategy/plugin"),
    ];
    for (body, status, field) in table {
        let problem = refused(&hospital, "/changes", &body).await;
        assert_eq!(problem.status, status, "{body}: {problem:?}");
        let named = problem.field.clone().unwrap_or_default();
        assert!(named.starts_with(field), "{body}: the field is `{named}`, not `{field}`: {problem:?}");
    }
    let changes = hospital.ana.get("/changes").await.unwrap();
    assert_eq!(changes["items"].as_array().unwrap().len(), 0, "something was half-written: {changes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_does_not_count_says_why() {
    let hospital = hospital().await;
    hospital.push("2.0.0", 2).await.unwrap();
    let id = hospital.propose(&Hospital::proposal("2.0.0", "why", 1)).await.unwrap();
    let change = hospital.wait(&id, &["approving"]).await.unwrap();
    let path = format!("/changes/{id}/approve");
    let answer = |digest: &Value, reason: &str| json!({ "digest": digest, "reason": reason });

    let own = refused(&hospital, &path, &answer(&change["digest"], "mine")).await;
    assert_eq!((own.status, own.kind.as_str()), (403, "self-approval"), "{own:?}");

    hospital.approve(&hospital.ben, &id).await.unwrap();
    let again = hospital.ben.try_post(&path, &answer(&change["digest"], "again")).await.unwrap().unwrap_err();
    assert_eq!((again.status, again.kind.as_str()), (409, "already-approved"), "{again:?}");

    let silent = hospital.carla.try_post(&path, &answer(&change["digest"], " ")).await.unwrap().unwrap_err();
    assert_eq!(silent.status, 422, "{silent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_of_an_older_digest_does_not_count_after_a_revision() {
    let hospital = hospital().await;
    let fleet = hospital.switch_on(Vec::new()).unwrap();
    hospital.everybody_on(&fleet, "1.0.0").await.unwrap();
    hospital.push("2.0.0", 2).await.unwrap();
    let id = hospital.propose(&Hospital::proposal("2.0.0", "why", 1)).await.unwrap();
    hospital.approve(&hospital.ben, &id).await.unwrap();
    let before = hospital.change(&id).await.unwrap();

    let revised =
        hospital.ana.put(&format!("/changes/{id}"), &Hospital::proposal("2.0.0", "slower", 2)).await.unwrap();
    assert_ne!(revised["digest"], before["digest"]);
    hospital.wait(&id, &["approving"]).await.unwrap();
    // Carla read the change before it was revised, and answers to what she read.
    let older = json!({ "digest": before["digest"], "reason": "read it yesterday" });
    let path = format!("/changes/{id}/approve");
    let stale = hospital.carla.try_post(&path, &older).await.unwrap().unwrap_err();
    assert_eq!((stale.status, stale.kind.as_str()), (409, "other-digest"), "{stale:?}");
    for digest in [&before["digest"], &revised["digest"]] {
        assert!(stale.detail.contains(digest.as_str().unwrap()), "{stale:?}");
    }
    let approvals = hospital.change(&id).await.unwrap()["approvals"].clone();
    assert_eq!(approvals.as_array().unwrap().len(), 1, "only Ben's, of the older digest: {approvals}");

    hospital.approve(&hospital.carla, &id).await.unwrap();
    let held = hospital.until(&id, |change| !change["hold"].is_null()).await.unwrap();
    assert_eq!(text(&held, "/state"), "approving");
    let why = hospital.ana.get(&format!("/changes/{id}/explain")).await.unwrap();
    assert!(!why.pointer("/missing/needed").unwrap().as_array().unwrap().is_empty(), "{why}");
    // Ben may answer to the new digest.
    hospital.approve(&hospital.ben, &id).await.unwrap();
    hospital.wait(&id, &["rolling_out"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_unknown_revoked_or_out_of_scope_do_nothing() {
    let hospital = hospital().await;
    let url = format!("{}/v1/tenants/mercy/changes", hospital.server.url);
    let http = Client::new();
    assert_eq!(http.get(&url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let wrong = format!("{}x", hospital.ana.key);
    assert_eq!(http.get(&url).bearer_auth(wrong).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);

    let reader = json!({ "name": "Rae", "kind": "user", "roles": [{ "role": "release_manager" }],
        "scopes": ["read"], "expires_in_ms": 60_000 });
    let made = hospital.ines.post("/keys", &reader).await.unwrap();
    let rae = hospital.ines.colleague("Rae", text(&made, "/key"));
    rae.get("/changes").await.unwrap();
    let refused =
        rae.try_post("/changes", &Hospital::proposal("2.0.0", "why", 1)).await.unwrap().unwrap_err();
    assert_eq!(refused.status, 403, "{refused:?}");

    hospital.ines.delete(&format!("/keys/{}", text(&made, "/id"))).await.unwrap();
    assert_eq!(http.get(&url).bearer_auth(&rae.key).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);

    let elsewhere = format!("{}/v1/tenants/other/changes", hospital.server.url);
    let other = http.get(elsewhere).bearer_auth(&hospital.ana.key).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::NOT_FOUND);

    let long = json!({ "name": "Lo", "kind": "user", "roles": [], "scopes": ["read"], "expires_in_ms": 7_776_000_001_u64 });
    let refused = hospital.ines.try_post("/keys", &long).await.unwrap().unwrap_err();
    assert_eq!((refused.status, refused.field.as_deref()), (422, Some("/expires_in_ms")), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_is_cut_short_or_altered_on_the_way_leaves_nothing() {
    let hospital = hospital().await;
    let (content, signed) = hospital.build("2.0.0", 2).unwrap();
    let half = content[..content.len() / 2].to_vec();
    let refused =
        hospital.ana.push_as(FIRMWARE, "2.0.0", half, &content, &signed).await.unwrap().unwrap_err();
    assert_eq!(refused.status, 422, "{refused:?}");
    let artifacts = hospital.ana.get("/artifacts").await.unwrap();
    assert!(
        !artifacts["items"].as_array().unwrap().iter().any(|artifact| text(artifact, "/version") == "2.0.0"),
        "{artifacts}"
    );
    hospital.push("2.0.0", 2).await.unwrap();
    // The same content again is a repetition; other content under the same version is not.
    let mut other = content.clone();
    other.push(0);
    let taken = hospital.ana.push_as(FIRMWARE, "2.0.0", other.clone(), &other, &signed).await.unwrap();
    assert_eq!(taken.unwrap_err().status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsigned_or_rolled_back_release_is_refused_by_the_gate_each_with_its_reason() {
    let hospital = hospital().await;
    hospital.push("3.0.0", 9).await.unwrap();
    let fleet = hospital.switch_on(Vec::new()).unwrap();
    hospital.everybody_on(&fleet, "1.0.0").await.unwrap();
    let id = hospital.propose(&Hospital::proposal("3.0.0", "why", 0)).await.unwrap();
    hospital.approve(&hospital.ben, &id).await.unwrap();
    hospital.approve(&hospital.carla, &id).await.unwrap();
    hospital.wait(&id, &["completed"]).await.unwrap();

    let (content, signed) = hospital.build("2.5.0", 5).unwrap();
    hospital.ana.push(FIRMWARE, "2.5.0", content, &signed).await.unwrap();
    let lower = hospital.propose(&Hospital::proposal("2.5.0", "older", 0)).await.unwrap();
    let change = hospital.wait(&lower, &["rejected"]).await.unwrap();
    assert!(change.to_string().contains("release-counter-lower"), "{change}");

    let (content, mut signed) = hospital.build("4.0.0", 10).unwrap();
    signed.key_id = "0".repeat(64);
    hospital.ana.push(FIRMWARE, "4.0.0", content, &signed).await.unwrap();
    let stranger = hospital.propose(&Hospital::proposal("4.0.0", "who signed?", 0)).await.unwrap();
    let change = hospital.wait(&stranger, &["rejected"]).await.unwrap();
    assert!(change.to_string().contains("signature-unknown-key"), "{change}");
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_does_not_validate_is_refused_and_the_last_good_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in interlock_policy::default_files() {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let base = program::quick();
    let config = format!("[policies]\ndir = \"{}\"\n{}", folder.path().display(), base.config);
    let hospital = Hospital::open(Setup { config, ..base }, 1).await.unwrap();
    let before = hospital.ines.get("/bundle").await.unwrap();

    std::fs::write(
        folder.path().join("broken.cedar"),
        "permit (principal, action, resource) when { nonsense };",
    )
    .unwrap();
    let refused = hospital.ines.try_post("/bundle/reload", &json!({})).await.unwrap().unwrap_err();
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.detail.contains("broken.cedar"), "{refused:?}");
    assert_eq!(hospital.ines.get("/bundle").await.unwrap()["digest"], before["digest"]);

    // The next revision loads, so it was the fault that kept the first one out.
    std::fs::remove_file(folder.path().join("broken.cedar")).unwrap();
    let about = folder.path().join("bundle.toml");
    let revision = before["revision"].as_u64().unwrap();
    let (old, new) = (format!("revision = {revision}"), format!("revision = {}", revision + 1));
    let text = std::fs::read_to_string(&about).unwrap();
    assert!(text.contains(&old), "{text}");
    std::fs::write(&about, text.replace(&old, &new)).unwrap();
    // Under another name it is a new request, not the refused one again.
    let ines_again = hospital.ines.colleague("Ines, after the repair", hospital.ines.key.clone());
    let loaded = ines_again.post("/bundle/reload", &json!({})).await.unwrap();
    assert_eq!(loaded["revision"], revision + 1);
    assert_ne!(loaded["digest"], before["digest"]);
    assert_eq!(hospital.ines.get("/bundle").await.unwrap()["digest"], loaded["digest"]);
}

/// A component that is the gate `signature` in every respect, but also imports this.
fn signature_gate_that_imports(import: &str) -> Vec<u8> {
    let mut component = std::fs::read(program::plugins().join("signature.wasm")).unwrap();
    // A component is a preamble of eight bytes and sections in any order; this import refers to nothing before it.
    let addition =
        wat::parse_str(format!("(component (import \"{import}\" (type (sub resource))))")).unwrap();
    assert_eq!(component[..8], addition[..8], "the preambles differ");
    component.extend(&addition[8..]);
    component
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_with_foreign_imports_takes_down_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(program::plugins()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    std::fs::write(folder.path().join("zz-empty.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    std::fs::write(folder.path().join("zz-sockets.wasm"), signature_gate_that_imports("raw-socket")).unwrap();
    let setup = Setup { plugins: folder.path().to_owned(), ..program::quick() };
    let hospital = Hospital::open(setup, 1).await.unwrap();

    let ready = reqwest::get(format!("{}/ready", hospital.server.url)).await.unwrap();
    let ready: Value = ready.json().await.unwrap();
    let refused = ready["checks"]["plugins"]["refused"].as_array().unwrap();
    let reason = |file: &str| {
        let found = refused.iter().find(|refused| text(refused, "/file") == file);
        found.map(|refused| text(refused, "/reason")).unwrap_or_default()
    };
    assert!(reason("zz-sockets.wasm").contains("imports `raw-socket`"), "{ready}");
    assert!(reason("zz-empty.wasm").contains("exports none of"), "{ready}");
    assert_eq!(refused.len(), 2, "{ready}");

    // The gate that it would have replaced still judges.
    hospital.push("2.0.0", 2).await.unwrap();
    let id = hospital.propose(&Hospital::proposal("2.0.0", "why", 1)).await.unwrap();
    let change = hospital.wait(&id, &["approving"]).await.unwrap();
    let mut gates = change["gates"].as_array().unwrap().iter();
    let gate = gates.find(|gate| text(gate, "/plugin/name") == "signature").unwrap();
    assert_eq!(text(gate, "/verdict/outcome"), "pass");
}
