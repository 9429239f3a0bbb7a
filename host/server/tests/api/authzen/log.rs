//! The log of what an application answered: on the disk before the answer, found by all that matters, explained clause by
//! clause.

use axum::http::Method;
use interlock_domain::{
    AccountId, Decision, DecisionId, DecisionOutcome, DecisionSubject, Digest, Role, Timestamp,
};
use interlock_server::testing::{Client, TENANT, TestApp};
use serde_json::{Value, json};
use uuid::Uuid;

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
async fn what_a_search_finds_is_masked_in_the_record_where_ids_are() {
    let folder = super::folder("records");
    let header = folder.path().join(TENANT).join("application.toml");
    let text = std::fs::read_to_string(&header).unwrap();
    let text = text.replacen("\nrevision = 1\n", "\nrevision = 1\nmask = [\"/subject/id\"]\n", 1);
    assert!(text.contains("mask"));
    std::fs::write(&header, text).unwrap();
    let asked = asked_of(folder, |_| {}).await;
    let mut search = json!({
        "subject": { "type": "user" }, "action": { "name": "view" }, "resource": { "type": "record", "id": "101" },
        "page": { "limit": 1 },
    });
    let first = ask(&asked.shop, "/access/v1/search/subject", &search).await.ok();
    let found = first["results"][0]["id"].as_str().unwrap().to_owned();
    search["page"]["token"] = first["page"]["next_token"].clone();
    ask(&asked.shop, "/access/v1/search/subject", &search).await.ok();
    let auditor = auditor(&asked.app).await;
    let list = auditor.get("/decisions?limit=2").await.ok();
    for decision in list["items"].as_array().unwrap() {
        let subject = &decision["subject"];
        assert_eq!(subject["found"], json!(["(masked)"]), "how many there are is known, and not which");
        assert!(!subject.to_string().contains(&format!("\"{found}\"")), "{subject:#}");
        let path = format!("/decisions/{}/replay", decision["id"].as_str().unwrap());
        let replayed = auditor.post(&path, json!({})).await.ok();
        assert!(replayed["differences"][0].as_str().unwrap().contains("masked"), "{replayed}");
    }
    // Resources are found as before.
    let search = json!({
        "subject": { "type": "user", "id": found }, "action": { "name": "view" }, "resource": { "type": "record" },
    });
    ask(&asked.shop, "/access/v1/search/resource", &search).await.ok();
    let list = auditor.get("/decisions?limit=1").await.ok();
    assert_ne!(list["items"][0]["subject"]["found"][0], "(masked)");
}

#[tokio::test]
async fn what_was_answered_outlives_a_server_that_was_killed() {
    let asked = asked("todo").await;
    let path = format!("{EVALUATION}?explain=true");
    let answer = ask(&asked.shop, &path, &rick()).await.ok();
    let id = answer["context"]["evaluation_id"].as_str().unwrap().to_owned();
    // Nothing brought it into the database: as if the process had been killed after its answer.
    let journal = asked.app.dir().join("data/decisions");
    // One beside the file that says whose folder it is.
    assert_eq!(std::fs::read_dir(&journal).unwrap().count(), 2);
    let auditor = auditor(&asked.app).await;
    assert_eq!(auditor.get(&format!("/decisions/{id}")).await.ok()["outcome"], "allow");
    assert_eq!(std::fs::read_dir(&journal).unwrap().count(), 1);
    let verified = auditor.ask(Method::POST, "/ledger/verify", &[], None).await.ok();
    assert_eq!(verified["sound"], true, "{verified}");
    let replayed = auditor.ask(Method::POST, &format!("/decisions/{id}/replay"), &[], None).await.ok();
    assert_eq!(replayed["identical"], true);
}

