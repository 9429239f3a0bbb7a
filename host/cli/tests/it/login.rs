//! Logging in through a browser on this machine.

use std::process::Stdio;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use crate::fake::{Body, FakeServer, run};

#[tokio::test]
async fn the_code_that_a_browser_brings_is_given_with_what_the_program_alone_has() {
    let server = FakeServer::start().await;
    let body = json!({ "name": "Ana", "csrf_token": "of the session", "session": { "id": "ses_1", "ends_at": "later" },
        "account": { "id": "acc_1", "tenant": "grace" } });
    server.answers([(200, Body::Session("__Host-interlock=token; Path=/", body))]);
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("session.json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_interlock"))
        .args(["--server", &server.url, "--tenant", "mercy", "login", "--oidc", "clinic"])
        .env_clear()
        .env("INTERLOCK_SESSION_FILE", &file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next_line().await.unwrap().expect("it shows no address");
        if line.trim().starts_with("http") {
            break reqwest::Url::parse(line.trim()).unwrap();
        }
    };
    assert!(address.as_str().starts_with(&format!("{}/v1/login/oidc/clinic?", server.url)), "{address}");
    let query: std::collections::BTreeMap<_, _> = address.query_pairs().into_owned().collect();
    let there = format!("http://127.0.0.1:{}", query["port"]);
    let browser = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(browser.get(format!("{there}/favicon.ico")).send().await.unwrap().status(), 404);
    assert_eq!(browser.get(format!("{there}/?code=brought")).send().await.unwrap().status(), 200);
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        said.push_str(&line);
    }
    assert!(said.contains("logged in at `grace`, not at `mercy`"), "{said}");
    let out = child.wait_with_output().await.unwrap();
    let shown = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success() && shown.contains("Ana") && !shown.contains("of the session"), "{shown}");
    let (path, sent) = server.asked().pop().unwrap();
    assert_eq!((path.as_str(), &sent["code"]), ("POST /v1/login/handed", &json!("brought")));
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(sent["verifier"].as_str().unwrap()));
    assert_eq!(challenge, query["challenge"]);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept.contains("__Host-interlock=token"), "{kept}");
    // The provider is of one tenant, and the session of that one, whatever was named.
    assert!(kept.contains("grace") && !kept.contains("mercy"), "{kept}");
}

#[tokio::test]
async fn a_name_and_a_provider_are_two_ways() {
    for arguments in [
        ["login", "Ana", "--oidc", "clinic"].as_slice(),
        &["login"],
        &["login", "--oidc", "clinic", "--recovery"],
    ] {
        assert_eq!(run(arguments, "").await.code, 2, "{arguments:?}");
    }
}
