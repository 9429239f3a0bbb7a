//! Feedback that is none. It is refused, and never counts as success.

use axum::http::Method;
use interlock_domain::AssignmentState as S;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::json;

use crate::world::{PUMP, World};

#[tokio::test]
async fn malformed_feedback_is_refused_and_changes_nothing() {
    let (world, rollout) = World::offering().await;
    let (action, _) = world.offered().await;
    world.say(&action, "proceeding", "none").await;
    let before = world.assignment(&rollout).await;
    for body in [
        "",
        "success",
        "{",
        "[]",
        "{}",
        r#"{"status":{}}"#,
        r#"{"status":{"execution":"closed","result":{}}}"#,
        r#"{"status":{"execution":"closed","result":{"finished":"succes"}}}"#,
        r#"{"status":{"execution":"finished","result":{"finished":"success"}}}"#,
        r#"{"status":["closed",{"finished":"success"},["x"]]}"#,
        r#"{"status":{"execution":"closed","result":{"finished":"success"},"details":"x"}}"#,
        // As SWUpdate sends it when a log line holds a quotation mark.
        r#"{"id":2,"status":{"result":{"finished":"success"},"execution":"closed","details":["no "boot" slot"]}}"#,
        r#"{"id":2,"status":{"result":{"finished":"success"},"execution":"closed","details":["cut sho"#,
    ] {
        let answer = world.ask(Method::POST, &format!("/deploymentBase/{action}/feedback"), body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["errorCode"], "hawkbit.server.error.rest.body.notReadable", "{body}");
        assert_eq!(world.assignment(&rollout).await, before, "{body}");
    }
    assert_eq!(world.say(&action, "closed", "success").await, 200, "what is well-formed still counts");
    assert_eq!(world.state(&rollout).await, S::Installed);
}

#[tokio::test]
async fn malformed_cancel_feedback_is_refused_and_changes_nothing() {
    let (world, mut rollout) = World::offering().await;
    let (action, _) = world.offered().await;
    world.recall(&mut rollout).await;
    let path = format!("/cancelAction/{action}/feedback");
    for body in ["", "{}", r#"{"status":{"execution":"canceled"}}"#] {
        assert_eq!(world.ask(Method::POST, &path, body).await.status, 400, "{body}");
    }
    assert_eq!(world.state(&rollout).await, S::Cancelling);
}

#[tokio::test]
async fn other_malformed_messages_are_refused() {
    let world = World::new().await;
    let before = world.stored(PUMP).await;
    for (method, path, body) in [
        (Method::PUT, "/configData", "{"),
        (Method::PUT, "/configData", r#"{"data":{}}"#),
        (Method::PUT, "/configData", r#"{"mode":"all","data":{"a":"b"}}"#),
        (Method::PUT, "/installedBase", r#"{"name":"x"}"#),
        (Method::PUT, "/installedBase", r#"{"name":"x","version":""}"#),
        (Method::POST, "/telemetry", r#"{"samples":[{"metric":"a"}]}"#),
        (Method::POST, "/telemetry", r#"{"samples":[{"metric":"interlock.failures","value":0}]}"#),
        (Method::POST, "/telemetry", r#"{"samples":[{"metric":"a","value":1e999}]}"#),
    ] {
        assert_eq!(world.ask(method, path, body).await.status, 400, "{path} {body}");
    }
    assert_eq!(world.stored(PUMP).await, before);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_in_the_words_of_the_protocol() {
    let world = World::configured(|config| config.devices.body_bytes_max = 2_000).await;
    let rollout = world.roll_out(&[PUMP]).await;
    let (action, _) = world.offered().await;
    let body = json!({"status": {
        "execution": "closed", "result": {"finished": "success"}, "details": ["x".repeat(2_000)]
    }});
    let answer =
        world.ask(Method::POST, &format!("/deploymentBase/{action}/feedback"), body.to_string()).await;
    assert_eq!(answer.status, 413);
    let refusal = json!({
        "exceptionClass": "org.eclipse.hawkbit.repository.exception.FileSizeQuotaExceededException",
        "errorCode": "hawkbit.server.error.quota.fileSizeExceeded",
        "message": "the body has more than 2000 bytes; send less at once"
    });
    assert_eq!(answer.json(), refusal);
    assert_eq!(world.state(&rollout).await, S::Offered);
}

#[tokio::test]
async fn too_many_and_too_long_details_are_shortened_not_refused() {
    let (world, rollout) = World::offering().await;
    let (action, _) = world.offered().await;
    let details: Vec<String> = (0..200).map(|n| format!("{n}:{}", "x".repeat(900))).collect();
    let body =
        json!({"status": {"execution": "proceeding", "result": {"finished": "none"}, "details": details}});
    let path = format!("/deploymentBase/{action}/feedback");
    assert_eq!(world.ask(Method::POST, &path, body.to_string()).await.status, 200);
    let detail = world.assignment(&rollout).await.detail;
    assert!(detail.starts_with("199:x") && detail.chars().count() == 512, "{detail}");
}

/// Whatever a device sends as feedback: bytes, words, and feedback with pieces missing.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let words = "[{}\\[\\]\":, a-z]{0,80}".prop_map(String::into_bytes);
    let whole = r#"{"id":2,"status":{"execution":"closed","result":{"finished":"success"},"details":["x"]}}"#;
    let cut = (0..whole.len()).prop_map(move |end| whole.as_bytes()[..end].to_vec());
    prop_oneof![prop::collection::vec(any::<u8>(), 0..200), words, cut]
}

#[test]
fn no_arbitrary_bytes_install_or_verify_anything() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (world, rollout, action) = runtime.block_on(async {
        let (world, rollout) = World::offering().await;
        let (action, _) = world.offered().await;
        (world, rollout, action)
    });
    let mut runner = TestRunner::new(ProptestConfig { cases: 200, ..ProptestConfig::default() });
    let run = runner.run(&anything(), |body| {
        runtime.block_on(async {
            let path = format!("/deploymentBase/{action}/feedback");
            let answer = world.ask(Method::POST, &path, body).await;
            prop_assert_eq!(answer.status.as_u16(), 400);
            prop_assert_eq!(world.state(&rollout).await, S::Offered);
            Ok(())
        })
    });
    run.unwrap();
}
