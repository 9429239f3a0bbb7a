//! Kayenta from both sides: as Argo Rollouts calls it, and the judge that it calls itself.

use serde_json::{Value, json};

use super::ward;

fn scopes(change: &Value) -> Value {
    let scope = json!({ "scope": "shop", "location": "eu", "step": 60 });
    let experiment = json!({ "scope": change["id"], "location": "eu", "step": 60 });
    json!({ "scopes": { "default": { "controlScope": scope, "experimentScope": experiment } },
        "thresholds": { "pass": 95, "marginal": 75 } })
}

#[tokio::test]
async fn argo_looks_up_begins_and_reads_a_canary() {
    let ward = ward().await;
    let gate = ward.about_change("kayenta").await;
    let change = ward.change("staging").await;
    let found = ward
        .nobody
        .get(&format!("{gate}/kayenta/canaryConfig?application=shop&configurationAccountName=a"))
        .await
        .ok();
    assert_eq!(found, json!([{ "id": "kayenta-gate", "name": "kayenta-gate" }]));
    let begin = format!(
        "{gate}/kayenta/canary/kayenta-gate?application=shop&metricsAccountName=m&storageAccountName=s"
    );
    let score = async || {
        let begun = ward.asks(&begin, &scopes(&change)).await.ok();
        let path = format!("{gate}/kayenta/canary/{}", begun["canaryExecutionId"].as_str().unwrap());
        let read = ward.nobody.get(&path).await.ok();
        assert_eq!(read["complete"], true);
        read["result"]["judgeResult"]["score"]["score"].as_f64().unwrap()
    };
    assert!((score().await - 75.0).abs() < 1e-9, "pending is marginal, and Argo pauses for a person");
    ward.app.reconcile().await;
    assert!((score().await - 100.0).abs() < 1e-9);
    let id = change["id"].as_str().unwrap();
    ward.ana.post(&format!("/changes/{id}/rollback"), json!({ "reason": "bad" })).await.ok();
    assert!(score().await.abs() < 1e-9);

    assert_eq!(
        ward.asks(&begin.replace("canary/kayenta-gate", "canary/other"), &scopes(&change)).await.status,
        404
    );
    for pointer in ["/thresholds", "/scopes"] {
        let mut bad = scopes(&change);
        *bad.pointer_mut(pointer).unwrap() = json!(null);
        ward.asks(&begin, &bad).await.problem("invalid");
    }
    // An execution is read through its own gate only.
    let begun = ward.asks(&begin, &scopes(&change)).await.ok();
    let other = ward.gate("other", "kayenta", json!({ "about": "change" })).await;
    let path = format!("{other}/kayenta/canary/{}", begun["canaryExecutionId"].as_str().unwrap());
    assert_eq!(ward.nobody.get(&path).await.status, 404);
    assert_eq!(ward.nobody.get(&format!("{gate}/kayenta/canary/x")).await.status, 404);
}

/// What Kayenta sends its remote judge: two metrics in two groups.
fn canary(latency: &[f64], errors: &Value) -> Value {
    let metric = |name: &str, group: &str, more: Value| json!({ "name": name, "groups": [group], "analysisConfigurations": { "canary": more }, "scopeName": "default" });
    let pair = |name: &str, experiment: Value, control: Value| {
        json!({ "name": name, "id": format!("{name}-id"), "tags": {}, "values": { "experiment": experiment, "control": control },
            "scopes": {}, "attributes": {} })
    };
    let control: Vec<f64> = (0..40).map(|sample| 100.0 + f64::from(sample % 7)).collect();
    json!({
        "canaryConfig": {
            "name": "shop", "metrics": [
                metric("latency", "speed", json!({ "direction": "increase", "effectSize": { "allowedIncrease": 1.1 } })),
                metric("errors", "errors", json!({ "direction": "increase", "nanStrategy": "replace" })),
            ],
            "classifier": { "groupWeights": { "speed": 60.0, "errors": 40.0 } },
        },
        "scoreThresholds": { "pass": 95.0, "marginal": 40.0 },
        "metricSetPairList": [
            pair("latency", json!(latency), json!(control)),
            pair("errors", errors.clone(), json!([0.0, 0.0, 0.0, 0.0])),
        ],
    })
}

/// What it could judge.
pub(super) fn good() -> Value {
    canary(&[1.0], &json!([0.0]))
}

