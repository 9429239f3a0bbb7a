//! Holds the descriptions to the types that are sent: each of these documents is a domain value, and reading it as its
//! description and writing it again must give the same document. A field that only one of the two knows fails here.

use std::fmt::Debug;

use interlock_domain as domain;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{approval, change, decision, explanation, rollout};

const CHANGE: &str = "chg_00000000000000000000000000000001";
const DECISION: &str = "dec_00000000000000000000000000000001";
const PERSON: &str = "per_00000000000000000000000000000001";
const ACCOUNT: &str = "acc_00000000000000000000000000000001";
const AT: &str = "2026-11-20T18:00:00.000Z";

fn digest() -> String {
    domain::Digest::of(b"").to_string()
}

#[track_caller]
fn check<Domain, Wire>(document: Value)
where
    Domain: Serialize + DeserializeOwned,
    Wire: Serialize + DeserializeOwned + Debug,
{
    let sent = serde_json::to_value(serde_json::from_value::<Domain>(document).unwrap()).unwrap();
    let described = serde_json::from_value::<Wire>(sent.clone()).unwrap();
    assert_eq!(serde_json::to_value(described).unwrap(), sent);
}

fn plugin() -> Value {
    json!({ "name": "canary", "version": "1.0.0", "digest": digest() })
}

fn finding() -> Value {
    json!({ "code": "late", "severity": "warning", "message": "it is late", "subject": "" })
}

fn full_change() -> Value {
    json!({
        "id": CHANGE, "author": PERSON, "author_name": "Ana", "author_account": ACCOUNT,
        "manifest": {
            "v": 1, "tenant": "mercy", "environment": "production", "kind": "release", "title": "2.0", "description": "",
            "artifacts": [{ "name": "fw", "version": "2.0", "digest": digest(), "size_bytes": 1 }],
            "documents": [{ "artifact": digest(), "kind": "sbom", "media_type": "a/b", "digest": digest() }],
            "selector": { "all": true, "groups": ["g"], "devices": ["p1"], "model": "x2", "hardware_revision": "b",
                "sites": ["north"], "labels": { "ward": "icu" } },
            "population": { "size": 1, "digest": digest(), "groups": { "site:north": 1 },
                "models": { "x2": 1 } },
            "strategy": { "plugin": plugin(), "settings": { "hold_ms": 1 }, "plan": [
                { "name": "shadow", "exposure": { "type": "shadow" }, "hold_ms": 1 },
                { "name": "5 %", "exposure": { "type": "percent", "basis_points": 500 }, "hold_ms": 1 },
                { "name": "labs", "exposure": { "type": "groups", "names": ["group:labs"] }, "hold_ms": 1 },
                { "name": "all", "exposure": { "type": "all" }, "hold_ms": 0 },
            ] },
            "at_once": [{ "of": "site:", "targets": 2 }],
            "health": [{ "plugin": plugin(), "settings": {} }],
            "gates": [{ "plugin": plugin(), "settings": {}, "mode": "enforce" }],
            "bundle": digest(),
            "rollback": [{ "version": "1.0", "artifact": digest(), "targets": 1 }],
            "silent_after_ms": 1, "judge_every_ms": 1,
        },
        "digest": digest(), "state": "rolling_back",
        "gates": [{ "plugin": plugin(), "mode": "monitor", "decision": DECISION, "at": AT,
            "verdict": { "outcome": "warn", "findings": [finding()] } }],
        "approvals": [{ "person": PERSON, "account": ACCOUNT, "name": "Ben", "roles": ["regulatory", "clinical_safety"],
            "meaning": "responsibility", "reason": "read it", "digest": digest(), "at": AT, "decision": DECISION,
            "signature": "sig_00000000000000000000000000000001", "stage": 1,
            "delegation": { "id": "del_00000000000000000000000000000001", "on_behalf_of": PERSON, "name": "Ana" } }],
        "escalations": [{ "profile": "guarded", "level": "regulatory", "to": ["operator"], "digest": digest(), "stage": 1,
            "since": AT }],
        "glass": [glass()],
        "hold": { "action": "EnterStage", "decision": DECISION, "reasons": ["frozen"] },
        "rollout": {
            "admitted_at": AT, "settled_at": AT, "promoted": false,
            "stages": [{ "index": 0, "entered_at": AT, "decision": DECISION }],
            "health": [{ "check": "thresholds", "at": AT, "outcome": "fail", "findings": [finding()], "decision": DECISION }],
        },
        "rollback": { "type": "person", "person": PERSON, "name": "Eva", "reason": "alarms" },
        "note": "alarms", "created_at": AT, "expires_at": AT, "updated_at": AT, "revision": 9,
    })
}

