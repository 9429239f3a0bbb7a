//! Others who come to know of the ledger's checkpoints.

mod outside;

use std::{fs, process::Command};

use aws_lc_rs::hmac;
use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use interlock_domain::{Digest, Role};
use interlock_server::{
    config::{AnchorKind, LedgerAnchor},
    testing::{Client, TestApp},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::outside::{Authority, FakeHorizon, Receiver};

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

async fn start(anchors: Vec<LedgerAnchor>) -> (TestApp, Client) {
    let app = TestApp::configured(|config| config.ledger.anchors = anchors).await;
    let kim = app.person("Kim", &[Role::Auditor, Role::Operator]).await;
    (app, kim)
}

/// The next day, on which the keys of the day before work no more.
async fn another_day(app: &TestApp) -> Client {
    app.clock.advance(DAY_MS);
    app.person("Kim again", &[Role::Auditor, Role::Operator]).await
}

async fn anchored(who: &Client) -> Vec<Value> {
    who.get("/ledger/anchors").await.ok()["items"].as_array().unwrap().clone()
}

async fn ready(app: &TestApp) -> Value {
    let nobody = app.client("mercy", None);
    nobody.send(Method::GET, "//ready", &[], Body::empty()).await.json()["checks"]["anchors"].clone()
}

async fn failure(who: &Client) -> String {
    let status = who.get("/status").await.ok();
    status["ledger"]["anchors"][0]["failure"].as_str().unwrap_or_default().to_owned()
}

fn proof(anchor: &Value) -> Vec<u8> {
    STANDARD.decode(anchor["proof"].as_str().unwrap()).unwrap()
}

fn checkpoint(anchor: &Value) -> &str {
    let text = anchor["checkpoint"].as_str().unwrap();
    assert_eq!(Digest::of(text).to_hex(), anchor["sha256"].as_str().unwrap());
    text
}

fn tsa(authority: &Authority) -> LedgerAnchor {
    LedgerAnchor {
        name: "tsa".to_owned(),
        url: authority.url.clone(),
        timestamp_trust_file: authority.trust(),
        ..LedgerAnchor::default()
    }
}

#[tokio::test]
async fn a_timestamp_authority_signs_the_checkpoint_once_a_day_and_openssl_agrees() {
    for ec in [false, true] {
        let authority = Authority::start("leaf", ec).await;
        let (app, kim) = start(vec![tsa(&authority)]).await;
        app.have_anchored().await;
        app.have_anchored().await;
        let found = anchored(&kim).await;
        assert_eq!(found.len(), 1, "{found:?} {}", failure(&kim).await);
        assert_eq!((&found[0]["anchor"], &found[0]["kind"]), (&json!("tsa"), &json!("timestamp")));
        assert!(authority.verifies(&proof(&found[0]), checkpoint(&found[0]).as_bytes()));
        assert!(!authority.verifies(&proof(&found[0]), b"another checkpoint"));
        assert_eq!(ready(&app).await["status"], "ok");
        // Nothing new, then something new on the same day, then another day.
        kim.post("/groups", json!({ "name": "lab" })).await.ok();
        app.have_anchored().await;
        assert_eq!(anchored(&kim).await.len(), 1);
        let kim = another_day(&app).await;
        app.have_anchored().await;
        let found = anchored(&kim).await;
        assert_eq!(found.len(), 2);
        assert!(found[0]["size"].as_u64() > found[1]["size"].as_u64(), "newest first");
        let first = kim.get("/ledger/anchors?limit=1").await.ok();
        let next = first["next_cursor"].as_str().unwrap_or_else(|| panic!("{first}"));
        let second = kim.get(&format!("/ledger/anchors?limit=1&cursor={next}")).await.ok();
        assert_eq!(second["items"][0], found[1]);
    }
}

#[tokio::test]
async fn a_timestamp_that_does_not_hold_is_none_and_is_asked_for_again() {
    let (authority, other) = (Authority::start("leaf", false).await, Authority::start("leaf", true).await);
    let wrong_purpose = Authority::start("wrong", false).await;
    // Of somebody else than whom is trusted; of a certificate for something else.
    let stranger = LedgerAnchor { timestamp_trust_file: other.trust(), ..tsa(&authority) };
    for (anchor, said) in [(stranger, "timestamp_trust_file"), (tsa(&wrong_purpose), "500")] {
        let (app, kim) = start(vec![anchor]).await;
        app.have_anchored().await;
        assert_eq!(anchored(&kim).await, [] as [Value; 0]);
        assert!(failure(&kim).await.contains(said), "{said}: {}", failure(&kim).await);
        assert_eq!(ready(&app).await["status"], "degraded");
    }
    let (app, kim) = start(vec![tsa(&authority)]).await;
    app.have_anchored().await;
    let good = proof(&anchored(&kim).await[0]);
    // Answers of an earlier request, and altered ones.
    kim.post("/groups", json!({ "name": "lab" })).await.ok();
    let kim = another_day(&app).await;
    let replayed = authority.folder.path().join("replayed.tsr");
    let mut altered = Vec::new();
    for at in (0..good.len()).step_by(97) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        altered.push(bytes);
    }
    for bytes in [good].into_iter().chain(altered) {
        fs::write(&replayed, bytes).unwrap();
        app.clock.advance(MINUTE_MS);
        app.have_anchored().await;
        assert_eq!(anchored(&kim).await.len(), 1);
        assert_ne!(failure(&kim).await, "");
    }
    fs::remove_file(&replayed).unwrap();
    // Not before it is time to try again.
    app.have_anchored().await;
    assert_eq!(anchored(&kim).await.len(), 1);
    app.clock.advance(MINUTE_MS);
    app.have_anchored().await;
    assert_eq!(anchored(&kim).await.len(), 2);
    assert_eq!(failure(&kim).await, "");
}

