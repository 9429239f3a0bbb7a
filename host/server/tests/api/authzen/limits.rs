//! What a question and a batch may hold, what is recorded of it, and who waits for it.

use std::sync::mpsc;

use axum::{body::Body, http::Method};
use interlock_domain::Role;
use serde_json::{Value, json};

use super::{Asked, EVALUATION, EVALUATIONS, ask, asked, asked_of, folder, folder_of, rick};

/// An object that is this many bytes of JSON.
fn object(bytes: usize) -> Value {
    let frame = json!({ "a": "" }).to_string().len();
    json!({ "a": "x".repeat(bytes - frame) })
}

#[tokio::test]
async fn what_a_question_holds_has_limits_and_what_is_beyond_is_named_by_its_pointer() {
    let Asked { shop, app: _app, folder: _folder } = asked("todo").await;
    for (pointer, fits, more) in [
        ("/subject/type", json!("t".repeat(512)), json!("t".repeat(513))),
        ("/subject/id", json!("i".repeat(512)), json!("i".repeat(513))),
        ("/action/name", json!("n".repeat(512)), json!("n".repeat(513))),
        ("/resource/id", json!("i".repeat(512)), json!("i".repeat(513))),
        ("/subject/properties", object(32 << 10), object((32 << 10) + 1)),
        ("/action/properties", object(32 << 10), object((32 << 10) + 1)),
        ("/resource/properties", object(32 << 10), object((32 << 10) + 1)),
        ("/context", object(32 << 10), object((32 << 10) + 1)),
    ] {
        let with = |value: Value| {
            let mut question = rick();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            question.pointer_mut(parent).unwrap()[name] = value;
            question
        };
        ask(&shop, EVALUATION, &with(fits.clone())).await.ok();
        let refused = ask(&shop, EVALUATION, &with(more.clone())).await;
        assert_eq!(refused.status, 400, "{pointer}");
        let max = if fits.is_string() {
            "513 bytes long, and at most 512"
        } else {
            "32769 bytes, and at most 32768"
        };
        let text = refused.text();
        assert!(text.contains(&format!("`{pointer}`")) && text.contains(max) && text.len() < 200, "{text}");

        // Of a batch, one is a no and the others are answered.
        let mut batch = rick();
        batch["evaluations"] = json!([{}, with(more)]);
        let answers = ask(&shop, EVALUATIONS, &batch).await.ok()["evaluations"].clone();
        assert_eq!(answers[0], json!({ "decision": true }));
        assert_eq!(answers[1]["decision"], false);
        let said = answers[1]["context"]["error"]["message"].as_str().unwrap();
        assert!(said.contains(&format!("`/evaluations/1{pointer}`")), "{said}");
    }
    let mut search = rick();
    search["subject"]["id"] = json!("i".repeat(513));
    let refused = ask(&shop, "/access/v1/search/resource", &search).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("`/subject/id`"), "{}", refused.text());
    // What is searched for has no id, whatever is sent.
    ask(&shop, "/access/v1/search/subject", &search).await.ok();
}

#[tokio::test]
async fn the_questions_of_a_batch_hold_at_most_so_much_together_and_what_they_share_counts_in_each() {
    let question = rick();
    let said = ["/subject/type", "/subject/id", "/action/name", "/resource/type", "/resource/id"];
    let one: usize = said.iter().map(|each| question.pointer(each).unwrap().as_str().unwrap().len()).sum();
    let max = 3 * one + 20;
    let Asked { shop, app: _app, folder: _folder } =
        asked_of(folder("todo"), |limits| limits.batch_bytes_max = max).await;
    let batch = |context: usize| {
        let mut batch = rick();
        batch["evaluations"] = json!([{}, {}, { "context": object(context) }]);
        batch
    };
    let answers = ask(&shop, EVALUATIONS, &batch(20)).await.ok()["evaluations"].clone();
    assert_eq!(answers.as_array().unwrap().len(), 3);
    let refused = ask(&shop, EVALUATIONS, &batch(21)).await;
    assert_eq!(refused.status, 400);
    let text = refused.text();
    let numbers =
        [format!("3 questions of `/evaluations` hold {} bytes", max + 1), format!("at most {max} ")];
    assert!(numbers.iter().all(|number| text.contains(number)), "{text}");
    assert!(text.contains("`policies.batch_bytes_max`"), "{text}");
}

