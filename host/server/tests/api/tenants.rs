use axum::{body::Body, http::Method};
use interlock_domain::{AccountKind, Role, Scope};
use interlock_server::{
    api,
    testing::{Client, TENANT, TestApp},
};
use serde_json::{Value, json};

/// Every operation of the document with its parameters filled in, and the scope that it says it needs.
fn operations(tenant: &str) -> Vec<(Method, String, String)> {
    let document = api::document();
    let mut operations = Vec::new();
    // What stands outside any tenant is asked before anybody is known.
    let below =
        document["paths"].as_object().into_iter().flatten().filter(|(path, _)| path.contains("{tenant}"));
    for (path, item) in below {
        let path = path
            .replace("{tenant}", tenant)
            .replace("{name}", "fw")
            .replace("{version}", "1")
            .replace("{digest}", &format!("sha256:{}", "0".repeat(64)))
            .replace("{id}", "chg_00000000000000000000000000000001");
        for (method, operation) in item.as_object().into_iter().flatten() {
            let Ok(method) = method.to_ascii_uppercase().parse::<Method>() else { continue };
            if operation.get("responses").is_none() {
                continue;
            }
            let scope = operation["security"][0]["key"][0].as_str().unwrap_or("none").to_owned();
            operations.push((method, path.clone(), scope));
        }
    }
    assert!(operations.len() > 30, "{}", operations.len());
    operations
}

async fn knock(client: &Client, method: Method, path: &str) -> Value {
    let headers = [("content-type", "application/json"), ("idempotency-key", path), ("content-length", "2")];
    let answer = client.send(method, &format!("/{path}"), &headers, Body::from("{}")).await;
    // The checkpoint is text.
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    json!({ "status": answer.status.as_u16(), "problem": problem })
}

#[tokio::test]
async fn no_route_tells_anything_of_another_tenant() {
    let app = TestApp::start().await;
    let everything = Role::ALL;
    let scopes = [Scope::Read, Scope::Write, Scope::Admin];
    let eva = app.person("Eva", &everything).await;
    eva.post("/groups", json!({ "name": "fw" })).await.ok();
    let stranger = app.with_key("elsewhere", AccountKind::User, "Sam", &everything, &scopes).await;
    for (method, path, _) in operations(TENANT) {
        let there = knock(&stranger, method.clone(), &path).await;
        assert_eq!(there["status"], 404, "{method} {path}: {there}");
        assert_eq!(there["problem"]["detail"], format!("there is no tenant `{TENANT}`"), "{method} {path}");
        let nowhere = knock(&stranger, method.clone(), &path.replace(TENANT, "nowhere")).await;
        assert_eq!(nowhere["status"], there["status"], "a tenant that exists looks like one that does not");
    }
}

#[tokio::test]
async fn no_route_answers_nobody() {
    let app = TestApp::start().await;
    let nobody = app.client(TENANT, None);
    for (method, path, _) in operations(TENANT) {
        assert_eq!(knock(&nobody, method.clone(), &path).await["status"], 401, "{method} {path}");
    }
}

#[tokio::test]
async fn every_route_asks_for_the_scope_that_the_document_names() {
    let app = TestApp::start().await;
    let scopes = [("read", Scope::Read), ("write", Scope::Write), ("admin", Scope::Admin)];
    for (name, without) in scopes {
        let others: Vec<Scope> =
            scopes.iter().map(|(_, scope)| *scope).filter(|scope| *scope != without).collect();
        let eva = app.scoped(&format!("Eva {name}"), &Role::ALL, &others).await;
        for (method, path, scope) in operations(TENANT) {
            let answer = knock(&eva, method.clone(), &path).await;
            let out_of_scope = answer["problem"]["type"] == "/problems/out-of-scope";
            assert_eq!(out_of_scope, scope == name, "{method} {path} without {name}: {answer}");
        }
    }
}

#[tokio::test]
async fn ids_of_another_tenant_are_not_found() {
    let app = TestApp::start().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let sam = app
        .with_key(
            "elsewhere",
            AccountKind::User,
            "Sam",
            &Role::ALL,
            &[Scope::Read, Scope::Write, Scope::Admin],
        )
        .await;
    let key = json!({ "name": "Ben", "kind": "user", "roles": [], "scopes": ["read"], "expires_in_ms": 1 });
    let key = eva.post("/keys", key).await.ok()["id"].as_str().unwrap().to_owned();
    eva.post("/devices", json!({ "id": "pump-1", "environment": "production", "model": "x2" })).await.ok();
    sam.get("/devices/pump-1").await.problem("not-found");
    sam.ask(Method::DELETE, "/devices/pump-1", &[], None).await.problem("not-found");
    sam.ask(Method::DELETE, &format!("/keys/{key}"), &[], None).await.problem("not-found");
    eva.get("/devices/pump-1").await.ok();
}
