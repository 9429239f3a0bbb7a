//! A denial that persons turn: the access-request profile, from the denied question to the one that is allowed.

use axum::http::Method;
use interlock_domain::Role;
use interlock_server::testing::{Client, TENANT, TestApp};
use serde_json::{Value, json};

use super::{EVALUATION, EVALUATIONS, ask, folder_of, program, rick};

const REQUEST: &str = "/access/v1/requests";
const HOUR_MS: i64 = 3_600_000;

const HEADER: &str = "name = \"ward\"\nrevision = 1\nmask = [\"/context/patient\"]\n";
const SCHEMA: &str = r#"
entity user;
entity record;
action read, burn appliesTo {
  principal: user, resource: record,
  context: { patient?: String, ward?: String, now: datetime, approval?: { id: String, approved_until: datetime, approver: String } }
};
action list appliesTo { principal: user, resource: record, context: {} };
"#;
const POLICIES: &str = r#"
@id("ward.approved") @reason("Somebody approved it")
permit (principal, action == Action::"read", resource)
when { context has approval && context.now < context.approval.approved_until };

@id("ward.sealed") @reason("Sealed records are read by nobody")
forbid (principal, action, resource == record::"sealed");
"#;

/// What a program sends to have a denial turned.
fn wish(denied: &Value) -> Value {
    json!({ "denial": { "evaluation_id": denied }, "context": { "business_justification": "on call" } })
}

struct Ward {
    app: TestApp,
    shop: Client,
    cleo: Client,
}

async fn ward_of(limit: impl FnOnce(&mut interlock_server::Config)) -> Ward {
    let folder =
        folder_of(&[("application.toml", HEADER), ("schema.cedarschema", SCHEMA), ("ward.cedar", POLICIES)]);
    let dir = folder.path().to_owned();
    let app = TestApp::configured(|config| {
        config.policies.applications_dir = dir;
        config.server.public_url = "https://gate.example".to_owned();
        limit(config);
    })
    .await;
    let shop = program(&app, TENANT, "Olga").await;
    let cleo = app.person("Cleo", &[Role::ClinicalSafety]).await;
    Ward { app, shop, cleo }
}

async fn ward() -> Ward {
    ward_of(|_| {}).await
}

fn question(id: &str) -> Value {
    json!({ "subject": { "type": "user", "id": "alice" }, "action": { "name": "read" },
        "resource": { "type": "record", "id": id }, "context": { "ward": "a" } })
}

fn with(mut question: Value, approval: &Value) -> Value {
    question["context"]["approval"] = approval.clone();
    question
}

impl Ward {
    async fn prefers(&self, question: &Value) -> Value {
        let answer = self
            .shop
            .ask(Method::POST, EVALUATION, &[("prefer", "access-request")], Some(question.clone()))
            .await;
        assert_eq!(answer.header("preference-applied"), "access-request");
        answer.ok()
    }

    /// A request of a denial of this question, as its handle.
    async fn requested(&self, question: &Value) -> Value {
        let denied = self.prefers(question).await;
        let made = ask(&self.shop, REQUEST, &wish(&denied["context"]["evaluation_id"])).await;
        assert_eq!(made.status, 202, "{}", made.text());
        made.ok()["task"].clone()
    }

    async fn says(&self, verb: &str, handle: &Value) -> Value {
        let path = format!("/access-requests/{}/{verb}", handle["id"].as_str().unwrap());
        self.cleo.post(&path, json!({ "reason": "looked at it" })).await.ok()
    }

    async fn status(&self, handle: &Value) -> Value {
        let path = format!("{REQUEST}/{}", handle["id"].as_str().unwrap());
        self.shop.get(&path).await.ok()
    }

    /// What is said of a question with this approval: `allowed`, or the reason and what to do next.
    async fn asked(&self, question: &Value, approval: &Value) -> String {
        let answer = ask(&self.shop, EVALUATION, &with(question.clone(), approval)).await.ok();
        if answer == json!({ "decision": true }) {
            return "allowed".to_owned();
        }
        let said = |name: &str| answer["context"][name].as_str().unwrap_or_default().to_owned();
        format!("{}, {}", said("reason"), said("next_action"))
    }
}