#[tokio::test]
async fn checkpoints_are_committed_and_pushed_and_a_remote_that_moved_on_is_said() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "--quiet", "--bare", &at("remote")]);
    let anchor = LedgerAnchor {
        name: "git".to_owned(),
        kind: AnchorKind::Git,
        url: at("remote"),
        git_dir: dir.path().join("own"),
        git_branch: "ledger".to_owned(),
        every_ms: 3_600_000,
        ..LedgerAnchor::default()
    };
    let (app, kim) = start(vec![anchor]).await;
    for name in ["lab", "ward"] {
        kim.post("/groups", json!({ "name": name })).await.ok();
        app.have_anchored().await;
        app.clock.advance(3_600_000);
    }
    let found = anchored(&kim).await;
    assert_eq!(found.len(), 2, "{}", failure(&kim).await);
    let remote = format!("--git-dir={}", at("remote"));
    for anchor in &found {
        let commit = anchor["reference"].as_str().unwrap();
        let there = git(&[&remote, "show", &format!("{commit}:mercy/checkpoint")]);
        assert_eq!(there, checkpoint(anchor));
        assert_eq!(git(&[&remote, "cat-file", "commit", commit]).trim_end().as_bytes(), proof(anchor));
    }
    // Both logs, one after the other.
    assert_eq!(git(&[&remote, "rev-list", "--count", "ledger"]).trim(), "3");
    assert!(git(&[&remote, "ls-tree", "-r", "--name-only", "ledger"]).contains("system/checkpoint"));
    // Somebody wrote the history anew: it is not overwritten, and said.
    let (tree, blob) = (git(&[&remote, "rev-parse", "ledger^{tree}"]), "-mforged");
    let who = ["-c", "user.name=eve", "-c", "user.email=eve@x"];
    let forged = git(&[&who[..], &[&remote, "commit-tree", tree.trim(), blob]].concat());
    git(&[&remote, "update-ref", "refs/heads/ledger", forged.trim()]);
    kim.post("/groups", json!({ "name": "icu" })).await.ok();
    app.have_anchored().await;
    assert_eq!(anchored(&kim).await.len(), 2);
    assert!(failure(&kim).await.contains("`git push`"), "{}", failure(&kim).await);
    assert_eq!(git(&[&remote, "rev-parse", "ledger"]), forged);
}

