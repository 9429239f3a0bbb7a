//! Kubernetes' admission: what it sends, what it is answered, and what is let in.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Ward, ward, ward_of};
use interlock_domain::object_content;

/// What the API server sends of a ConfigMap, with these annotations.
fn review(operation: &str, object: Value, old: Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": { "group": "", "version": "v1", "kind": "ConfigMap" },
            "resource": { "group": "", "version": "v1", "resource": "configmaps" },
            "name": "pump-limits", "namespace": "ward-3", "operation": operation,
            "userInfo": { "username": "ana", "groups": ["system:authenticated"] },
            "object": object, "oldObject": old, "dryRun": false,
            "options": { "apiVersion": "meta.k8s.io/v1", "kind": "UpdateOptions" },
        },
    })
}

fn config_map(change: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": { "rate_ml_per_h_max": "250" },
        "metadata": { "name": "pump-limits", "namespace": "ward-3", "uid": "1",
            "annotations": { "interlock/change": change["id"], "change": "of somebody else" } },
    })
}

impl Ward {
    /// Whether it is let in, and the message when it is not.
    async fn admits(&self, gate: &str, body: &Value) -> (bool, String) {
        let answer = self.asks(&format!("{gate}/kubernetes?timeout=10s"), body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.ok();
        assert_eq!(
            (&answer["apiVersion"], &answer["kind"]),
            (&json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
        );
        let response = &answer["response"];
        assert_eq!(response["uid"], body["request"]["uid"]);
        let allowed = response["allowed"].as_bool().unwrap();
        if !allowed {
            assert_eq!(
                (&response["status"]["code"], &response["status"]["reason"]),
                (&json!(403), &json!("Forbidden"))
            );
        }
        (allowed, response["status"]["message"].as_str().unwrap_or_default().to_owned())
    }
}

#[tokio::test]
async fn an_edit_is_let_in_with_an_admitted_change_and_waits_for_one_that_is_not() {
    let ward = ward().await;
    let gate = ward.about_change("kubernetes").await;
    let change = ward.change("staging").await;
    let edit = review("UPDATE", config_map(&change), config_map(&json!({})));
    let answer = ward.asks(&format!("{gate}/kubernetes"), &edit).await.ok();
    assert!(answer["response"]["status"]["message"].as_str().unwrap().starts_with("pending: "), "{answer}");
    let warning = answer["response"]["warnings"][0].as_str().unwrap();
    assert!(warning.len() <= 256 && !warning.contains('\n'), "{warning}");
    ward.app.reconcile().await;
    let answer = ward.asks(&format!("{gate}/kubernetes"), &edit).await.ok();
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    let decision = answer["response"]["auditAnnotations"]["decision"].as_str().unwrap().to_owned();
    let recorded = ward.auditor().await.get(&format!("/decisions/{decision}")).await.ok();
    let asked = &recorded["subject"]["asked"];
    assert_eq!((&asked["operation"], &asked["username"]), (&json!("UPDATE"), &json!("ana")));
    assert!(!asked.to_string().contains("250"), "what the object holds is on record by its digest: {asked}");

    // What is deleted is only in the old object; a dry run is answered like a real one.
    let mut gone = review("DELETE", json!(null), config_map(&change));
    assert!(ward.admits(&gate, &gone).await.0);
    gone["request"]["dryRun"] = json!(true);
    assert!(ward.admits(&gate, &gone).await.0);
    // To take the annotation away names no change, whatever was there before.
    let mut bare = config_map(&change);
    bare["metadata"].as_object_mut().unwrap().remove("annotations");
    let (allowed, why) = ward.admits(&gate, &review("UPDATE", bare, config_map(&change))).await;
    assert!(!allowed && why.contains("interlock/change"), "{why}");
    // A kind that nobody knows, and an operation without an object.
    let mut unknown = edit.clone();
    unknown["request"]["kind"] =
        json!({ "group": "ward.example", "version": "v1alpha1", "kind": "PumpProfile" });
    assert!(ward.admits(&gate, &unknown).await.0);
    let connect = review("CONNECT", json!({ "kind": "PodExecOptions", "command": ["sh"] }), json!(null));
    assert!(!ward.admits(&gate, &connect).await.0);
    let id = change["id"].as_str().unwrap();
    ward.ana.post(&format!("/changes/{id}/rollback"), json!({ "reason": "bad" })).await.ok();
    assert!(!ward.admits(&gate, &edit).await.0);
}

#[tokio::test]
async fn what_is_let_in_can_be_bound_to_what_was_approved() {
    let ward = ward().await;
    let gate = ward.gate("bound", "kubernetes", json!({ "about": "change", "content": true })).await;
    let content = object_content(&config_map(&json!({}))).unwrap();
    ward.ana.push("pump-limits", "7", &content, None).await.ok();
    let proposal = json!({
        "environment": "staging", "title": "limits", "artifacts": [{ "name": "pump-limits", "version": "7" }],
        "selector": { "all": true }, "strategy": { "plugin": "direct" },
    });
    let change = ward.ana.post("/changes", proposal).await.ok();
    ward.app.reconcile().await;
    assert!(ward.admits(&gate, &review("CREATE", config_map(&change), json!(null))).await.0);
    let mut other = config_map(&change);
    other["data"]["rate_ml_per_h_max"] = json!("2500");
    let (allowed, why) = ward.admits(&gate, &review("UPDATE", other, json!(null))).await;
    assert!(!allowed && why.contains("does not bring what this is: sha256:"), "{why}");
    let image = |image: &str| {
        let mut deployment = config_map(&change);
        deployment["apiVersion"] = json!("apps/v1");
        deployment["kind"] = json!("Deployment");
        deployment["spec"] = json!({ "template": { "spec": { "containers": [{ "image": image }] } } });
        review("UPDATE", deployment, json!(null))
    };
    let pinned = format!("registry/pump@{}", interlock_domain::Digest::of(&content));
    assert!(ward.admits(&gate, &image(&pinned)).await.0);
    let (allowed, why) = ward.admits(&gate, &image("registry/pump:7")).await;
    assert!(!allowed && why.contains("not pinned"), "{why}");
    assert!(!ward.admits(&gate, &review("DELETE", json!(null), json!(null))).await.0);
}

#[tokio::test]
async fn what_is_no_review_is_no_answer_so_that_the_failure_policy_decides() {
    let ward = ward_of(|config| config.engines.body_bytes_max = 4_000).await;
    let gate = ward.about_change("kubernetes").await;
    let good = review("UPDATE", json!({}), json!({}));
    for (pointer, value, said) in [
        ("/apiVersion", json!("admission.k8s.io/v1beta1"), "admission.k8s.io/v1"),
        ("/kind", json!("Review"), "AdmissionReview"),
        ("/request", json!(null), "`request` is missing"),
        ("/request/uid", json!(""), "`request.uid` is missing"),
        ("/request/uid", json!(7), "`request.uid` is missing"),
        ("/request/object", json!({ "data": "x".repeat(4_000) }), "more than 4000 bytes"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let answer = ward.asks(&format!("{gate}/kubernetes"), &bad).await;
        assert_eq!(answer.status, 400, "{pointer}");
        assert!(answer.text().contains(said), "{}", answer.text());
    }
    let twice = r#"{"kind": "AdmissionReview", "kind": "AdmissionReview"}"#;
    let answer = ward.nobody.send(Method::POST, &format!("{gate}/kubernetes"), &[], twice.into()).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn an_answer_comes_before_the_api_server_gives_up_and_is_then_a_no() {
    let ward = ward().await;
    let gate = ward.about_change("kubernetes").await;
    let change = ward.change("staging").await;
    ward.app.reconcile().await;
    let edit = review("UPDATE", config_map(&change), json!(null));
    assert!(ward.admits(&gate, &edit).await.0);
    // No time is left for an answer.
    let answer = ward.asks(&format!("{gate}/kubernetes?timeout=0s"), &edit).await.ok();
    let response = &answer["response"];
    assert_eq!(response["allowed"], false, "{answer}");
    assert!(response["status"]["message"].as_str().unwrap().contains("no answer within 0 ms"), "{answer}");
}
