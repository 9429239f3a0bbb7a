//! Gates that other engines ask, and requests for access.

use serde_json::json;

use crate::fake::{Body, FakeServer, run};

const BELOW: &str = "/v1/tenants/default";

#[tokio::test]
async fn what_a_gate_answers_decides_the_exit_code() {
    let server = FakeServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("webhook.json");
    std::fs::write(&file, r#"{"name": "shop", "metadata": {"interlock/change": "chg_1"}}"#).unwrap();
    let file = file.to_str().unwrap();
    let allowed = json!({ "response": { "allowed": true } });
    for (status, body, code) in [
        (200, Body::Json(json!({ "decision": "allow" })), 0),
        (200, Body::Json(json!({ "decision": "pending" })), 1),
        (200, Body::Json(allowed), 0),
        (403, Body::Html("deny: it was rejected (dec_1)"), 1),
    ] {
        server.answers([(status, body)]);
        let run = server.run(&["gate", "try", "shop", "flagger/confirm-promotion", file], "").await;
        assert_eq!(run.code, code, "{run:?}");
        assert!(run.stdout.contains(&format!("\"status\": {status}")), "{run:?}");
    }
    let (asked, body) = server.asked().pop().unwrap();
    assert_eq!(asked, format!("POST {BELOW}/gates/shop/flagger/confirm-promotion"));
    assert_eq!(body["metadata"]["interlock/change"], "chg_1");
    let absent = server.run(&["gate", "try", "shop", "argo", "/nonexistent"], "").await;
    assert_eq!(absent.code, 2, "{absent:?}");
}

#[tokio::test]
async fn a_gate_is_made_with_its_question_and_the_content_of_an_object_is_printed_as_it_is_compared() {
    let server = FakeServer::start().await;
    server.answers([(
        201,
        Body::Json(json!({ "name": "shop", "token": "ilg_1", "url": "/gate/ilg_1/kubernetes" })),
    )]);
    let made = server.run(&["gate", "create", "shop", "--engine", "kubernetes", "--content"], "").await;
    assert!(made.code == 0 && made.stdout.contains("/gate/ilg_1/kubernetes"), "{made:?}");
    let (_, body) = server.asked().pop().unwrap();
    assert_eq!(body["question"], json!({ "about": "change", "content": true }));
    assert_eq!(body["expires_in_ms"], 90_u64 * 24 * 3_600_000);
    for wrong in [
        &["gate", "create", "shop", "--engine", "spinnaker"][..],
        &["gate", "create", "Shop", "--engine", "argo"],
        &["gate", "create", "shop", "--engine", "argo", "--about", "access", "--content"],
    ] {
        assert_eq!(server.run(wrong, "").await.code, 2, "{wrong:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("map.json");
    std::fs::write(&file, r#"{"kind": "ConfigMap", "data": {"b": "2", "a": "1"}, "metadata": {"uid": "7"}}"#)
        .unwrap();
    let content = run(&["gate", "content", file.to_str().unwrap()], "").await;
    assert_eq!(
        (content.code, content.stdout.as_str()),
        (0, r#"{"data":{"a":"1","b":"2"},"kind":"ConfigMap"}"#)
    );
}

#[tokio::test]
async fn a_request_for_access_is_approved_after_it_was_read() {
    let server = FakeServer::start().await;
    let request = json!({ "id": "acr_1", "status": "pending", "asked": { "subject": { "type": "user", "id": "alice" },
        "action": { "name": "read" }, "resource": { "type": "record", "id": "7" } } });
    server.answers([(200, Body::Json(request))]);
    let approve = ["access", "approve", "acr_1", "--reason", "on call", "--minutes", "30"];
    let refused = server.run(&approve, "n\n").await;
    assert!(refused.code == 1 && refused.stderr.contains("let `alice` do `read` to `7`"), "{refused:?}");
    assert_eq!(server.asked().len(), 1, "it was read and nothing else");
    let done = server.run(&approve, "y\n").await;
    assert_eq!(done.code, 0, "{done:?}");
    let (asked, body) = server.asked().pop().unwrap();
    assert_eq!(asked, format!("POST {BELOW}/access-requests/acr_1/approve"));
    assert_eq!(body, json!({ "reason": "on call", "approve_for_ms": 1_800_000 }));
}