#[tokio::test]
async fn the_remote_judge_gives_the_plugins_numbers_in_kayentas_words() {
    let ward = ward().await;
    let gate = ward.about_change("kayenta").await;
    let judge = async |body: &Value| ward.asks(&format!("{gate}/kayenta/judge"), body).await;
    let like: Vec<f64> = (0..40).map(|sample| 100.0 + f64::from(sample % 7)).collect();
    let slow: Vec<f64> = (0..40).map(|sample| 150.0 + f64::from(sample % 7)).collect();
    let none = json!([0.0, "NaN", null, 0.0]);

    let good = judge(&canary(&like, &none)).await.ok();
    assert_eq!(good["score"]["score"], 100.0, "{good}");
    assert_eq!(good["score"]["classification"], "Pass");

    let bad = judge(&canary(&slow, &none)).await.ok();
    assert_eq!(
        (&bad["score"]["score"], &bad["score"]["classification"]),
        (&json!(40.0), &json!("Marginal")),
        "{bad}"
    );
    assert_eq!(bad["judgeName"], "interlock-canary-judge");
    let latency = &bad["results"][0];
    assert_eq!(
        (&latency["name"], &latency["id"], &latency["classification"]),
        (&json!("latency"), &json!("latency-id"), &json!("High"))
    );
    let ratio = latency["resultMetadata"]["ratio"].as_f64().unwrap();
    assert!((ratio - 152.875 / 102.875).abs() < 1e-9, "{ratio}");
    assert_eq!(latency["experimentMetadata"]["stats"]["count"], 40);
    assert_eq!(bad["results"][1]["classification"], "Pass");
    let groups: Vec<(&str, f64)> = bad["groupScores"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (group["name"].as_str().unwrap(), group["score"].as_f64().unwrap()))
        .collect();
    assert_eq!(groups, [("errors", 100.0), ("speed", 0.0)]);

    // A critical metric that does not pass takes all of it.
    let mut critical = canary(&slow, &none);
    critical["canaryConfig"]["metrics"][0]["analysisConfigurations"]["canary"]["critical"] = json!(true);
    let failed = judge(&critical).await.ok();
    assert_eq!(
        (&failed["score"]["score"], &failed["score"]["classification"]),
        (&json!(0.0), &json!("Fail")),
        "{failed}"
    );

    // Both the call and what the gate made of it are on record, and can be made again.
    let auditor = ward.auditor().await;
    let decisions = auditor.get("/decisions?limit=200").await.ok();
    let mine: Vec<&Value> = decisions["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|each| each["subject"]["type"] == "gate")
        .collect();
    assert_eq!(mine.len(), 3);
    assert_eq!(mine[0]["subject"]["facts"]["score_bp"], 0);
    for decision in mine {
        let path = format!("/decisions/{}/replay", decision["id"].as_str().unwrap());
        assert_eq!(auditor.post(&path, json!({})).await.ok()["identical"], true, "{decision}");
    }
}

#[tokio::test]
async fn what_the_judge_cannot_read_is_refused_by_its_field() {
    let ward = ward().await;
    let gate = ward.about_change("kayenta").await;
    let good = canary(&[1.0], &json!([0.0]));
    for (pointer, value, field) in [
        ("/scoreThresholds/pass", json!(101), "/scoreThresholds/pass"),
        ("/canaryConfig", json!(null), "/canaryConfig"),
        ("/metricSetPairList", json!(null), "/metricSetPairList"),
        ("/metricSetPairList/0/name", json!("cpu"), "/metricSetPairList/0/name"),
        ("/metricSetPairList/1/values/control", json!(["x"]), "/metricSetPairList/1/values/control"),
        (
            "/canaryConfig/classifier/groupWeights/speed",
            json!(-1),
            "/canaryConfig/classifier/groupWeights/speed",
        ),
        ("/canaryConfig/classifier/groupWeights/speed", json!(99), "/canaryConfig"),
        (
            "/canaryConfig/metrics/0/analysisConfigurations/canary/direction",
            json!("sideways"),
            "/canaryConfig",
        ),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let problem = ward.asks(&format!("{gate}/kayenta/judge"), &bad).await.problem("invalid");
        assert!(problem["field"].as_str().unwrap().starts_with(field), "{problem}");
    }
}

#[tokio::test]
async fn without_the_plugin_nothing_is_judged() {
    let ward = super::ward_of(|config| config.plugins.dir = std::path::PathBuf::from("/nonexistent")).await;
    let gate = ward.about_change("kayenta").await;
    let body = canary(&[1.0], &json!([0.0]));
    let problem = ward.asks(&format!("{gate}/kayenta/judge"), &body).await.problem("plugin-unusable");
    assert!(problem["detail"].as_str().unwrap().contains("canary-judge"), "{problem}");
}
