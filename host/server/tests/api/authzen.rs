//! AuthZEN through the whole server: the public interop suites, the traps of the standard, and the record.

mod approvals;
mod floor;
mod limits;
mod log;

use std::path::Path;

use axum::{body::Body, http::Method};
use interlock_domain::{AccountKind, Role, Scope};
use interlock_server::{
    config::Policies,
    testing::{Answer, Client, TENANT, TestApp},
};
use serde_json::{Value, json};

const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn suite(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(root().join("host/policy/tests/authzen").join(name)).unwrap())
        .unwrap()
}

/// A folder with an application for the tenant.
fn folder(application: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join(TENANT);
    std::fs::create_dir(&own).unwrap();
    for entry in std::fs::read_dir(root().join("examples/applications").join(application)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), own.join(entry.file_name())).unwrap();
    }
    folder
}

/// A folder with an application of these files for the tenant.
fn folder_of(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join(TENANT);
    std::fs::create_dir(&own).unwrap();
    for (path, text) in files {
        std::fs::write(own.join(path), text).unwrap();
    }
    folder
}

struct Asked {
    app: TestApp,
    /// The program that asks.
    shop: Client,
    folder: tempfile::TempDir,
}

async fn asked(application: &str) -> Asked {
    asked_of(folder(application), |_| {}).await
}

async fn asked_of(folder: tempfile::TempDir, limit: impl FnOnce(&mut Policies)) -> Asked {
    let dir = folder.path().to_owned();
    let app = TestApp::configured(|config| {
        config.policies.applications_dir = dir;
        limit(&mut config.policies);
    })
    .await;
    let shop = program(&app, TENANT, "Olga").await;
    Asked { app, shop, folder }
}

/// A program of the tenant, for which an administrator of that name answers.
async fn program(app: &TestApp, tenant: &str, owner: &str) -> Client {
    let scopes = [Scope::Read, Scope::Write, Scope::Admin];
    let admin = app.with_key(tenant, AccountKind::User, owner, &[Role::Administrator], &scopes).await;
    let accounts = admin.get("/accounts?limit=200").await.ok();
    let found = accounts["items"].as_array().unwrap().iter().find(|account| account["name"] == owner);
    let request = json!({
        "name": format!("shop of {owner}"), "kind": "service", "owner": found.unwrap()["person"], "roles": [{ "role": "viewer" }],
        "scopes": ["read"], "expires_in_ms": 86_400_000,
    });
    let made = admin.post("/keys", request).await.ok();
    app.client(tenant, made["key"].as_str())
}

async fn ask(client: &Client, path: &str, body: &Value) -> Answer {
    client.ask(Method::POST, path, &[], Some(body.clone())).await
}

fn rick() -> Value {
    let id = "CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs";
    json!({
        "subject": { "type": "user", "id": id },
        "action": { "name": "can_read_todos" },
        "resource": { "type": "todo", "id": "todo-1" },
    })
}

#[tokio::test]
async fn the_public_suites_of_the_todo_application_pass() {
    let Asked { shop, app: _app, folder: _folder } = asked("todo").await;
    for name in ["todo-decisions.json", "gateway-decisions.json"] {
        for case in suite(name)["evaluation"].as_array().unwrap() {
            let answer = ask(&shop, EVALUATION, &case["request"]).await.ok();
            assert_eq!(answer, json!({ "decision": case["expected"] }), "{case}");
        }
    }
    for case in suite("todo-decisions.json")["evaluations"].as_array().unwrap() {
        let answer = ask(&shop, EVALUATIONS, &case["request"]).await.ok();
        assert_eq!(answer, json!({ "evaluations": case["expected"] }), "{case}");
    }
}