fn glass() -> Value {
    json!({ "person": PERSON, "account": ACCOUNT, "name": "Ben", "roles": ["clinical_safety"], "reason": "alarms", "digest": digest(),
        "decision": DECISION, "at": AT, "lasts_ms": 1 })
}

#[test]
fn delegations_and_incidents_are_what_the_document_says() {
    let mut delegation = json!({ "id": "del_00000000000000000000000000000001", "tenant": "mercy", "from_person": PERSON,
        "from_account": ACCOUNT, "from_name": "Ana", "to_person": PERSON, "to_account": ACCOUNT, "to_name": "Ben",
        "roles": ["regulatory"], "environment": "production", "starts_at": AT, "ends_at": AT, "reason": "on leave",
        "created_at": AT, "decision": DECISION, "revoked_at": AT });
    check::<domain::Delegation, approval::Delegation>(delegation.clone());
    for absent in ["environment", "revoked_at"] {
        delegation.as_object_mut().unwrap().remove(absent);
    }
    check::<domain::Delegation, approval::Delegation>(delegation);
    let mut incident = json!({ "id": "inc_00000000000000000000000000000001", "tenant": "mercy", "change": CHANGE,
        "environment": "production", "broken_by": [glass()], "opened_at": AT, "glass_until": AT, "review_due": AT,
        "review": { "person": PERSON, "name": "Eva", "findings": "fine", "decision": DECISION, "at": AT } });
    check::<domain::Incident, approval::Incident>(incident.clone());
    incident.as_object_mut().unwrap().remove("review");
    check::<domain::Incident, approval::Incident>(incident);
}

#[test]
fn a_change_is_what_the_document_says() {
    check::<domain::Change, change::Change>(full_change());
    let mut bare = full_change();
    for absent in ["hold", "rollout", "rollback", "note"] {
        bare[absent] = Value::Null;
    }
    bare["manifest"]["selector"] = json!({});
    bare["manifest"]["rollback"] = json!([{ "version": null, "artifact": null, "targets": 1 }]);
    check::<domain::Change, change::Change>(bare);
    let mut stopped = full_change();
    stopped["paused_by_safety"] = json!(true);
    check::<domain::Change, change::Change>(stopped);
    let mut by_strategy = full_change();
    by_strategy["rollback"] = json!({ "type": "strategy", "reason": "unhealthy" });
    check::<domain::Change, change::Change>(by_strategy);
    let mut grouped = full_change();
    grouped["manifest"]["gates"][0]["id"] = json!("size");
    grouped["manifest"]["gates"][0]["group"] = json!("g");
    grouped["manifest"]["health"][0]["id"] = json!("errors");
    grouped["manifest"]["health"][0]["mode"] = json!("monitor");
    grouped["rollout"]["health"][0]["mode"] = json!("monitor");
    grouped["manifest"]["groups"] = json!([{ "name": "g", "expression": "size", "mode": "enforce" }]);
    grouped["gates"][0]["id"] = json!("size");
    grouped["gates"][0]["group"] = json!("g");
    grouped["gates"][0]["unanswered"] = json!(true);
    let member = json!({ "id": "size", "outcome": "fail", "unanswered": true, "decides": true });
    grouped["groups"] = json!([{ "name": "g", "expression": "size", "mode": "enforce", "outcome": "fail",
        "members": [member] }]);
    check::<domain::Change, change::Change>(grouped);
}

