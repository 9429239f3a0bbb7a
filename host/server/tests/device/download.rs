//! Files: whole, in parts, and only for whom they are meant.

use axum::http::Method;
use interlock_domain::AssignmentState as S;

use crate::world::{PUMP, TENANT, World, base, firmware, token_of};

const SIZE: usize = 150_001;

#[tokio::test]
async fn a_file_comes_with_all_that_a_client_needs_to_resume_it() {
    let (world, _) = World::offering().await;
    let (_, file) = world.offered().await;
    let sha1 = world.artifact("2.0").await.sha1;
    let answer = world.fetch(Method::GET, &file, &[]).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body == firmware());
    for (name, value) in [
        ("content-length", SIZE.to_string().as_str()),
        ("content-type", "application/octet-stream"),
        ("accept-ranges", "bytes"),
        ("etag", &format!("\"{sha1}\"")),
        ("last-modified", "Fri, 20 Nov 2026 18:00:00 GMT"),
        ("content-disposition", "attachment; filename=\"pump-2.0.swu\""),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn neither_reading_the_deployment_nor_head_marks_a_download_but_get_does() {
    let (world, rollout) = World::offering().await;
    let (_, file) = world.offered().await;
    world.offered().await;
    let head = world.fetch(Method::HEAD, &file, &[]).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), SIZE.to_string());
    assert!(head.body.is_empty());
    assert_eq!(world.state(&rollout).await, S::Offered);
    world.fetch(Method::GET, &file, &[("range", "bytes=0-3")]).await;
    assert_eq!(world.state(&rollout).await, S::Downloading);
}

#[tokio::test]
async fn a_range_is_answered_as_the_rfc_says() {
    let (world, _) = World::offering().await;
    let (_, file) = world.offered().await;
    let (content, last) = (firmware(), SIZE - 1);
    for (range, status, content_range, part) in [
        // RAUC asks for the first four bytes before it streams.
        ("bytes=0-3", 206, format!("bytes 0-3/{SIZE}"), &content[..4]),
        ("bytes=65530-65545", 206, format!("bytes 65530-65545/{SIZE}"), &content[65_530..65_546]),
        ("bytes=150000-", 206, format!("bytes {last}-{last}/{SIZE}"), &content[last..]),
        ("bytes=-5", 206, format!("bytes {}-{last}/{SIZE}", SIZE - 5), &content[SIZE - 5..]),
        ("bytes=0-999999", 206, format!("bytes 0-{last}/{SIZE}"), &content[..]),
        ("bytes=150001-", 416, format!("bytes */{SIZE}"), &[]),
        ("bytes=-0", 416, format!("bytes */{SIZE}"), &[]),
        ("bytes=9-3", 200, String::new(), &content[..]),
        ("bytes=0-1,3-4", 200, String::new(), &content[..]),
        ("pages=1", 200, String::new(), &content[..]),
    ] {
        let answer = world.fetch(Method::GET, &file, &[("range", range)]).await;
        assert_eq!(answer.status, status, "{range}");
        assert_eq!(answer.header("content-range"), content_range, "{range}");
        assert!(answer.body == part, "{range}: {} bytes", answer.body.len());
        if status != 416 {
            assert_eq!(answer.header("content-length"), part.len().to_string(), "{range}");
        }
    }
    let head = world.fetch(Method::HEAD, &file, &[("range", "bytes=0-3")]).await;
    assert_eq!((head.status.as_u16(), head.header("content-range")), (200, ""), "HEAD has no ranges");
}

#[tokio::test]
async fn a_download_that_broke_off_is_resumed_where_it_was() {
    let (world, _) = World::offering().await;
    let (_, file) = world.offered().await;
    let mut received = world.fetch(Method::GET, &file, &[("range", "bytes=0-70000")]).await.body;
    let rest = format!("bytes={}-", received.len());
    received.extend(world.fetch(Method::GET, &file, &[("range", &rest)]).await.body);
    assert!(received == firmware());
}

#[tokio::test]
async fn a_part_is_only_sent_of_the_file_that_the_client_has_in_mind() {
    let (world, _) = World::offering().await;
    let (_, file) = world.offered().await;
    let etag = format!("\"{}\"", world.artifact("2.0").await.sha1);
    for (if_range, status) in [
        (etag.as_str(), 206),
        ("Fri, 20 Nov 2026 18:00:00 GMT", 206),
        ("\"0000\"", 200),
        (&format!("W/{etag}"), 200),
        ("Fri, 20 Nov 2026 18:00:01 GMT", 200),
    ] {
        let answer = world.fetch(Method::GET, &file, &[("range", "bytes=4-"), ("if-range", if_range)]).await;
        assert_eq!(answer.status, status, "{if_range}");
    }
    for (if_match, status) in
        [(etag.as_str(), 200), (etag.trim_matches('"'), 200), ("*", 200), ("\"0000\"", 412), ("", 412)]
    {
        let answer = world.fetch(Method::GET, &file, &[("if-match", if_match)]).await;
        assert_eq!(answer.status, status, "{if_match:?}");
    }
}

#[tokio::test]
async fn the_md5_of_a_file_is_given_as_md5sum_prints_it() {
    let (world, rollout) = World::offering().await;
    let (_, file) = world.offered().await;
    let answer = world.fetch(Method::GET, &format!("{file}.MD5SUM"), &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), format!("{}  pump-2.0.swu", world.artifact("2.0").await.md5));
    assert_eq!(world.state(&rollout).await, S::Offered);
}

#[tokio::test]
async fn a_device_gets_only_what_it_is_offered() {
    let (world, _) = World::offering().await;
    let (_, file) = world.offered().await;
    world.register("other", Some("1.0")).await;
    let path = file.replace("http://ddi.test", "").replace(PUMP, "other");
    assert!(path.starts_with(&base("other")));
    let token = format!("TargetToken {}", token_of("other"));
    let answer = world.send(Method::GET, &path, &[("authorization", &token)], "").await;
    assert_eq!(answer.status, 404);

    let old = world.artifact("1.0").await;
    let path = format!("/softwaremodules/{}/artifacts/{}", old.digest.to_hex(), old.file_name);
    assert_eq!(world.get(&path).await.status, 404);
    for wrong in [
        file.replace("pump-2.0.swu", "pump-1.0.swu"),
        format!("{file}.MD5"),
        file.replace("/artifacts/", "/"),
    ] {
        assert_eq!(world.fetch(Method::GET, &wrong, &[]).await.status, 404, "{wrong}");
    }
    for module in ["7", "", "g", &"g".repeat(64)] {
        assert_eq!(world.get(&format!("/softwaremodules/{module}/artifacts")).await.status, 404, "{module}");
    }
}

#[tokio::test]
async fn content_that_was_altered_at_rest_is_not_handed_out() {
    let (world, _) = World::offering().await;
    let (_, file) = world.offered().await;
    let artifact = world.artifact("2.0").await;
    let sealed = world.app.app.store.sealed(&TENANT.parse().unwrap(), &artifact.id).await.unwrap().unwrap();
    let sealed = serde_json::from_value(sealed).unwrap();
    world.app.app.vault.remove(&sealed, &artifact.digest).await.unwrap();
    let answer = world.fetch(Method::GET, &file, &[]).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["errorCode"], "hawkbit.server.error.repo.genericError");
}