#[tokio::test]
async fn a_denial_is_turned_by_somebody_else_for_exactly_this_question_and_time() {
    let ward = ward().await;
    let plain = ask(&ward.shop, EVALUATION, &question("7")).await.ok();
    assert_eq!(plain, json!({ "decision": false }), "nobody asked for more");
    let denied = ward.prefers(&question("7")).await;
    let context = &denied["context"];
    assert_eq!(
        (&context["reason"], &context["next_action"]),
        (&json!("approval_required"), &json!("request"))
    );
    let endpoint = format!("https://gate.example/v1/tenants/{TENANT}{REQUEST}");
    assert_eq!(context["access_request"]["endpoint"], endpoint);
    assert_eq!(context["access_request"]["expires_at"], "2026-11-20T18:15:00.000Z");

    let handle = ward.requested(&question("7")).await;
    assert_eq!(handle["status"], "pending");
    let approval = json!({ "id": handle["id"] });
    assert_eq!(ward.asked(&question("7"), &approval).await, "grant_pending, retry");
    let listed = ward.cleo.get("/access-requests?state=pending").await.ok();
    assert_eq!(listed["items"][0]["asked"], question("7"));
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);

    let approved = ward.says("approve", &handle).await;
    assert_eq!(approved["approved_until"], "2026-11-20T19:00:00.000Z");
    assert_eq!(approved["answered"]["name"], "Cleo");
    let approval = ward.status(&handle).await["result"]["approval"].clone();
    assert_eq!(approval["approved_until"], approved["approved_until"]);
    assert_eq!(ward.asked(&question("7"), &approval).await, "allowed");
    // What no policy can read is no other question.
    let mut wordy = question("7");
    wordy["context"]["weather"] = json!("bad");
    assert_eq!(ward.asked(&wordy, &approval).await, "allowed");

    for (pointer, value) in [("/subject/id", "bob"), ("/resource/id", "8"), ("/context/ward", "b")] {
        let mut other = question("7");
        *other.pointer_mut(pointer).unwrap() = json!(value);
        assert_eq!(ward.asked(&other, &approval).await, "out_of_scope, request", "{pointer}");
    }
    for claim in [
        json!({ "id": "acr_000000000000000000000000000000ff" }),
        json!({ "id": "mine" }),
        json!("acr"),
        json!({ "id": approval["id"], "approved_until": "2026-11-21T19:00:00.000Z" }),
        json!({ "id": approval["id"], "state": "pending" }),
    ] {
        assert_eq!(ward.asked(&question("7"), &claim).await, "approval_unverifiable, request", "{claim}");
    }
    ward.app.clock.advance(HOUR_MS - 1);
    assert_eq!(ward.asked(&question("7"), &approval).await, "allowed");
    ward.app.clock.advance(1);
    assert_eq!(ward.asked(&question("7"), &approval).await, "approval_expired, request");
    let over = ward.status(&handle).await;
    assert_eq!((&over["task"]["status"], &over["result"]), (&json!("expired"), &json!(null)));
}

#[tokio::test]
async fn an_approval_is_a_fact_for_the_policies_and_no_way_around_a_forbid() {
    let ward = ward().await;
    // Nobody offers what would not help: a forbid, and an action whose policies do not ask for approvals.
    for (name, id) in [("read", "sealed"), ("burn", "7"), ("list", "7")] {
        let mut question = question(id);
        question["action"]["name"] = json!(name);
        let denied = ward.prefers(&question).await;
        assert_eq!(denied["context"]["next_action"], "none", "{name} {id}");
        assert!(denied["context"].get("access_request").is_none());
    }
    // A program may ask all the same, and a person may approve: the forbid stands.
    let handle = ward.requested(&question("sealed")).await;
    ward.says("approve", &handle).await;
    let approval = json!({ "id": handle["id"] });
    assert_eq!(ward.asked(&question("sealed"), &approval).await, "policy_denied, none");
    // What a question says of an approval never reaches the policies.
    let forged = json!({ "id": "acr_0", "approver": "me",
        "approved_until": { "__extn": { "fn": "datetime", "arg": "2030-01-01" } } });
    assert_eq!(ward.asked(&question("7"), &forged).await, "approval_unverifiable, request");
    let mut listing = question("7");
    listing["action"]["name"] = json!("list");
    assert_eq!(ask(&ward.shop, EVALUATION, &with(listing, &forged)).await.ok(), json!({ "decision": false }));
    let search = json!({ "subject": { "type": "user", "id": "alice" }, "action": { "name": "read" },
        "resource": { "type": "record" }, "context": { "approval": forged } });
    assert_eq!(ask(&ward.shop, "/access/v1/search/resource", &search).await.ok()["results"], json!([]));
}

