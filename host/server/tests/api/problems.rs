use axum::{body::Body, http::Method};
use interlock_server::{
    problem::Kind,
    testing::{TENANT, TestApp},
};

#[tokio::test]
async fn every_kind_of_problem_has_a_page_for_people_and_for_programs() {
    let app = TestApp::start().await;
    let nobody = app.client(TENANT, None);
    for kind in Kind::ALL {
        let path = format!("/{}", kind.path());
        let page = nobody.send(Method::GET, &path, &[("accept", "text/html,*/*")], Body::empty()).await;
        assert!(page.text().contains(kind.title()), "{}", page.text());
        assert!(page.header("content-type").starts_with("text/html"));
        let json = nobody.send(Method::GET, &path, &[("accept", "application/json")], Body::empty()).await;
        assert_eq!(json.ok()["status"], kind.status().as_u16());
    }
    nobody.send(Method::GET, "//problems/nonsense", &[], Body::empty()).await.problem("not-found");
    let all =
        nobody.send(Method::GET, "//problems", &[("accept", "application/json")], Body::empty()).await.ok();
    assert_eq!(all["items"].as_array().unwrap().len(), Kind::ALL.len());
}

#[tokio::test]
async fn what_is_not_there_and_what_takes_no_such_method_are_problems_too() {
    let app = TestApp::start().await;
    let nobody = app.client(TENANT, None);
    let lost = nobody.send(Method::GET, "//v2/nothing", &[], Body::empty()).await;
    assert_eq!(lost.problem("not-found")["instance"], "/v2/nothing");
    let wrong = nobody.send(Method::DELETE, "//v1/tenants/mercy/changes", &[], Body::empty()).await;
    wrong.problem("method-not-allowed");
    for method in ["GET", "POST"] {
        assert!(wrong.header("allow").contains(method), "{}", wrong.header("allow"));
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let app = TestApp::start().await;
    let nobody = app.client(TENANT, None);
    for path in [
        "//health",
        "//v1/tenants/mercy/changes",
        "//nothing",
        "//docs/",
        "//problems",
        "//mercy/controller/v1/p",
    ] {
        let answer = nobody.send(Method::GET, path, &[], Body::empty()).await;
        for (name, value) in [
            ("strict-transport-security", "max-age=31536000; includeSubDomains"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("script-src") && !policy.contains("unsafe-eval"), "{path}");
        let expected = if path == "//docs/" { "default-src 'self'" } else { "default-src 'none'" };
        assert!(policy.starts_with(expected), "{path}: {policy}");
        assert!(!answer.header("x-trace-id").is_empty(), "{path}");
    }
    assert_eq!(nobody.get("/changes").await.header("cache-control"), "no-store");
}