#[tokio::test]
async fn the_public_suites_of_searches_pass() {
    let Asked { shop, app: _app, folder: _folder } = asked("records").await;
    for (name, key, wanted) in [
        ("search-subject.json", "evaluation", "subject"),
        ("search-resource.json", "evaluation", "resource"),
        ("idp-search.json", "search", "resource"),
        ("search-action.json", "evaluation", "action"),
    ] {
        for case in suite(name)[key].as_array().unwrap() {
            let answer = ask(&shop, &format!("/access/v1/search/{wanted}"), &case["request"]).await.ok();
            let sorted = |answer: &Value| {
                let mut results: Vec<String> =
                    answer["results"].as_array().unwrap().iter().map(Value::to_string).collect();
                results.sort();
                results
            };
            assert_eq!(sorted(&answer), sorted(&case["expected"]), "{case}");
        }
    }
}

#[tokio::test]
async fn a_search_is_given_in_pages_and_a_token_belongs_to_its_question() {
    let Asked { shop, app: _app, folder: _folder } = asked("records").await;
    let question = |page: Value| {
        json!({
            "subject": { "type": "user", "id": "alice" }, "action": { "name": "view" },
            "resource": { "type": "record", "id": "means nothing" }, "page": page,
        })
    };
    let path = "/access/v1/search/resource";
    let mut found = Vec::new();
    let mut page = json!({ "limit": 8 });
    loop {
        let answer = ask(&shop, path, &question(page)).await.ok();
        found.extend(
            answer["results"].as_array().unwrap().iter().map(|each| each["id"].as_str().unwrap().to_owned()),
        );
        let token = answer["page"]["next_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
        page = json!({ "limit": 8, "token": token });
    }
    assert_eq!(found, (101..=120).map(|id| id.to_string()).collect::<Vec<_>>());

    let token = ask(&shop, path, &question(json!({ "limit": 8 }))).await.ok()["page"]["next_token"].clone();
    let mut other = question(json!({ "token": token }));
    other["action"]["name"] = json!("edit");
    for (question, said) in [
        (other, "another search"),
        (question(json!({ "token": "bm9uc2Vuc2U" })), "not one that this server gave"),
        (question(json!({ "limit": 0 })), "from 1"),
        (question(json!([])), "object"),
    ] {
        let answer = ask(&shop, path, &question).await;
        assert_eq!(answer.status, 400, "{question}");
        assert!(answer.text().contains(said), "{}", answer.text());
    }
    // What is not known is not found, and no error.
    let unknown = json!({
        "subject": { "type": "user", "id": "nobody" }, "action": { "name": "burn" }, "resource": { "type": "book" },
    });
    assert_eq!(ask(&shop, path, &unknown).await.ok(), json!({ "results": [] }));
}

#[tokio::test]
async fn what_is_no_question_is_400_with_a_sentence_and_never_415_or_422() {
    let Asked { shop, app: _app, folder: _folder } = asked("todo").await;
    let mut cases: Vec<(&str, String, &str)> = vec![
        ("text/plain", rick().to_string(), "Content-Type"),
        ("application/json", String::new(), "no JSON"),
        ("application/json", "{".to_owned(), "no JSON"),
        ("application/json", "[]".to_owned(), "object"),
        ("application/json", r#"{"subject": 1, "subject": 2}"#.to_owned(), "/subject"),
    ];
    for (pointer, value, said) in [
        ("/subject", json!(null), "`subject` must be an object"),
        ("/subject/type", json!(7), "`subject.type` must be a text"),
        ("/subject/id", json!(""), "`subject.id` is empty"),
        ("/action", json!({}), "`action.name` is missing"),
        ("/resource", json!({ "type": "todo" }), "`resource.id` is missing"),
    ] {
        let mut question = rick();
        *question.pointer_mut(pointer).unwrap() = value;
        cases.push(("application/json", question.to_string(), said));
    }
    let mut question = rick();
    question["context"] = json!("here");
    cases.push(("application/json", question.to_string(), "`context` must be an object"));
    for (media, body, said) in cases {
        for path in [EVALUATION, EVALUATIONS] {
            let answer =
                shop.send(Method::POST, path, &[("content-type", media)], Body::from(body.clone())).await;
            assert_eq!(answer.status, 400, "{media} {body}");
            assert!(answer.text().contains(said), "{body}: {}", answer.text());
            assert!(answer.header("content-type").starts_with("text/plain"), "{body}");
        }
    }
    let none = shop.send(Method::POST, EVALUATION, &[], Body::from(rick().to_string())).await;
    assert_eq!(none.status, 400);
}

#[tokio::test]
async fn unknown_fields_types_and_actions_are_no_errors() {
    let Asked { shop, app: _app, folder: _folder } = asked("todo").await;
    let mut question = rick();
    question["extra"] = json!({ "a": [1.5] });
    question["context"] = json!({ "weather": 0.5, "ip": null });
    question["subject"]["properties"] = json!({ "shoe_size": 44.5 });
    assert_eq!(ask(&shop, EVALUATION, &question).await.ok(), json!({ "decision": true }));
    for (pointer, value) in [
        ("/subject/type", "robot"),
        ("/action/name", "can_fly"),
        ("/resource/type", "cloud"),
        ("/subject/id", "eve"),
    ] {
        let mut question = rick();
        *question.pointer_mut(pointer).unwrap() = json!(value);
        assert_eq!(ask(&shop, EVALUATION, &question).await.ok(), json!({ "decision": false }), "{pointer}");
    }
}

#[tokio::test]
async fn a_batch_inherits_whole_objects_stops_where_it_is_told_and_keeps_its_order() {
    let Asked { shop, app: _app, folder: _folder } = asked("todo").await;
    let mut batch = rick();
    batch["resource"] = json!({});
    let create = json!({ "action": { "name": "can_fly" }, "resource": { "type": "todo", "id": "t" } });
    let read = json!({ "resource": { "type": "todo", "id": "t" } });
    batch["evaluations"] = json!([read, create, {}, read]);
    let answers = ask(&shop, EVALUATIONS, &batch).await.ok()["evaluations"].clone();
    assert_eq!(answers[0], json!({ "decision": true }));
    assert_eq!(answers[1], json!({ "decision": false }));
    assert_eq!(answers[2]["decision"], false);
    assert_eq!(answers[2]["context"]["error"]["message"], "`resource.type` is missing");
    assert_eq!(answers[3], json!({ "decision": true }));

    for (semantic, count) in [("execute_all", 4), ("deny_on_first_deny", 2), ("permit_on_first_permit", 1)] {
        batch["options"] = json!({ "evaluations_semantic": semantic });
        let answer = ask(&shop, EVALUATIONS, &batch).await.ok();
        assert_eq!(answer["evaluations"].as_array().unwrap().len(), count, "{semantic}");
    }
    batch["options"] = json!({ "evaluations_semantic": "guess" });
    assert_eq!(ask(&shop, EVALUATIONS, &batch).await.status, 400);

    // An item without anything asks what the batch says.
    let mut same = rick();
    same["evaluations"] = json!([{}, {}]);
    let twice = json!({ "evaluations": [{ "decision": true }, { "decision": true }] });
    assert_eq!(ask(&shop, EVALUATIONS, &same).await.ok(), twice);
    // Without items, a batch is one question.
    for none in [json!([]), json!(null)] {
        same["evaluations"] = none;
        assert_eq!(ask(&shop, EVALUATIONS, &same).await.ok(), json!({ "decision": true }));
    }
    same["evaluations"] = json!("all");
    assert_eq!(ask(&shop, EVALUATIONS, &same).await.status, 400);
}

#[tokio::test]
async fn a_batch_has_a_limit() {
    let Asked { shop, app: _app, folder: _folder } =
        asked_of(folder("todo"), |limits| limits.evaluations_max = 3).await;
    let batch = |size: usize| {
        let mut batch = rick();
        batch["evaluations"] = Value::Array(vec![json!({}); size]);
        batch
    };
    assert_eq!(ask(&shop, EVALUATIONS, &batch(3)).await.ok()["evaluations"].as_array().unwrap().len(), 3);
    let answer = ask(&shop, EVALUATIONS, &batch(4)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("at most 3"), "{}", answer.text());
}

#[tokio::test]
async fn every_answer_is_on_record_and_can_be_given_again() {
    let Asked { app, shop, folder } = asked("todo").await;
    let auditor = app.person("Alan", &[Role::Auditor]).await;
    let mut question = rick();
    question["context"] = json!({ "weather": "bad" });
    let answer = ask(&shop, &format!("{EVALUATION}?explain=true"), &question).await.ok();
    assert_eq!(answer["context"]["policies"][0]["id"], "todo.read", "{answer}");
    let id = answer["context"]["evaluation_id"].as_str().unwrap();
    let recorded = auditor.get(&format!("/decisions/{id}")).await.ok();
    assert_eq!(recorded["outcome"], "allow");
    assert_eq!(recorded["subject"]["type"], "access");
    assert_eq!(recorded["subject"]["request"], rick(), "only what the policies can read");

    let search = json!({
        "subject": { "type": "user", "id": rick()["subject"]["id"] }, "resource": { "type": "todo", "id": "t" },
    });
    let found = ask(&shop, "/access/v1/search/action", &search).await.ok();
    assert!(found["results"].as_array().unwrap().len() > 2, "{found}");

    // The application changes; what was answered is answered the same, by the one that answered.
    let header = folder.path().join(TENANT).join("application.toml");
    let text = std::fs::read_to_string(&header).unwrap().replace("revision = 1", "revision = 2");
    std::fs::write(&header, text).unwrap();
    std::fs::write(folder.path().join(TENANT).join("todo.cedar"), "").unwrap();
    let admin = app.person("Adi", &[Role::Administrator]).await;
    let loaded = admin.post("/application/reload", json!({})).await.ok();
    assert_eq!((&loaded["revision"], &loaded["denies_all"]), (&json!(2), &json!(true)));
    assert_eq!(ask(&shop, EVALUATION, &question).await.ok(), json!({ "decision": false }));
    let decisions = auditor.get("/decisions").await.ok();
    let verified = auditor.ask(Method::POST, "/ledger/verify", &[], None).await.ok();
    assert_eq!(verified["sound"], true, "{verified}");
    let access: Vec<&Value> = decisions["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|each| each["subject"]["type"] == "access")
        .collect();
    assert_eq!(access.len(), 3);
    for decision in access {
        let path = format!("/decisions/{}/replay", decision["id"].as_str().unwrap());
        let replayed = auditor.post(&path, json!({})).await.ok();
        assert_eq!(replayed["identical"], true, "{replayed} of {decision}");
    }
}

#[tokio::test]
async fn an_explained_answer_says_since_when_its_application_is_in_force() {
    let Asked { app, shop, folder } = asked("todo").await;
    let path = format!("{EVALUATION}?explain=true");
    let told = async || {
        let context = ask(&shop, &path, &rick()).await.ok()["context"].take();
        (context["bundle"].clone(), context["bundle_since"].clone(), context["bundle_age_ms"].clone())
    };
    let (first, since, age) = told().await;
    assert!(since.is_string(), "{since}");
    assert_eq!(age, 0);
    app.clock.advance(90_000);
    assert_eq!(told().await, (first.clone(), since.clone(), json!(90_000)));
    // The same again is as old as it was, another one is new.
    let admin = app.person("Adi", &[Role::Administrator]).await;
    admin.post("/application/reload", json!({})).await.ok();
    assert_eq!(told().await, (first.clone(), since.clone(), json!(90_000)));
    let header = folder.path().join(TENANT).join("application.toml");
    let text = std::fs::read_to_string(&header).unwrap().replace("revision = 1", "revision = 2");
    std::fs::write(&header, text).unwrap();
    admin.post("/application/reload", json!({})).await.ok();
    let (second, later, age) = told().await;
    assert!(second != first && later != since, "{second} since {later}");
    assert_eq!(age, 0);
}

#[tokio::test]
async fn an_application_is_only_replaced_by_a_sound_and_newer_one() {
    let Asked { app, shop, folder } = asked("todo").await;
    let admin = app.person("Adi", &[Role::Administrator]).await;
    let own = folder.path().join(TENANT);
    let before = admin.get("/application").await.ok();
    std::fs::write(own.join("more.cedar"), "// Of the shop.\npermit (principal, action resource);").unwrap();
    let refused = admin.post("/application/reload", json!({})).await.problem("bundle-refused");
    let expected = json!({
        "file": "more.cedar", "line": 2, "column": 27, "text": refused["faults"][0]["text"],
        "source": "permit (principal, action resource);", "caret": format!("{}^", " ".repeat(26)),
    });
    assert_eq!(refused["faults"], json!([expected]));
    std::fs::write(own.join("more.cedar"), "permit (principal, action, resource);").unwrap();
    let refused = admin.post("/application/reload", json!({})).await.problem("bundle-refused");
    assert_eq!(refused["faults"][0]["source"], "permit (principal, action, resource);", "{refused}");
    assert_eq!(refused["faults"][0]["caret"], "^");
    let sound =
        "@id(\"more\") @reason(\"more\") permit (principal, action == Todo::Action::\"GET\", resource);";
    std::fs::write(own.join("more.cedar"), sound).unwrap();
    let shown = admin.get("/status").await.ok();
    assert!(shown["application_refused"].as_str().unwrap().contains("@id"), "{shown}");
    let problem = admin.post("/application/reload", json!({})).await.problem("bundle-refused");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("raise `revision` in application.toml with every edit"), "{detail}");
    assert_eq!(admin.get("/application").await.ok(), before);
    assert_eq!(ask(&shop, EVALUATION, &rick()).await.ok(), json!({ "decision": true }));
    let viewer = app.person("Vera", &[Role::Viewer]).await;
    viewer.post("/application/reload", json!({})).await.problem("denied");
}

#[tokio::test]
async fn an_application_that_names_another_tenant_is_refused_with_file_and_line_and_the_last_good_one_stays()
{
    let Asked { app, shop, folder } = asked("todo").await;
    let admin = app.person("Adi", &[Role::Administrator]).await;
    let own = folder.path().join(TENANT);
    let (schema, header) = (own.join("schema.cedarschema"), own.join("application.toml"));
    let words = std::fs::read_to_string(&schema).unwrap();
    std::fs::write(&schema, words + "\nnamespace Interlock { entity Tenant; }\n").unwrap();
    let listed = std::fs::read_to_string(&header).unwrap().replace("revision = 1", "revision = 2");
    std::fs::write(&header, listed).unwrap();
    let of = |tenant: &str| {
        format!(
            "@id(\"more\") @reason(\"more\")\nforbid (principal, action == Todo::Action::\"can_read_user\", resource)\nwhen {{ \
             resource in Interlock::Tenant::\"{tenant}\" }};"
        )
    };
    std::fs::write(own.join("more.cedar"), of("grace")).unwrap();
    let problem = admin.post("/application/reload", json!({})).await.problem("bundle-refused");
    let fault = problem["faults"].as_array().unwrap().last().unwrap();
    assert_eq!((&fault["file"], &fault["line"]), (&json!("more.cedar"), &json!(3)), "{problem}");
    let source = fault["source"].as_str().unwrap();
    assert!(source.starts_with("when { resource in Interlock::Tenant::\"grace\""), "{problem}");
    let at = usize::try_from(fault["column"].as_u64().unwrap()).unwrap();
    assert_eq!(fault["caret"], format!("{}^", " ".repeat(at - 1)), "{problem}");
    assert!(
        fault["text"].as_str().unwrap().contains("`Interlock::Tenant::\"grace\"` is another tenant"),
        "{problem}"
    );
    assert_eq!(ask(&shop, EVALUATION, &rick()).await.ok(), json!({ "decision": true }));
}

#[tokio::test]
async fn nobody_learns_what_another_tenant_or_another_person_may_do() {
    let Asked { app, shop, .. } = asked("todo").await;
    let viewer = app.person("Vera", &[Role::Viewer]).await;
    let denied = ask(&viewer, EVALUATION, &rick()).await;
    assert_eq!(denied.status, 403);
    assert!(denied.text().contains("EvaluateAccess"), "{}", denied.text());
    let stranger = program(&app, "other", "Otto").await;
    let none = ask(&stranger, EVALUATION, &rick()).await;
    assert_eq!(
        (none.status.as_u16(), none.text().contains("no application")),
        (404, true),
        "{}",
        none.text()
    );
    let path = format!("//v1/tenants/{TENANT}{EVALUATION}");
    assert_eq!(ask(&stranger, &path, &rick()).await.status, 404);
    let nobody = app.client(TENANT, None);
    let answer = nobody.ask(Method::POST, EVALUATION, &[("x-request-id", "r-1")], Some(rick())).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    assert_eq!(answer.header("x-request-id"), "r-1");
    let good = shop.ask(Method::POST, EVALUATION, &[("x-request-id", "r-2")], Some(rick())).await;
    assert_eq!(good.header("x-request-id"), "r-2");
}

#[tokio::test]
async fn where_the_decision_point_is_can_be_looked_up_and_is_what_the_operator_says() {
    let path = format!("//.well-known/authzen-configuration/v1/tenants/{TENANT}");
    let headers = [("host", "evil.example")];
    let app =
        TestApp::configured(|config| config.server.public_url = "https://gate.example/".to_owned()).await;
    let metadata = app.client(TENANT, None).send(Method::GET, &path, &headers, Body::empty()).await.ok();
    let point = format!("https://gate.example/v1/tenants/{TENANT}");
    assert_eq!(metadata["policy_decision_point"], point);
    assert_eq!(metadata["access_evaluation_endpoint"], format!("{point}{EVALUATION}"));
    assert_eq!(metadata["search_action_endpoint"], format!("{point}/access/v1/search/action"));

    // Whoever asks does not say where keys are sent.
    let app = TestApp::start().await;
    let none = app.client(TENANT, None).send(Method::GET, &path, &headers, Body::empty()).await;
    assert_eq!(none.status, 404);
    assert!(none.text().contains("`server.public_url`") && !none.text().contains("evil"), "{}", none.text());
}

#[tokio::test]
async fn a_refused_application_takes_down_its_tenant_only_and_shows() {
    let folder = folder("todo");
    let broken = folder.path().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("application.toml"), "name = 1").unwrap();
    let dir = folder.path().to_owned();
    let app = TestApp::configured(|config| config.policies.applications_dir = dir).await;
    let shop = program(&app, TENANT, "Olga").await;
    assert_eq!(ask(&shop, EVALUATION, &rick()).await.ok(), json!({ "decision": true }));
    let ready = shop.send(Method::GET, "//ready", &[], Body::empty()).await.ok();
    let applications = &ready["checks"]["applications"];
    assert_eq!(
        (&applications["status"], &applications["loaded"], &applications["refused"]),
        (&json!("degraded"), &json!(1), &json!(1)),
        "{ready}"
    );
    assert!(!ready.to_string().contains("broken"), "whose it is, nobody has said who asks: {ready}");
    let theirs =
        app.with_key("broken", AccountKind::User, "Bea", &[Role::Administrator], &[Scope::Read]).await;
    let status = theirs.get("/status").await.ok();
    assert!(status["application_refused"].as_str().unwrap().contains("schema.cedarschema"), "{status}");
    let ours = app.person("Alan", &[Role::Auditor]).await.get("/status").await.ok();
    assert_eq!((&ours["status"], &ours["application_refused"]), (&json!("ok"), &json!(null)));
    app.client(TENANT, None).get("/status").await.problem("unauthenticated");
}