#[tokio::test]
async fn neither_the_subject_nor_whoever_asks_answers_and_a_no_is_final() {
    let ward = ward().await;
    let handle = ward.requested(&question("7")).await;
    let path = |verb: &str| format!("/access-requests/{}/{verb}", handle["id"].as_str().unwrap());
    let reason = json!({ "reason": "mine" });
    let alice = ward.app.person("Alice", &[Role::ClinicalSafety]).await;
    alice.post(&path("approve"), reason.clone()).await.problem("own-request");
    alice.post(&path("reject"), reason.clone()).await.problem("own-request");
    let viewer = ward.app.person("Vera", &[Role::Viewer]).await;
    viewer.post(&path("approve"), reason.clone()).await.problem("denied");
    ward.cleo.post(&path("approve"), json!({ "reason": " " })).await.problem("no-reason");
    ward.cleo
        .post(&path("approve"), json!({ "reason": "x", "approve_for_ms": 86_400_001 }))
        .await
        .problem("invalid");
    ward.says("reject", &handle).await;
    ward.cleo.post(&path("approve"), reason.clone()).await.problem("wrong-state");
    assert_eq!(ward.asked(&question("7"), &json!({ "id": handle["id"] })).await, "policy_denied, none");
    // Another one is approved and taken back.
    let handle = ward.requested(&question("7")).await;
    ward.says("approve", &handle).await;
    let approval = json!({ "id": handle["id"] });
    assert_eq!(ward.asked(&question("7"), &approval).await, "allowed");
    ward.says("revoke", &handle).await;
    assert_eq!(ward.asked(&question("7"), &approval).await, "approval_expired, request");
}

#[tokio::test]
async fn of_two_persons_who_answer_at_once_one_is_heard() {
    let ward = ward().await;
    let rena = ward.app.person("Rena", &[Role::Regulatory]).await;
    for (one, other) in [("approve", "reject"), ("approve", "approve")] {
        let handle = ward.requested(&question("7")).await;
        let path = |verb: &str| format!("/access-requests/{}/{verb}", handle["id"].as_str().unwrap());
        let reason = json!({ "reason": "looked at it" });
        let (first, second) = (path(one), path(other));
        let (first, second) =
            tokio::join!(ward.cleo.post(&first, reason.clone()), rena.post(&second, reason.clone()));
        let mut codes = [first.status.as_u16(), second.status.as_u16()];
        codes.sort_unstable();
        assert_eq!(codes, [200, 409], "{} {}", first.text(), second.text());
        let heard = if first.status == 200 { "Cleo" } else { "Rena" };
        let path = format!("/access-requests/{}", handle["id"].as_str().unwrap());
        assert_eq!(ward.cleo.get(&path).await.ok()["answered"]["name"], heard);
    }
}

