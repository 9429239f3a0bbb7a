use axum::{body::Body, http::Method};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use interlock_domain::{Digest, Role, SignedStatement};
use interlock_server::testing::{Answer, Client, TestApp};

async fn manager() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let manager = app.person("Ana", &[Role::ReleaseManager]).await;
    (app, manager)
}

fn digest_of(content: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Digest::of(content).as_bytes()))
}

/// Announces one content and sends another.
async fn push(
    client: &Client,
    announced: &[u8],
    length: usize,
    sent: &[u8],
    more: &[(&str, &str)],
) -> Answer {
    let (digest, length) = (digest_of(announced), length.to_string());
    let headers =
        [("content-digest", digest.as_str()), ("content-length", &length), ("interlock-kind", "firmware")];
    let headers: Vec<(&str, &str)> = headers.into_iter().chain(more.iter().copied()).collect();
    client.send(Method::PUT, "/artifacts/fw/1.0", &headers, Body::from(sent.to_vec())).await
}

#[tokio::test]
async fn an_artifact_is_pushed_listed_and_shown_with_the_worth_of_its_signature() {
    let (_app, manager) = manager().await;
    let signed =
        SignedStatement { statement: "{}".into(), signature: "AAAA".into(), key_id: "ab".repeat(32) };
    let pushed = manager.push("fw", "1.0", b"content", Some(&signed)).await;
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    assert_eq!(pushed.ok()["digest"], Digest::of(b"content").to_string());
    assert_eq!(pushed.ok()["signature"]["outcome"], "unknown_key");
    let location = format!("/{}", pushed.header("location"));
    let shown = manager.send(Method::GET, &location, &[], Body::empty()).await.ok();
    assert_eq!(shown["file_name"], "fw-1.0");
    assert_eq!(shown["signed"]["signature"], "AAAA");
    let listed = manager.get("/artifacts").await.ok();
    assert_eq!(listed["items"][0]["version"], "1.0");
}

#[tokio::test]
async fn pushing_the_same_again_is_no_error_and_another_content_is() {
    let (_app, manager) = manager().await;
    let first = manager.push("fw", "1.0", b"content", None).await;
    let again = manager.push("fw", "1.0", b"content", None).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 200));
    assert_eq!(first.ok()["id"], again.ok()["id"]);
    manager.push("fw", "1.0", b"other", None).await.problem("exists");
}

#[tokio::test]
async fn each_way_in_which_an_upload_can_be_wrong_is_told_apart_and_nothing_is_kept() {
    let (_app, manager) = manager().await;
    push(&manager, b"whole content", 13, b"whole", &[]).await.problem("cut-short");
    push(&manager, b"whole", 5, b"whole content", &[]).await.problem("longer-than-announced");
    push(&manager, b"whole content", 13, b"Whole content", &[]).await.problem("digest-mismatch");
    let huge = (8usize) << 30;
    push(&manager, b"whole content", huge, b"whole", &[]).await.problem("artifact-too-large");
    assert_eq!(manager.get("/artifacts").await.ok()["items"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_nothing() {
    let (_app, manager) = manager().await;
    let digest = digest_of(b"whole content");
    let headers =
        [("content-digest", digest.as_str()), ("content-length", "13"), ("interlock-kind", "firmware")];
    let broken = [Ok("whole".as_bytes()), Err(std::io::Error::other("connection reset"))];
    let body = Body::from_stream(futures::stream::iter(broken));
    let answer = manager.send(Method::PUT, "/artifacts/fw/1.0", &headers, body).await;
    assert!(!answer.problem("interrupted")["detail"].to_string().contains("reset"), "{}", answer.text());
    manager.push("fw", "1.0", b"whole content", None).await.ok();
}

#[tokio::test]
async fn a_header_that_is_missing_or_wrong_is_named() {
    let (_app, manager) = manager().await;
    let digest = digest_of(b"x");
    let all = [("content-digest", digest.as_str()), ("content-length", "1"), ("interlock-kind", "firmware")];
    for (without, slug, header) in [
        ("content-digest", "bad-header", Some("Content-Digest")),
        ("content-length", "length-required", None),
        ("interlock-kind", "bad-header", Some("Interlock-Kind")),
    ] {
        let headers: Vec<(&str, &str)> = all.into_iter().filter(|(name, _)| *name != without).collect();
        let answer = manager.send(Method::PUT, "/artifacts/fw/1.0", &headers, Body::from("x")).await;
        assert_eq!(answer.problem(slug).get("header").and_then(|name| name.as_str()), header);
    }
    let unreadable = push(&manager, b"x", 1, b"x", &[("interlock-signed", "???")]).await;
    assert_eq!(unreadable.problem("bad-header")["header"], "Interlock-Signed");
    let bad_name = manager.push("f%20w", "1.0", b"x", None).await;
    assert_eq!(bad_name.problem("invalid")["field"], "/name");
}

#[tokio::test]
async fn who_may_not_push_is_denied() {
    let app = TestApp::start().await;
    let viewer = app.person("Vic", &[Role::Viewer]).await;
    viewer.push("fw", "1.0", b"content", None).await.problem("denied");
}
