//! What is amiss for a tenant.

use serde_json::json;

use crate::fake::{Body, FakeServer};

#[tokio::test]
async fn what_is_amiss_is_shown_and_what_is_not_is_left_out() {
    let server = FakeServer::start().await;
    let amiss = json!({ "status": "degraded", "application_refused": null, "evidence_failing": { "http.ticket": "said 500" },
        "plugins_unloaded": [] });
    server.answers([(200, Body::Json(amiss))]);
    let run = server.run(&["status"], "").await;
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("degraded") && run.stdout.contains("said 500"), "{run:?}");
    assert!(!run.stdout.contains("refused"), "{run:?}");
}