#[tokio::test]
async fn a_small_request_that_would_grow_a_hundredfold_is_not_asked_and_leaves_no_record() {
    let Asked { app, shop, .. } = asked("todo").await;
    let mut batch = rick();
    batch["subject"]["id"] = json!("i".repeat(400_000));
    batch["action"]["properties"] = object(400_000);
    batch["evaluations"] = Value::Array(vec![json!({}); 200]);
    let answer = ask(&shop, EVALUATIONS, &batch).await;
    assert!(answer.body.len() < 100_000, "{}", answer.body.len());
    let answers = answer.ok()["evaluations"].clone();
    assert_eq!(answers.as_array().unwrap().len(), 200);
    assert!(answers.as_array().unwrap().iter().all(|answer| answer["decision"] == false));

    // Nor what fits each question and is too much in all of them.
    let mut batch = rick();
    batch["context"] = object(32 << 10);
    batch["evaluations"] = Value::Array(vec![json!({}); 200]);
    let refused = ask(&shop, EVALUATIONS, &batch).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("4194304"), "{}", refused.text());
    let auditor = app.person("Alan", &[Role::Auditor]).await;
    let decisions = auditor.get("/decisions").await.ok();
    let items = decisions["items"].as_array().unwrap();
    assert!(items.iter().all(|each| each["subject"]["type"] != "access"), "{decisions}");
}

const SCHEMA: &str = "namespace App {
  entity User; entity Doc;
  action read appliesTo { principal: User, resource: Doc, context: { note: String, secret?: String } };
}";
const POLICIES: &str = r#"
@id("read.a") @reason("Notes that begin with a are read")
permit (principal, action == App::Action::"read", resource) when { context.note like "a*" };"#;

#[tokio::test]
async fn what_the_questions_of_a_batch_share_is_on_record_once_and_each_is_whole_when_it_is_asked_again() {
    let header = "name = \"app\"\nrevision = 1\n";
    let files = [("application.toml", header), ("schema.cedarschema", SCHEMA), ("app.cedar", POLICIES)];
    let Asked { app, shop, .. } = asked_of(folder_of(&files), |_| {}).await;
    let auditor = app.person("Alan", &[Role::Auditor]).await;
    let context = json!({ "note": "a".repeat(10_000) });
    let resource = |id: usize| json!({ "resource": { "type": "Doc", "id": format!("d-{id}") } });
    let mut items: Vec<Value> = (0..100).map(resource).collect();
    items.push(json!({ "resource": { "type": "Doc", "id": "other" }, "context": { "note": "b" } }));
    let batch = json!({
        "subject": { "type": "User", "id": "u" }, "action": { "name": "read" }, "context": context,
        "evaluations": items,
    });
    let answers = ask(&shop, EVALUATIONS, &batch).await.ok()["evaluations"].clone();
    let allowed: Vec<bool> =
        answers.as_array().unwrap().iter().map(|answer| answer["decision"].as_bool().unwrap()).collect();
    assert_eq!(allowed, (0..101).map(|index| index < 100).collect::<Vec<_>>());

    let listed = auditor.get("/decisions?limit=200").await.ok();
    let access: Vec<&Value> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|each| each["subject"]["type"] == "access")
        .collect();
    assert_eq!(access.len(), 101);
    let recorded: usize = access.iter().map(|each| each.to_string().len()).sum();
    assert!(recorded < 101 * 1_000, "{recorded} bytes");
    for decision in access {
        let id = decision["id"].as_str().unwrap();
        let shown = auditor.get(&format!("/decisions/{id}")).await.ok();
        let request = &shown["subject"]["request"];
        let other = request["resource"]["id"] == "other";
        assert_eq!(request["context"], if other { json!({ "note": "b" }) } else { context.clone() });
        assert_eq!(request.get("shared"), None);
        assert_eq!(decision["subject"]["request"].get("shared").is_some(), !other);
        let replayed = auditor.post(&format!("/decisions/{id}/replay"), json!({})).await.ok();
        assert_eq!(replayed["identical"], true, "{replayed} of {decision}");
    }
    let verified = auditor.ask(Method::POST, "/ledger/verify", &[], None).await.ok();
    assert_eq!(verified["sound"], true, "{verified}");
}