#[test]
fn a_plugin_change_is_what_the_document_says() {
    let binding = json!({ "plugin": "size", "role": "gate", "settings": { "max": 1 }, "mode": "enforce",
        "kinds": ["release", "plugin"], "group": "g" });
    let group = json!({ "expression": "size", "mode": "monitor" });
    let mut of_policies = full_change();
    let bundle = |revision: u64| json!({ "digest": digest(), "name": "mercy", "revision": revision });
    of_policies["manifest"]["policies"] = json!({ "from": bundle(1), "to": bundle(2), "added": ["a"], "removed": ["b"],
        "altered": ["c"], "weakens": ["`a` permits something new"] });
    check::<domain::Change, change::Change>(of_policies);
    let mut of_plugins = full_change();
    of_plugins["manifest"].as_object_mut().unwrap().remove("strategy");
    of_plugins["manifest"]["kind"] = json!("plugin");
    of_plugins["manifest"]["plugins"] = json!({ "steps": [
        { "step": "activate", "name": "canary", "from": null, "to": plugin() },
        { "step": "deactivate", "name": "canary", "from": plugin() },
        { "step": "bind", "id": "size", "from": binding, "to": binding },
        { "step": "unbind", "id": "size", "from": binding },
        { "step": "grant", "plugin": "size", "from": [], "to": ["artifact", "fleet"] },
        { "step": "group", "name": "g", "from": group, "to": group },
        { "step": "ungroup", "name": "g", "from": group },
    ] });
    check::<domain::Change, change::Change>(of_plugins);
}

#[test]
fn an_assignment_and_progress_are_what_the_document_says() {
    check::<domain::Assignment, rollout::Assignment>(json!({
        "tenant": "mercy", "change": CHANGE, "device": "p1", "rank": 0, "state": "verified", "action": 2,
        "artifact": digest(), "version": "2.0", "version_before": "1.0", "artifact_before": digest(), "begun": true, "answered_back": false, "touched_at": AT,
        "detail": "", "revision": 3,
    }));
    let progress = serde_json::to_value(domain::Progress::default()).unwrap();
    check::<domain::Progress, rollout::Progress>(progress);
}

#[test]
fn a_decision_is_what_the_document_says() {
    check::<domain::Decision, decision::Decision>(json!({
        "id": DECISION, "tenant": "mercy", "change": CHANGE, "at": AT, "outcome": "answered", "elapsed_us": 7,
        "subject": { "type": "plugin", "name": "canary", "digest": digest(), "function": "plan", "transcript": {} },
    }));
}

/// All names of an enum, from its own words.
#[test]
fn every_name_of_the_domain_is_in_the_document() {
    fn check<Wire: DeserializeOwned + Serialize>(names: impl IntoIterator<Item = &'static str>) {
        for name in names {
            let described =
                serde_json::from_value::<Wire>(name.into()).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(serde_json::to_value(described).unwrap(), name);
        }
    }
    use domain::State as S;
    let states = [
        S::Gating,
        S::Approving,
        S::RollingOut,
        S::Paused,
        S::RollingBack,
        S::RolledBack,
        S::Completed,
        S::Rejected,
        S::Cancelled,
        S::Expired,
    ];
    check::<change::State>(states.map(S::as_str));
    check::<rollout::AssignmentState>(domain::AssignmentState::ALL.map(domain::AssignmentState::as_str));
    check::<change::Role>(domain::Role::ALL.map(domain::Role::as_str));
    use domain::DecisionOutcome as D;
    check::<decision::DecisionOutcome>([D::Allow, D::Deny, D::Answered, D::Failed].map(D::as_str));
    use domain::Outcome as O;
    check::<rollout::Outcome>([O::Pass, O::Warn, O::Fail].map(O::as_str));
}

#[test]
fn an_explanation_is_described_as_it_is_sent() {
    let clause = |of: &str, value: Value| json!({ "of": of, "text": "true", "value": value });
    check::<interlock_policy::Explanation, explanation::Explanation>(json!({
        "principal": "a", "action": "b", "resource": "c", "allowed": false, "errors": ["late"],
        "determining": [{ "id": "p", "reason": "r", "effect": "forbid" }],
        "policies": [{
            "id": "p", "reason": "r", "effect": "permit", "monitored": true, "applies": "not_reached",
            "clauses": [
                clause("scope", json!("true")), clause("when", json!("false")),
                clause("unless", json!({ "error": "overflow" })),
            ],
        }],
    }));
}
