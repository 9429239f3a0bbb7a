//! The log of what an application answered: on the disk before the answer, found by all that matters, explained clause by
//! clause.

use axum::http::Method;
use interlock_domain::Role;
use interlock_server::testing::{Client, TestApp};
use serde_json::{Value, json};

use super::{EVALUATION, EVALUATIONS, ask, asked, asked_of, folder_of, program, rick};

const SCHEMA: &str = "entity User { ward: String };\nentity Record { ward: String };\naction read appliesTo { principal: User, resource: Record };\n";
const HEADER: &str = "name = \"wards\"\nrevision = 1\n\n[types]\nuser = \"User\"\nrecord = \"Record\"\n";
const POLICIES: &str = "@id(\"own-ward\")\n@reason(\"Nurses read in their own ward\")\npermit (principal, action == Action::\"read\", resource)\nwhen { principal.ward == resource.ward && principal.ward != \"quarantine\" };\n";

fn question(who: &str, ward: &str) -> Value {
    json!({
        "subject": { "type": "user", "id": who, "properties": { "ward": "icu" } },
        "action": { "name": "read" },
        "resource": { "type": "record", "id": "r-1", "properties": { "ward": ward } },
    })
}

async fn auditor(app: &TestApp) -> Client {
    app.person("Audrey", &[Role::Auditor]).await
}

async fn wards() -> super::Asked {
    asked_of(
        folder_of(&[("application.toml", HEADER), ("schema.cedarschema", SCHEMA), ("wards.cedar", POLICIES)]),
        |_| {},
    )
    .await
}