#[tokio::test]
async fn what_is_masked_is_masked_in_what_a_batch_shares_too() {
    let header = "name = \"app\"\nrevision = 1\nmask = [\"/context/secret\"]\n";
    let files = [("application.toml", header), ("schema.cedarschema", SCHEMA), ("app.cedar", POLICIES)];
    let Asked { app, shop, .. } = asked_of(folder_of(&files), |_| {}).await;
    let auditor = app.person("Alan", &[Role::Auditor]).await;
    let batch = json!({
        "subject": { "type": "User", "id": "u" }, "action": { "name": "read" },
        "resource": { "type": "Doc", "id": "d" },
        "context": { "note": "a".repeat(1_000), "secret": "hush" }, "evaluations": [{}, {}],
    });
    let answers = ask(&shop, &format!("{EVALUATIONS}?explain=true"), &batch).await.ok();
    for answer in answers["evaluations"].as_array().unwrap() {
        let id = answer["context"]["evaluation_id"].as_str().unwrap();
        let shown = auditor.get(&format!("/decisions/{id}")).await.ok();
        assert_eq!(shown["subject"]["request"]["context"]["secret"], "(masked)", "{shown}");
        let replayed = auditor.post(&format!("/decisions/{id}/replay"), json!({})).await.ok();
        assert!(replayed["differences"][0].as_str().unwrap().contains("masked"), "{replayed}");
    }
}

#[tokio::test]
async fn a_search_that_has_asked_enough_ends_its_page_and_the_pages_hold_all() {
    let path = "/access/v1/search/resource";
    let question = |page: Value| {
        json!({
            "subject": { "type": "user", "id": "alice" }, "action": { "name": "view" },
            "resource": { "type": "record" }, "page": page,
        })
    };
    let weight = "useraliceviewrecord".len();
    let Asked { app, shop, .. } = asked_of(folder("records"), |limits| {
        limits.batch_bytes_max = 6 * weight;
    })
    .await;
    let auditor = app.person("Alan", &[Role::Auditor]).await;
    let (mut found, mut page, mut pages) = (Vec::new(), json!({}), 0);
    loop {
        let answer = ask(&shop, path, &question(page)).await.ok();
        found.extend(
            answer["results"].as_array().unwrap().iter().map(|each| each["id"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        let token = answer["page"]["next_token"].as_str().unwrap_or_default().to_owned();
        if token.is_empty() {
            break;
        }
        page = json!({ "token": token });
    }
    assert_eq!(found, (101..=120).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(pages, 4, "six, six, six and two");
    for decision in auditor.get("/decisions").await.ok()["items"].as_array().unwrap() {
        if decision["subject"]["type"] == "access" {
            let path = format!("/decisions/{}/replay", decision["id"].as_str().unwrap());
            let replayed = auditor.post(&path, json!({})).await.ok();
            assert_eq!(replayed["identical"], true, "{replayed} of {decision}");
        }
    }
}

/// With the only thread for long work taken, a batch cannot be answered, and everything else can.
#[test]
fn a_batch_is_asked_beside_the_threads_that_answer_requests() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let Asked { app, shop, .. } = asked("todo").await;
        let admin = app.person("Adi", &[Role::Administrator]).await;
        let (go, wait) = mpsc::channel::<()>();
        let taken = tokio::task::spawn_blocking(move || wait.recv());
        let mut batch = rick();
        batch["evaluations"] = Value::Array(vec![json!({}); 100]);
        let asking = tokio::spawn(async move { ask(&shop, EVALUATIONS, &batch).await.ok() });
        for _ in 0..20 {
            admin.get("/application").await.ok();
            admin.send(Method::GET, "/decisions", &[], Body::empty()).await.ok();
        }
        assert!(!asking.is_finished());
        go.send(()).unwrap();
        taken.await.unwrap().unwrap();
        assert_eq!(asking.await.unwrap()["evaluations"].as_array().unwrap().len(), 100);
    });
}