#[tokio::test]
async fn a_request_is_made_of_an_own_fresh_denial_and_once() {
    let ward = ward().await;
    let denied = ward.prefers(&question("7")).await["context"]["evaluation_id"].clone();
    let first = ask(&ward.shop, REQUEST, &wish(&denied)).await;
    let again = ask(&ward.shop, REQUEST, &wish(&denied)).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (202, 200));
    assert_eq!(first.ok(), again.ok());
    assert!(first.header("location").ends_with(first.ok()["task"]["id"].as_str().unwrap()));
    let other = program(&ward.app, TENANT, "Oskar").await;
    assert_eq!(ask(&other, REQUEST, &wish(&denied)).await.status, 404);
    let path = format!("{REQUEST}/{}", first.ok()["task"]["id"].as_str().unwrap());
    assert_eq!(other.get(&path).await.status, 404);
    for (body, said) in [
        (json!({ "reason": "x" }), "`denial` is missing"),
        (json!({ "denial": {} }), "`denial.evaluation_id` is missing"),
        (json!({ "denial": { "evaluation_id": "x" } }), "no id of a decision"),
        (json!({ "denial": { "evaluation_id": denied }, "reason": 1 }), "`reason` must be a text"),
        (
            json!({ "denial": { "evaluation_id": denied }, "requested_access": { "requested_until": 1 } }),
            "no RFC 3339",
        ),
    ] {
        let refused = ask(&ward.shop, REQUEST, &body).await;
        assert_eq!(refused.status, 400, "{body}");
        assert!(refused.text().contains(said), "{}", refused.text());
    }
    let denied = ward.prefers(&question("8")).await["context"]["evaluation_id"].clone();
    let mut long = wish(&denied);
    long["requested_access"] = json!({ "requested_until": "2026-11-20T18:00:00.000Z" });
    assert!(ask(&ward.shop, REQUEST, &long).await.text().contains("is over already"));
    long["requested_access"] = json!({ "requested_until": "2027-11-20T18:00:00.000Z" });
    for part in ["subject", "action", "resource"] {
        long[part] = question("8")[part].clone();
    }
    let said = long.as_object_mut().unwrap().remove("context").unwrap();
    long["reason"] = said["business_justification"].clone();
    // More than may be approved is cut, and what is not said of the circumstances is as it is on record.
    let handle = ask(&ward.shop, REQUEST, &long).await.ok()["task"].clone();
    assert_eq!(ward.says("approve", &handle).await["approved_until"], "2026-11-21T18:00:00.000Z");
    assert_eq!(ward.asked(&question("8"), &json!({ "id": handle["id"] })).await, "allowed");
    let denied = ward.prefers(&question("9")).await["context"]["evaluation_id"].clone();
    ward.app.clock.advance(15 * 60_000);
    let late = ask(&ward.shop, REQUEST, &wish(&denied)).await;
    assert_eq!((late.status.as_u16(), late.text().contains("too old")), (400, true), "{}", late.text());
}

#[tokio::test]
async fn what_is_masked_comes_once_more_and_the_approval_is_of_that_patient_alone() {
    let ward = ward().await;
    let mut about = question("7");
    about["context"]["patient"] = json!("p-1");
    let denied = ward.prefers(&about).await["context"]["evaluation_id"].clone();
    let mut wish = wish(&denied);
    let without = ask(&ward.shop, REQUEST, &wish).await;
    assert!(without.text().contains("masked in the record"), "{}", without.text());
    for part in ["subject", "action", "resource", "context"] {
        wish[part] = about[part].clone();
    }
    let mut other = wish.clone();
    other["resource"]["id"] = json!("8");
    assert!(ask(&ward.shop, REQUEST, &other).await.text().contains("not the question that was denied"));
    let handle = ask(&ward.shop, REQUEST, &wish).await.ok()["task"].clone();
    let shown = ward.says("approve", &handle).await;
    assert_eq!(shown["asked"]["context"]["patient"], "(masked)");
    let approval = json!({ "id": handle["id"] });
    assert_eq!(ward.asked(&about, &approval).await, "allowed");
    about["context"]["patient"] = json!("p-2");
    assert_eq!(ward.asked(&about, &approval).await, "out_of_scope, request");
}