#[tokio::test]
async fn a_webhook_is_signed_tried_again_and_follows_nobody_elsewhere_or_inside() {
    let (receiver, dir) = (Receiver::start().await, TempDir::new().unwrap());
    let key = [7; 32];
    let secret = dir.path().join("secret");
    fs::write(&secret, format!("whsec_{}\n", STANDARD.encode(key))).unwrap();
    let anchor = LedgerAnchor {
        name: "hook".to_owned(),
        kind: AnchorKind::Webhook,
        url: receiver.url.clone(),
        webhook_secret_file: secret,
        webhook_inside: true,
        ..LedgerAnchor::default()
    };
    // An address inside, as it stands and by name.
    let port = receiver.url.rsplit(':').next().unwrap();
    for url in [receiver.url.clone(), format!("http://localhost:{port}")] {
        let (app, kim) = start(vec![LedgerAnchor { webhook_inside: false, url, ..anchor.clone() }]).await;
        app.have_anchored().await;
        assert!(failure(&kim).await.contains("inside"), "{}", failure(&kim).await);
        assert!(receiver.seen.lock().unwrap().is_empty());
    }
    let (app, kim) = start(vec![anchor]).await;
    for refused in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::TEMPORARY_REDIRECT] {
        *receiver.answers.lock().unwrap() = refused;
        app.have_anchored().await;
        assert!(failure(&kim).await.contains(refused.as_str()), "{}", failure(&kim).await);
        assert_eq!(receiver.seen.lock().unwrap().drain(..).count(), 2, "once a log, and nowhere else");
        app.clock.advance(MINUTE_MS);
    }
    *receiver.answers.lock().unwrap() = StatusCode::NO_CONTENT;
    app.have_anchored().await;
    let found = anchored(&kim).await;
    assert_eq!(found.len(), 1, "{}", failure(&kim).await);
    let seen = receiver.seen.lock().unwrap().clone();
    let (headers, body) = seen.iter().find(|(_, body)| body.as_bytes() == proof(&found[0])).unwrap();
    let header = |name: &str| headers[name].to_str().unwrap();
    let signed = format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp"));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
    assert_eq!(header("webhook-signature"), format!("v1,{}", STANDARD.encode(tag)));
    let said: Value = serde_json::from_str(body).unwrap();
    assert_eq!(said["data"]["checkpoint"], checkpoint(&found[0]));
    assert_eq!(said["type"], "ledger.checkpoint");
    assert!(found[0]["reference"].as_str().unwrap().starts_with(header("webhook-id")));
}

/// Horizon is a fake: there is no network here. What it is sent is read by Stellar's own library.
#[tokio::test]
async fn a_stellar_transaction_carries_the_digest_and_stellars_own_library_reads_it() {
    let dir = TempDir::new().unwrap();
    // The key of all sevens.
    let seed = "SADQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQP54X";
    let id = "GDVEU3DD4KOFECV66VIHWEZOYX4ZKR3WV27L464SIIPOU2IUI3JCZA57";
    fs::write(dir.path().join("secret"), seed).unwrap();
    let passphrase = "Interlock's own ; November 2026";
    let mut horizon = FakeHorizon::start(id, passphrase);
    let anchor = LedgerAnchor {
        name: "stellar".to_owned(),
        kind: AnchorKind::Stellar,
        url: horizon.url.clone(),
        stellar_passphrase: passphrase.to_owned(),
        stellar_secret_file: dir.path().join("secret"),
        stellar_fee: 250,
        ..LedgerAnchor::default()
    };
    let other =
        LedgerAnchor { name: "other".to_owned(), stellar_passphrase: "another".to_owned(), ..anchor.clone() };
    let (app, kim) = start(vec![anchor]).await;
    app.have_anchored().await;
    let found = anchored(&kim).await;
    assert_eq!(found.len(), 1, "{}", failure(&kim).await);
    let seen = [horizon.taken(), horizon.taken()];
    let mercy = seen.iter().find(|seen| seen["name"] == "interlock/mercy").unwrap();
    assert_eq!((&mercy["value"], &mercy["memo"]), (&found[0]["sha256"], &found[0]["sha256"]));
    assert_eq!(Digest::of(checkpoint(&found[0])).to_hex(), mercy["value"].as_str().unwrap());
    assert_eq!(mercy["fee"], 250);
    assert!(found[0]["reference"].as_str().unwrap().starts_with(mercy["hash"].as_str().unwrap()));
    // It took too long to say so, and it is in.
    kim.post("/groups", json!({ "name": "lab" })).await.ok();
    let kim = another_day(&app).await;
    reqwest::Client::new().post(format!("{}/slow", horizon.url)).body("x").send().await.unwrap();
    app.have_anchored().await;
    assert_eq!(anchored(&kim).await.len(), 2, "{}", failure(&kim).await);
    // Signed for another network.
    let (app, kim) = start(vec![other]).await;
    app.have_anchored().await;
    assert!(failure(&kim).await.contains("tx_bad_auth"), "{}", failure(&kim).await);
    assert!(!format!("{:?}", app.app).contains(seed));
}