#[tokio::test]
async fn a_disk_that_refuses_is_no_answer() {
    let asked = asked("todo").await;
    let journal = asked.app.dir().join("data/decisions");
    std::fs::remove_dir_all(&journal).unwrap();
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

#[tokio::test]
async fn what_a_batch_says_once_for_all_is_found_by_who_and_what_all_the_same() {
    let asked = wards().await;
    let long = "x".repeat(300);
    let subject = json!({ "type": "user", "id": "ana", "properties": { "ward": long } });
    let record = |id: &str| json!({ "resource": { "type": "record", "id": id } });
    let batch = json!({ "subject": subject, "action": { "name": "read" }, "evaluations": [record("r-1"), record("r-2")] });
    ask(&asked.shop, EVALUATIONS, &batch).await.ok();
    let auditor = auditor(&asked.app).await;
    assert_eq!(found(&auditor, "principal=user:ana").await, ["ana", "ana"]);
    let list = auditor.get("/decisions?principal=user:ana&resource=record:r-2").await.ok();
    let request = &list["items"][0]["subject"]["request"];
    assert_eq!(
        request["subject"],
        json!({ "type": "user", "id": "ana" }),
        "what it is found by, and no more"
    );
    let id = list["items"][0]["id"].as_str().unwrap();
    let shown = auditor.get(&format!("/decisions/{id}")).await.ok();
    assert_eq!(shown["subject"]["request"]["subject"], subject);
    let replayed = auditor.post(&format!("/decisions/{id}/replay"), json!({})).await.ok();
    assert_eq!(replayed["identical"], true, "{replayed}");
}

#[tokio::test]
async fn what_went_wrong_with_a_masked_value_does_not_name_it_in_the_record() {
    let masked = HEADER.replace("revision = 1\n", "revision = 1\nmask = [\"/subject/properties/ward\"]\n");
    let files =
        [("application.toml", masked.as_str()), ("schema.cedarschema", SCHEMA), ("wards.cedar", POLICIES)];
    let asked = asked_of(folder_of(&files), |_| {}).await;
    let mut wrong = question("ana", "icu");
    wrong["subject"]["properties"]["ward"] = json!(4_711_471);
    let told = ask(&asked.shop, &format!("{EVALUATION}?explain=true"), &wrong).await.ok();
    assert!(told.to_string().contains("4711471"), "whoever asks knows it: {told}");
    let auditor = auditor(&asked.app).await;
    let list = auditor.get("/decisions?limit=1").await.ok();
    let errors = &list["items"][0]["subject"]["answer"]["errors"];
    assert_eq!(errors, &json!(["the subject does not fit the application's schema: (masked)"]));
    let id = list["items"][0]["id"].as_str().unwrap();
    for answer in [
        auditor.get(&format!("/decisions/{id}")).await.text(),
        auditor.get(&format!("/decisions/{id}/explain")).await.text(),
        auditor.post(&format!("/decisions/{id}/replay"), json!({})).await.text(),
        list.to_string(),
    ] {
        assert!(!answer.contains("4711471"), "{answer}");
    }
}

/// A frame as the journal writes it.
fn frame(tenant: &str, text: &str) -> Vec<u8> {
    let mut content = vec![u8::try_from(tenant.len()).unwrap()];
    content.extend_from_slice(tenant.as_bytes());
    content.extend_from_slice(text.as_bytes());
    let mut frame = u32::try_from(content.len()).unwrap().to_le_bytes().to_vec();
    frame.extend_from_slice(&Digest::of(&content).as_bytes()[..8]);
    frame.extend_from_slice(&content);
    frame
}

#[tokio::test]
async fn what_is_damaged_in_the_journal_is_set_aside_and_keeps_nothing_back() {
    let answer = |number: u128| {
        let request = json!({ "subject": { "type": "user", "id": format!("u-{number}") } });
        let decision = Decision {
            id: DecisionId::new(Uuid::from_u128(number)),
            tenant: TENANT.parse().unwrap(),
            change: None,
            at: Timestamp::from_millis(1),
            outcome: DecisionOutcome::Deny,
            subject: DecisionSubject::Access {
                application: "wards".to_owned(),
                account: AccountId::new(Uuid::from_u128(1)),
                request: Box::new(request),
                answer: Box::new(interlock_domain::Answer {
                    allowed: false,
                    determining: Vec::new(),
                    errors: Vec::new(),
                    monitored: Vec::new(),
                    bundle: Digest::of("wards"),
                }),
                found: None,
            },
            elapsed_us: 7,
        };
        frame(TENANT, &serde_json::to_string(&decision).unwrap())
    };
    let mut torn = answer(3);
    *torn.last_mut().unwrap() ^= 1;
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("0a", [answer(2), torn, answer(4)].concat()),
        ("0b", frame("No Tenant", "{}")),
        ("0c", frame(TENANT, "no decision")),
        ("0d", answer(5)),
    ];
    for (name, bytes) in &files {
        std::fs::write(folder.path().join(format!("{name}.sealed")), bytes).unwrap();
    }
    let dir = folder.path().to_owned();
    let app = TestApp::configured(|config| config.decisions.dir = dir).await;
    let auditor = auditor(&app).await;
    assert_eq!(found(&auditor, "outcome=deny").await, ["u-5", "u-4", "u-2"]);
    let mut left: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["0a.damaged", "0b.damaged", "0c.damaged", "ledger"]);
    assert_eq!(std::fs::read(folder.path().join("0a.damaged")).unwrap(), files[0].1, "as it was");
    let verified = auditor.ask(Method::POST, "/ledger/verify", &[], None).await.ok();
    assert_eq!(verified["sound"], true, "{verified}");
    let entries = auditor.get("/ledger/entries?limit=50").await.ok().to_string();
    assert!(entries.contains("decisions.cut_short"), "the ledger says that some of it could not be read");
}

#[tokio::test]
async fn what_lets_somebody_read_is_on_record_before_they_do_where_that_is_wanted() {
    for reads in [false, true] {
        let app = TestApp::configured(|config| config.decisions.reads = reads).await;
        let auditor = auditor(&app).await;
        // In the whole tenant, and in the one environment in which somebody may.
        auditor.get("/devices").await.ok();
        auditor.get("/plugins").await.ok();
        let list = auditor.get("/decisions?outcome=allow&limit=200").await.ok();
        let asked = list["items"].as_array().unwrap().iter();
        let asked: Vec<&str> =
            asked.filter_map(|each| each["subject"]["question"]["action"].as_str()).collect();
        let read = |action: &str| asked.iter().filter(|each| **each == action).count();
        let expected = usize::from(reads);
        assert_eq!(
            (read("ReadDevice"), read("ReadPlugin"), read("ReadDecision")),
            (expected, expected, expected)
        );
        let verified = auditor.ask(Method::POST, "/ledger/verify", &[], None).await.ok();
        assert_eq!(verified["sound"], true, "{verified}");
    }
}
