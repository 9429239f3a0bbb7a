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

/// The files of stored content.
fn stored(app: &TestApp) -> Vec<std::path::PathBuf> {
    let mut folders = vec![app.app.config.artifacts.dir.join("content")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

/// A push whose content ends with something else.
async fn push_while(
    client: &Client,
    content: &'static [u8],
    last: impl Future<Output = ()> + Send + 'static,
) -> Answer {
    let (digest, length) = (digest_of(content), content.len().to_string());
    let headers =
        [("content-digest", digest.as_str()), ("content-length", &length), ("interlock-kind", "firmware")];
    let body = Body::from_stream(futures::stream::once(async move {
        last.await;
        Ok::<_, std::io::Error>(content)
    }));
    client.send(Method::PUT, "/artifacts/fw/1.0", &headers, body).await
}

#[tokio::test]
async fn content_that_is_gone_is_not_said_to_be_stored_and_pushing_it_again_heals_it() {
    let (app, manager) = manager().await;
    let first = manager.push("fw", "1.0", b"content", None).await.ok();
    for file in stored(&app) {
        std::fs::remove_file(file).unwrap();
    }
    // What is not the same is refused as before, and heals nothing.
    manager.push("fw", "1.0", b"other", None).await.problem("exists");
    assert_eq!(stored(&app).len(), 0);
    let healed = manager.push("fw", "1.0", b"content", None).await;
    assert_eq!((healed.status.as_u16(), &healed.ok()["id"]), (201, &first["id"]));
    let tenant = interlock_server::testing::TENANT.parse().unwrap();
    let artifact = app.app.store.artifact_by_version(&tenant, "fw", "1.0").await.unwrap().unwrap();
    let content = interlock_server::flow::artifact::content(&app.app, &artifact, None).await.unwrap();
    let content: Vec<bytes::Bytes> = futures::TryStreamExt::try_collect(content).await.unwrap();
    assert_eq!(content.concat(), b"content");
    assert_eq!(manager.push("fw", "1.0", b"content", None).await.status, 200);
}

#[tokio::test]
async fn of_two_pushes_at_once_the_slower_is_answered_as_if_it_had_come_later_and_leaves_nothing() {
    let (app, manager) = manager().await;
    let faster = manager.clone();
    let same = push_while(&manager, b"content", async move {
        assert_eq!(faster.push("fw", "1.0", b"content", None).await.status, 201);
    })
    .await;
    assert_eq!(same.status, 200, "{}", same.text());
    assert_eq!(stored(&app).len(), 1);

    let (app, manager) = self::manager().await;
    let faster = manager.clone();
    let other = push_while(&manager, b"content", async move {
        assert_eq!(faster.push("fw", "1.0", b"other", None).await.status, 201);
    })
    .await;
    other.problem("exists");
    assert_eq!(stored(&app).len(), 1);
}

#[tokio::test]
async fn content_is_kept_when_nobody_can_say_that_it_was_refused() {
    let (app, manager) = manager().await;
    let closing = app.app.clone();
    let answer = push_while(&manager, b"content", async move { closing.store.close().await }).await;
    assert!(answer.status.is_server_error(), "{}", answer.text());
    assert_eq!(stored(&app).len(), 1, "a row without content would be worse than content without a row");
}