#[tokio::test]
async fn requests_have_limits_of_their_own() {
    let ward = ward_of(|config| {
        config.access.pending_max = 3;
        config.access.pending_of_subject_max = 2;
    })
    .await;
    let request = async |subject: &str, id: &str| {
        let mut question = question(id);
        question["subject"]["id"] = json!(subject);
        let denied = ward.prefers(&question).await["context"]["evaluation_id"].clone();
        ask(&ward.shop, REQUEST, &wish(&denied)).await
    };
    request("alice", "1").await.ok();
    let second = request("alice", "2").await.ok()["task"].clone();
    let refused = request("alice", "3").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "60"));
    assert!(refused.text().contains("2 access requests about one subject"), "{}", refused.text());
    request("bob", "1").await.ok();
    assert!(request("carol", "1").await.text().contains("3 access requests of the tenant"));
    ward.says("reject", &second).await;
    request("alice", "3").await.ok();
}

#[tokio::test]
async fn of_a_batch_each_question_has_its_own_approval_and_all_of_it_is_on_record() {
    let ward = ward().await;
    let handle = ward.requested(&question("7")).await;
    ward.says("approve", &handle).await;
    let approval = json!({ "id": handle["id"] });
    let mut batch = question("7");
    batch["evaluations"] = json!([
        { "context": { "ward": "a", "approval": approval } },
        {},
        { "resource": { "type": "record", "id": "8" }, "context": { "ward": "a", "approval": approval } },
    ]);
    let answers = ask(&ward.shop, EVALUATIONS, &batch).await.ok()["evaluations"].clone();
    assert_eq!((&answers[0], &answers[1]), (&json!({ "decision": true }), &json!({ "decision": false })));
    assert_eq!(answers[2]["context"]["reason"], "out_of_scope");

    let auditor = ward.app.person("Alan", &[Role::Auditor]).await;
    let id = answers[2]["context"]["evaluation_id"].as_str().unwrap();
    let recorded = auditor.get(&format!("/decisions/{id}")).await.ok();
    let claimed = json!({ "id": handle["id"], "reason": "out_of_scope" });
    assert_eq!(recorded["subject"]["request"]["claimed"], claimed);
    let decisions = auditor.get("/decisions?limit=200").await.ok();
    for decision in decisions["items"].as_array().unwrap() {
        let path = format!("/decisions/{}/replay", decision["id"].as_str().unwrap());
        assert_eq!(auditor.post(&path, json!({})).await.ok()["identical"], true, "{decision}");
    }
    let verified = auditor.ask(Method::POST, "/ledger/verify", &[], None).await.ok();
    assert_eq!(verified["sound"], true, "{verified}");
    let entries = auditor.get("/ledger/entries?limit=200").await.ok().to_string();
    for kind in ["access.requested", "access.approved"] {
        assert!(entries.contains(kind), "{kind}");
    }
    assert!(!decisions.to_string().contains("salt") && !entries.contains("\"salt\":\"i"), "no salt anywhere");
}

#[tokio::test]
async fn the_metadata_names_the_endpoint_and_the_capability() {
    let ward = ward().await;
    let path = format!("//.well-known/authzen-configuration/v1/tenants/{TENANT}");
    let metadata = ward.shop.get(&path).await.ok();
    let endpoint = format!("https://gate.example/v1/tenants/{TENANT}{REQUEST}");
    assert_eq!(metadata["access_request_endpoint"], endpoint);
    assert_eq!(metadata["capabilities"], json!(["urn:openid:authzen:capability:access-request"]));
}

#[tokio::test]
async fn only_so_many_questions_are_answered_at_once_and_the_others_are_told_when_to_come_again() {
    let ward = ward_of(|config| config.policies.parallel_max = 1).await;
    let mut batch = rick();
    batch["evaluations"] = Value::Array(vec![json!({}); 1_000]);
    // The key is known from here on, so that nothing stands between a request and its place.
    ask(&ward.shop, EVALUATION, &rick()).await.ok();
    let one = rick();
    let (first, second) =
        tokio::join!(ask(&ward.shop, EVALUATIONS, &batch), ask(&ward.shop, EVALUATION, &one));
    first.ok();
    assert_eq!((second.status.as_u16(), second.header("retry-after")), (503, "1"));
    assert!(second.text().contains("policies.parallel_max"), "{}", second.text());
    ask(&ward.shop, EVALUATION, &rick()).await.ok();
}