async fn found(auditor: &Client, filter: &str) -> Vec<String> {
    let list = auditor.get(&format!("/decisions?{filter}")).await.ok();
    let subjects = list["items"].as_array().unwrap().iter();
    subjects.map(|each| each["subject"]["request"]["subject"]["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn answers_are_found_by_who_what_policy_and_outcome() {
    let asked = wards().await;
    for (who, ward) in [("ana", "icu"), ("otto", "icu"), ("ana", "lab")] {
        ask(&asked.shop, EVALUATION, &question(who, ward)).await.ok();
    }
    let auditor = auditor(&asked.app).await;
    assert_eq!(found(&auditor, "principal=user:ana").await, ["ana", "ana"]);
    assert_eq!(found(&auditor, "principal=user:ana&outcome=deny").await, ["ana"]);
    assert_eq!(found(&auditor, "resource=record:r-1&action=read&policy=own-ward").await, ["otto", "ana"]);
    assert_eq!(found(&auditor, "principal=user:nobody").await, Vec::<String>::new());
    let bundle = auditor.get("/application").await.ok()["digest"].as_str().unwrap().to_owned();
    assert_eq!(found(&auditor, &format!("bundle={bundle}&limit=2")).await, ["ana", "otto"]);
}

#[tokio::test]
async fn an_answer_is_explained_clause_by_clause() {
    let asked = wards().await;
    let path = format!("{EVALUATION}?explain=true");
    let answer = ask(&asked.shop, &path, &question("ana", "lab")).await.ok();
    let id = answer["context"]["evaluation_id"].as_str().unwrap();
    let auditor = auditor(&asked.app).await;
    let explained = auditor.get(&format!("/decisions/{id}/explain")).await.ok();
    assert_eq!(explained["allowed"], false);
    let clauses = explained["policies"][0]["clauses"].as_array().unwrap();
    let values: Vec<_> =
        clauses.iter().map(|clause| (clause["text"].as_str().unwrap(), &clause["value"])).collect();
    assert_eq!(
        values,
        [
            ("action == Action::\"read\"", &json!("true")),
            ("principal.ward == resource.ward", &json!("false")),
            ("!(principal.ward == \"quarantine\")", &json!("not_reached")),
        ],
        "{explained}"
    );
}

#[tokio::test]
async fn what_cannot_be_explained_says_why() {
    let asked = asked("records").await;
    let search = json!({
        "subject": { "type": "user" }, "action": { "name": "view" }, "resource": { "type": "record", "id": "101" },
    });
    ask(&asked.shop, "/access/v1/search/subject", &search).await.ok();
    let auditor = auditor(&asked.app).await;
    let list = auditor.get("/decisions?limit=1").await.ok();
    let id = list["items"][0]["id"].as_str().unwrap();
    let problem = auditor.get(&format!("/decisions/{id}/explain")).await.problem("invalid");
    assert!(problem["detail"].as_str().unwrap().contains("a search has no single answer"), "{problem}");
}

#[tokio::test]
async fn what_was_answered_outlives_a_server_that_was_killed() {
    let asked = asked("todo").await;
    let path = format!("{EVALUATION}?explain=true");
    let answer = ask(&asked.shop, &path, &rick()).await.ok();
    let id = answer["context"]["evaluation_id"].as_str().unwrap().to_owned();
    // Nothing brought it into the database: as if the process had been killed after its answer.
    let journal = asked.app.dir().join("data/decisions");
    assert_eq!(std::fs::read_dir(&journal).unwrap().count(), 1);
    let auditor = auditor(&asked.app).await;
    assert_eq!(auditor.get(&format!("/decisions/{id}")).await.ok()["outcome"], "allow");
    assert_eq!(std::fs::read_dir(&journal).unwrap().count(), 0);
    let verified = auditor.ask(Method::POST, "/ledger/verify", &[], None).await.ok();
    assert_eq!(verified["sound"], true, "{verified}");
    let replayed = auditor.ask(Method::POST, &format!("/decisions/{id}/replay"), &[], None).await.ok();
    assert_eq!(replayed["identical"], true);
}

#[tokio::test]
async fn a_disk_that_refuses_is_no_answer() {
    let asked = asked("todo").await;
    let journal = asked.app.dir().join("data/decisions");
    std::fs::remove_dir(&journal).unwrap();
    let refused = ask(&asked.shop, EVALUATION, &rick()).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    let ready = asked.shop.get("//ready").await.json();
    assert_eq!(ready["checks"]["decisions"]["status"], "failed", "{ready}");
}

#[tokio::test]
async fn beyond_the_backlog_there_is_no_answer_until_the_database_has_caught_up() {
    let folder = super::folder("todo");
    let dir = folder.path().to_owned();
    let app = TestApp::configured(|config| {
        config.policies.applications_dir = dir;
        config.decisions.backlog_bytes_max = 1;
    })
    .await;
    let shop = program(&app, interlock_server::testing::TENANT, "Olga").await;
    ask(&shop, EVALUATION, &rick()).await.ok();
    let refused = ask(&shop, EVALUATION, &rick()).await;
    assert_eq!(
        (refused.status, refused.headers["retry-after"].to_str().unwrap()),
        (503.try_into().unwrap(), "1")
    );
    // Whoever looks at decisions has what there is brought into the database first.
    assert_eq!(
        auditor(&app).await.get("/decisions?action=can_read_todos").await.ok()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    ask(&shop, EVALUATION, &rick()).await.ok();
}

#[tokio::test]
async fn without_a_journal_each_answer_has_its_own_entry() {
    let folder = super::folder("todo");
    let dir = folder.path().to_owned();
    let app = TestApp::configured(|config| {
        config.policies.applications_dir = dir;
        config.decisions.journal = false;
    })
    .await;
    let shop = program(&app, interlock_server::testing::TENANT, "Olga").await;
    let auditor = auditor(&app).await;
    ask(&shop, EVALUATIONS, &json!({ "evaluations": [rick(), rick()] })).await.ok();
    let entries = auditor.get("/ledger/entries?limit=2").await.ok();
    let kinds: Vec<_> =
        entries["items"].as_array().unwrap().iter().map(|entry| &entry["entry"]["type"]).collect();
    assert_eq!(kinds, ["decision.access", "decision.access"], "{entries}");
}
