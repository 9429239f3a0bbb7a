//! Persons behind accounts: who counts as whom, and what takes two administrators.

use axum::http::Method;
use interlock_domain::{Role, Scope};
use interlock_server::testing::{Answer, Client, TENANT, TestApp, built_plugins};
use serde_json::{Value, json};

const DAY_MS: i64 = 24 * 3_600_000;

/// A hospital without gates, with a pump in production and one in staging, and an artifact for both.
async fn hospital() -> TestApp {
    let app = TestApp::configured(|config| {
        config.plugins.dir = built_plugins();
        config.plugins.cache_dir = built_plugins().with_file_name("interlock-plugins-compiled");
        config.gates.clear();
    })
    .await;
    let admin = app.person("Setup", &[Role::Administrator]).await;
    let pump = |id: &str, environment: &str| json!({ "id": id, "environment": environment, "model": "x2" });
    let pumps = json!([pump("pump-1", "production"), pump("pump-2", "staging")]);
    admin.post("/devices:import", pumps).await.ok();
    let pusher = app.person("Pusher", &[Role::ReleaseManager]).await;
    pusher.push("fw", "2.0", b"content", None).await.ok();
    app
}

/// With cheap passwords and an identity provider of which nobody comes.
fn with_provider(config: &mut interlock_server::Config) {
    crate::people::cheap(config);
    config.identity.jwt = vec![crate::jwt::issuer(
        TENANT,
        json!({ "issuer": "https://idp.mercy", "jwks_url": "https://idp.mercy/keys" }),
    )];
}

async fn propose(by: &Client, environment: &str) -> Value {
    let proposal = json!({
        "environment": environment, "title": "2.0", "artifacts": [{ "name": "fw", "version": "2.0" }],
        "selector": { "model": "x2" }, "strategy": { "plugin": "direct" },
    });
    by.post("/changes", proposal).await.ok()
}

fn of(thing: &Value, noun: &str, verb: &str) -> String {
    format!("/{noun}/{}{verb}", thing["id"].as_str().unwrap())
}

fn approval(change: &Value) -> Value {
    json!({ "digest": change["digest"], "meaning": "review", "reason": "read it" })
}

fn request(name: &str, roles: &[&str]) -> Value {
    let roles: Vec<Value> = roles.iter().map(|role| json!({ "role": role })).collect();
    json!({ "name": name, "kind": "user", "roles": roles, "scopes": ["read", "write", "admin"], "expires_in_ms": 30 * DAY_MS })
}

fn with(mut request: Value, more: Value) -> Value {
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

/// The account of this name.
async fn account(admin: &Client, name: &str) -> Value {
    let accounts = admin.get("/accounts?limit=200").await.ok();
    let found = accounts["items"].as_array().unwrap().iter().find(|account| account["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {name}: {accounts}")).clone()
}

/// Confirms what there is to read of an account now.
async fn confirm(by: &Client, id: &Value) -> Answer {
    crate::people::confirm(by, id["id"].as_str().unwrap()).await
}

/// Why it is denied: the policies that decided.
#[track_caller]
fn denied_by(answer: &interlock_server::testing::Answer) -> Vec<String> {
    refused_by(answer, "denied")
}

/// The policies that a problem of this kind names.
fn refused_by(answer: &interlock_server::testing::Answer, kind: &str) -> Vec<String> {
    let problem = answer.problem(kind);
    problem["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|policy| policy["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn nobody_approves_what_their_own_program_proposed() {
    let app = hospital().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let ana = app.person("Ana", &[Role::ClinicalSafety]).await;
    let owner = account(&eva, "Ana").await["person"].clone();
    let program = with(request("ci", &["release_manager"]), json!({ "kind": "service", "owner": owner }));
    let made = eva.post("/keys", program).await.ok();
    assert_eq!(made["person"], owner, "a program is its owner's");
    let ci = app.client(TENANT, made["key"].as_str());
    let change = propose(&ci, "production").await;
    assert_eq!(change["author"], owner);
    let refused = ana.post(&of(&change, "changes", "/approve"), approval(&change)).await;
    assert_eq!(refused_by(&refused, "self-approval"), ["approvals.not-the-author"]);
    let ben = app.person("Ben", &[Role::ClinicalSafety]).await;
    ben.post(&of(&change, "changes", "/approve"), approval(&change)).await.ok();
}

#[tokio::test]
async fn two_accounts_of_one_person_are_one_person() {
    let app = hospital().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    let person = account(&eva, "Ana").await["person"].clone();
    let second = with(request("Ana (clinic)", &["clinical_safety"]), json!({ "person": person }));
    let made = eva.post("/keys", second).await.ok();
    assert_eq!(made["person"], person);
    let ines = app.person("Ines", &[Role::Administrator]).await;
    let clinic = account(&eva, "Ana (clinic)").await;
    confirm(&ines, &clinic).await.ok();
    let change = propose(&ana, "production").await;
    let also_ana = app.client(TENANT, made["key"].as_str());
    let refused = also_ana.post(&of(&change, "changes", "/approve"), approval(&change)).await;
    assert_eq!(refused_by(&refused, "self-approval"), ["approvals.not-the-author"]);
}

#[tokio::test]
async fn whose_a_key_is_must_be_said_and_must_be_somebody() {
    let app = TestApp::start().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let person = account(&eva, "Eva").await["person"].clone();
    let nobody = json!(format!("per_{}", "0".repeat(32)));
    let program = with(request("ci", &["release_manager"]), json!({ "kind": "service" }));
    for (wrong, field) in [
        (program.clone(), "/owner"),
        (with(program.clone(), json!({ "owner": nobody })), "/owner"),
        (with(program.clone(), json!({ "owner": person, "person": person })), "/person"),
        (with(request("Ana", &[]), json!({ "owner": person })), "/owner"),
        (with(request("Ana", &[]), json!({ "person": nobody })), "/person"),
        (with(request("Ana", &[]), json!({ "reset": true })), "/reset"),
        (with(request("Ana", &[]), json!({ "label": "x".repeat(201) })), "/label"),
        (with(request("Ana", &[]), json!({ "label": "a\nb" })), "/label"),
    ] {
        assert_eq!(eva.post("/keys", wrong.clone()).await.problem("invalid")["field"], field, "{wrong}");
    }
    eva.post("/keys", with(program, json!({ "owner": person }))).await.ok();
    let other = app.person("Otto", &[Role::Viewer]).await;
    drop(other);
    let otto = account(&eva, "Otto").await["person"].clone();
    let stolen = with(request("ci", &[]), json!({ "kind": "service", "owner": otto }));
    assert_eq!(eva.post("/keys", stolen).await.problem("invalid")["field"], "/owner");
}

#[tokio::test]
async fn one_administrator_alone_makes_no_approver_and_no_second_administrator() {
    let app = hospital().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    let change = propose(&ana, "production").await;
    let made = eva.post("/keys", request("Ben", &["clinical_safety"])).await.ok();
    let ben = app.client(TENANT, made["key"].as_str());
    let approve = of(&change, "changes", "/approve");
    assert_eq!(denied_by(&ben.post(&approve, approval(&change)).await), ["guardrails.second-administrator"]);
    let account_of_ben = account(&eva, "Ben").await;
    let path = of(&account_of_ben, "accounts", "/confirm");
    // Not she who made it, not a puppet of hers, and not time.
    confirm(&eva, &account_of_ben).await.problem("second-person-needed");
    let puppet = eva.post("/keys", request("Puppet", &["administrator"])).await.ok();
    let puppet = app.client(TENANT, puppet["key"].as_str());
    let digest = json!({ "digest": account_of_ben["hold"]["digest"] });
    for (path, body) in [(&path, digest), (&"/keys".to_owned(), request("Zed", &["regulatory"]))] {
        assert_eq!(denied_by(&puppet.post(path, body).await), ["guardrails.second-administrator"]);
    }
    app.clock.advance(2 * DAY_MS);
    assert_eq!(denied_by(&ben.post(&approve, approval(&change)).await), ["guardrails.second-administrator"]);
    let ines = app.person("Ines", &[Role::Administrator]).await;
    let confirmed = confirm(&ines, &account_of_ben).await.ok();
    assert!(confirmed["hold"]["confirmed_by"].is_string(), "{confirmed}");
    ben.post(&approve, approval(&change)).await.ok();
}

#[tokio::test]
async fn a_further_key_never_alters_roles_and_for_an_approver_is_a_reset() {
    let app = hospital().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let ines = app.person("Ines", &[Role::Administrator]).await;
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    let ben = app.person("Ben", &[Role::ClinicalSafety]).await;
    let change = propose(&ana, "production").await;
    let more = request("Ben", &["clinical_safety", "regulatory"]);
    assert_eq!(eva.post("/keys", more).await.problem("invalid")["field"], "/roles");
    let promoted = request("Ana", &["regulatory"]);
    assert_eq!(eva.post("/keys", promoted).await.problem("invalid")["field"], "/roles");
    assert_eq!(eva.post("/keys", request("Ben", &[])).await.problem("invalid")["field"], "/reset");
    ben.get("/changes").await.ok();
    // Who is no approver gets further keys as before, and so does an administrator for themselves, but for none that is more than
    // the key that they ask with.
    eva.post("/keys", request("Ana", &[])).await.ok();
    eva.post("/keys", with(request("Eva", &["administrator"]), json!({ "expires_in_ms": 60_000 })))
        .await
        .ok();

    let made = eva.post("/keys", with(request("Ben", &[]), json!({ "reset": true }))).await.ok();
    assert_eq!(made["roles"], json!([{ "role": "clinical_safety" }]));
    ben.get("/changes").await.problem("unauthenticated");
    let account_of_ben = account(&eva, "Ben").await;
    confirm(&ines, &account_of_ben).await.ok();
    let ben = app.client(TENANT, made["key"].as_str());
    let approve = of(&change, "changes", "/approve");
    assert_eq!(denied_by(&ben.post(&approve, approval(&change)).await), ["guardrails.second-administrator"]);
    app.clock.advance(DAY_MS - 1);
    assert_eq!(denied_by(&ben.post(&approve, approval(&change)).await), ["guardrails.second-administrator"]);
    app.clock.advance(1);
    ben.post(&approve, approval(&change)).await.ok();
}

#[tokio::test]
async fn roles_are_altered_by_their_own_verb_and_those_that_take_two_wait() {
    let app = TestApp::start().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    app.person("Ben", &[Role::ClinicalSafety]).await;
    let ben = account(&eva, "Ben").await;
    let put = async |roles: Value| {
        eva.ask(Method::PUT, &of(&ben, "accounts", "/roles"), &[], Some(json!({ "roles": roles }))).await
    };
    let fewer = put(json!([{ "role": "clinical_safety", "environment": "production" }])).await.ok();
    assert_eq!(fewer["hold"], Value::Null, "{fewer}");
    let more = put(json!([{ "role": "clinical_safety" }])).await.ok();
    assert_eq!(more["hold"]["confirmed_by"], Value::Null, "{more}");
    assert!(more["hold"]["by"].is_string(), "{more}");
    let manager = app.person("Ana", &[Role::ReleaseManager]).await;
    let own = of(&account(&eva, "Ana").await, "accounts", "/roles");
    manager.ask(Method::PUT, &own, &[], Some(json!({ "roles": [] }))).await.problem("denied");
}

/// Two administrators, each with a part in it, are not yet a second one for each other's part.
#[tokio::test]
async fn whoever_handed_something_out_does_not_confirm_it_because_another_one_came_after_them() {
    let app = TestApp::start().await;
    let [eva, ines, uma] = ["Eva", "Ines", "Uma"].map(|name| app.person(name, &[Role::Administrator]));
    let (eva, ines, uma) = tokio::join!(eva, ines, uma);
    app.person("Ben", &[Role::ClinicalSafety]).await;
    let ben = account(&eva, "Ben").await;
    // Eva has a key for Ben's account, and Ines knows nothing of it.
    eva.post("/keys", with(request("Ben", &[]), json!({ "reset": true }))).await.ok();
    let roles = json!({ "roles": [{ "role": "clinical_safety" }, { "role": "regulatory", "environment": "staging" }] });
    let granted = ines.ask(Method::PUT, &of(&ben, "accounts", "/roles"), &[], Some(roles)).await.ok();
    assert_eq!(granted["hold"]["also_by"].as_array().unwrap().len(), 1, "{granted}");
    confirm(&eva, &ben).await.problem("second-person-needed");
    confirm(&ines, &ben).await.problem("second-person-needed");
    confirm(&uma, &ben).await.ok();
}

/// What one administrator handed out for somebody who approved nothing must not approve later, when a second one confirms the roles
/// in good faith.
#[tokio::test]
async fn what_was_handed_out_before_ends_when_an_account_comes_to_approve() {
    let app = TestApp::configured(with_provider).await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let ben = app.person("Ben", &[Role::Viewer]).await;
    let account_of_ben = account(&eva, "Ben").await;
    let extra = eva.post("/keys", request("Ben", &[])).await.ok();
    let extra = app.client(TENANT, extra["key"].as_str());
    let names = of(&account_of_ben, "accounts", "/subjects");
    eva.post(&names, json!({ "issuer": "https://idp.mercy", "subject": "eva" })).await.ok();
    let invitation = eva.post(&of(&account_of_ben, "accounts", "/enrolment"), json!({})).await.ok();
    for client in [&ben, &extra] {
        client.get("/changes").await.ok();
    }
    let put = async |role: &str| {
        let roles = json!({ "roles": [{ "role": role }] });
        eva.ask(Method::PUT, &of(&account_of_ben, "accounts", "/roles"), &[], Some(roles)).await.ok()
    };
    put("operator").await;
    ben.get("/changes").await.ok();
    put("clinical_safety").await;
    for client in [&ben, &extra] {
        client.get("/changes").await.problem("unauthenticated");
    }
    assert_eq!(eva.get(&names).await.ok()["items"], json!([]));
    let follow = json!({ "tenant": TENANT, "code": invitation["code"] });
    let nobody = app.client(TENANT, None);
    nobody.ask(Method::POST, "//v1/enrolments", &[], Some(follow)).await.problem("invitation-refused");
    // Whoever approves already goes on with what two administrators handed out.
    let made = eva.post("/keys", with(request("Ben", &[]), json!({ "reset": true }))).await.ok();
    let ben = app.client(TENANT, made["key"].as_str());
    put("regulatory").await;
    ben.get("/changes").await.ok();
    let audit = app.app.store.audit(TENANT, None, |_| {}).await.unwrap();
    assert!(audit.report.findings.is_empty(), "{:?}", audit.report.findings);
}

/// A key is one thing that can be stolen; a signature takes two.
#[tokio::test]
async fn an_administrators_key_alone_makes_no_signer_of_their_own_other_account() {
    let app = TestApp::configured(crate::people::cheap).await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let ines = app.person("Ines", &[Role::Administrator]).await;
    let own = account(&eva, "Eva").await;
    eva.post(&of(&own, "accounts", "/enrolment"), json!({})).await.ok();
    assert_eq!(account(&eva, "Eva").await["hold"], Value::Null, "the first administrator has nobody to ask");
    let clinic = with(request("Eva (clinic)", &["clinical_safety"]), json!({ "person": own["person"] }));
    // Nor a key for it that lasts longer than the one that makes it.
    assert_eq!(eva.post("/keys", clinic.clone()).await.problem("invalid")["field"], "/expires_in_ms");
    eva.post("/keys", with(clinic, json!({ "expires_in_ms": DAY_MS }))).await.ok();
    let clinic = account(&eva, "Eva (clinic)").await;
    confirm(&ines, &clinic).await.ok();
    eva.post(&of(&clinic, "accounts", "/enrolment"), json!({})).await.ok();
    let held = account(&eva, "Eva (clinic)").await;
    assert_eq!(held["hold"]["confirmed_by"], Value::Null, "{held}");
    confirm(&eva, &clinic).await.problem("second-person-needed");
}

/// In the moment in which it comes to approve, nothing slips by.
#[tokio::test]
async fn a_key_that_is_made_while_an_account_comes_to_approve_does_not_outlast_that() {
    let app = TestApp::start().await;
    let (eva, ines) =
        tokio::join!(app.person("Eva", &[Role::Administrator]), app.person("Ines", &[Role::Administrator]));
    for number in 0..4 {
        let name = format!("Ben {number}");
        app.person(&name, &[Role::Viewer]).await;
        let roles = of(&account(&eva, &name).await, "accounts", "/roles");
        let raised = json!({ "roles": [{ "role": "regulatory" }] });
        let (made, raised) = tokio::join!(
            eva.post("/keys", request(&name, &[])),
            ines.ask(Method::PUT, &roles, &[], Some(raised))
        );
        if made.status.is_success() && raised.status.is_success() {
            let key = app.client(TENANT, made.json()["key"].as_str());
            key.get("/changes").await.problem("unauthenticated");
        }
    }
}

#[tokio::test]
async fn an_account_that_acts_again_does_so_with_nothing_that_it_had() {
    let app = TestApp::configured(with_provider).await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    app.person("Ben", &[Role::Viewer]).await;
    let ben = account(&eva, "Ben").await;
    let names = of(&ben, "accounts", "/subjects");
    eva.post(&names, json!({ "issuer": "https://idp.mercy", "subject": "ben" })).await.ok();
    let invitation = eva.post(&of(&ben, "accounts", "/enrolment"), json!({})).await.ok();
    for verb in ["/deactivate", "/activate"] {
        eva.post(&of(&ben, "accounts", verb), json!({})).await.ok();
    }
    assert_eq!(eva.get(&names).await.ok()["items"], json!([]));
    let follow = json!({ "tenant": TENANT, "code": invitation["code"] });
    let nobody = app.client(TENANT, None);
    nobody.ask(Method::POST, "//v1/enrolments", &[], Some(follow)).await.problem("invitation-refused");
}

#[tokio::test]
async fn two_administrators_at_once_make_one_account_of_a_name() {
    let app = TestApp::start().await;
    let (eva, ines) =
        tokio::join!(app.person("Eva", &[Role::Administrator]), app.person("Ines", &[Role::Administrator]));
    let (one, other) = tokio::join!(
        eva.post("/keys", request("Ben", &["viewer"])),
        ines.post("/keys", request("Ben", &["viewer"]))
    );
    let accounts = eva.get("/accounts?limit=200").await.ok();
    let of_ben =
        accounts["items"].as_array().unwrap().iter().filter(|account| account["name"] == "Ben").count();
    assert_eq!(of_ben, 1, "{} {}", one.text(), other.text());
}

/// Fault A6: an approval counts only while its giver may still give it.
#[tokio::test]
async fn who_is_deactivated_acts_no_more_and_what_they_approved_no_longer_counts() {
    let app = hospital().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    let ben = app.person("Ben", &[Role::ClinicalSafety]).await;
    let change = propose(&ana, "production").await;
    app.reconcile().await;
    ben.post(&of(&change, "changes", "/approve"), approval(&change)).await.ok();
    let missing = async || {
        let explained = ana.get(&of(&change, "changes", "/explain")).await.ok();
        assert_eq!(explained["state"], "approving", "{explained}");
        explained["next"]["reasons"].to_string().contains("approvals.guarded-clinical-safety")
    };
    assert!(!missing().await);
    let account_of_ben = account(&eva, "Ben").await;
    let ended = eva.post(&of(&account_of_ben, "accounts", "/deactivate"), json!({})).await.ok();
    assert_eq!(ended["active"], false);
    assert!(missing().await, "the approval of somebody who left still counts");
    ben.get("/changes").await.problem("unauthenticated");
    let keys = eva.get("/keys?limit=200").await.ok();
    let of_ben: Vec<&Value> = keys["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["account"] == account_of_ben["id"])
        .collect();
    assert!(of_ben.iter().all(|key| key["revoked_at"].is_string()), "{of_ben:?}");
    // A new key does not bring the account back, here or on the machine.
    let again = with(request("Ben", &[]), json!({ "reset": true }));
    assert_eq!(eva.post("/keys", again.clone()).await.problem("invalid")["field"], "/name");
    let request = serde_json::from_value(again).unwrap();
    let locally =
        interlock_server::flow::key::create_locally(&app.app, &TENANT.parse().unwrap(), request).await;
    assert!(locally.unwrap_err().to_string().contains("activate it first"));
    let active = eva.post(&of(&account_of_ben, "accounts", "/activate"), json!({})).await.ok();
    assert_eq!(active["active"], true);
    ben.get("/changes").await.problem("unauthenticated");
}

#[tokio::test]
async fn a_reset_also_holds_what_was_approved_before() {
    let app = hospital().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    let ben = app.person("Ben", &[Role::ClinicalSafety]).await;
    let change = propose(&ana, "production").await;
    app.reconcile().await;
    ben.post(&of(&change, "changes", "/approve"), approval(&change)).await.ok();
    eva.post("/keys", with(request("Ben", &[]), json!({ "reset": true }))).await.ok();
    let explained = ana.get(&of(&change, "changes", "/explain")).await.ok();
    let reasons = explained["next"]["reasons"].to_string();
    assert!(reasons.contains("approvals.guarded-clinical-safety"), "{reasons}");
}

#[tokio::test]
async fn only_administrators_touch_accounts_and_other_tenants_have_none() {
    let app = TestApp::start().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let ben = app.person("Ben", &[Role::ClinicalSafety]).await;
    let id = account(&eva, "Eva").await;
    let nobody = json!({ "id": format!("acc_{}", "0".repeat(32)) });
    let digest = json!({ "digest": format!("sha256:{}", "0".repeat(64)) });
    for (verb, body) in [("/confirm", digest), ("/deactivate", json!({})), ("/activate", json!({}))] {
        ben.post(&of(&id, "accounts", verb), body.clone()).await.problem("denied");
        eva.post(&of(&nobody, "accounts", verb), body).await.problem("not-found");
    }
    ben.get("/accounts").await.problem("denied");
    let scopes = [Scope::Read, Scope::Write, Scope::Admin];
    let user = interlock_domain::AccountKind::User;
    let sam = app.with_key("elsewhere", user, "Sam", &Role::ALL, &scopes).await;
    sam.post(&of(&id, "accounts", "/deactivate"), json!({})).await.problem("not-found");
    let first = eva.get("/accounts?limit=1").await.ok();
    let next = format!("/accounts?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_ne!(eva.get(&next).await.ok()["items"][0]["id"], first["items"][0]["id"]);
}

#[tokio::test]
async fn what_clinical_safety_stopped_neither_author_nor_operator_resumes() {
    let app = hospital().await;
    let ana = app.person("Ana", &[Role::ReleaseManager, Role::Operator, Role::ClinicalSafety]).await;
    let oda = app.person("Oda", &[Role::Operator]).await;
    let ben = app.person("Ben", &[Role::ClinicalSafety]).await;
    let cleo = app.person("Cleo", &[Role::Regulatory]).await;
    let change = propose(&ana, "staging").await;
    for _ in 0..4 {
        app.reconcile().await;
    }
    assert_eq!(ana.get(&of(&change, "changes", "")).await.ok()["state"], "rolling_out");
    let reason = json!({ "reason": "alarms on ward 3" });
    let (pause, resume) = (of(&change, "changes", "/pause"), of(&change, "changes", "/resume"));
    ben.post(&pause, reason.clone()).await.ok();
    for who in [&ana, &oda] {
        assert_eq!(denied_by(&who.post(&resume, reason.clone()).await), ["guardrails.safety-resumes"]);
    }
    cleo.post(&resume, reason.clone()).await.ok();
    // What an operator stopped, an operator lets go on.
    oda.post(&pause, reason.clone()).await.ok();
    oda.post(&resume, reason).await.ok();
}

#[tokio::test]
async fn what_was_handed_out_after_an_account_was_read_is_not_confirmed_with_what_was_read() {
    let app = TestApp::start().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let ines = app.person("Ines", &[Role::Administrator]).await;
    let made = eva.post("/keys", request("Ben", &["clinical_safety"])).await.ok();
    let ben = account(&ines, "Ben").await;
    assert_eq!(ben["hold"]["digest"], made["hold"]["digest"], "the one who makes it reads the same");
    let read = json!({ "digest": ben["hold"]["digest"] });
    let more = json!({ "roles": [{ "role": "clinical_safety" }, { "role": "regulatory" }] });
    eva.ask(Method::PUT, &of(&ben, "accounts", "/roles"), &[], Some(more)).await.ok();
    let path = of(&ben, "accounts", "/confirm");
    let refused = ines.post(&path, read).await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.problem("other-hand-out")["field"], "/digest");
    ines.post(&path, json!({})).await.problem("invalid");
    assert_eq!(account(&ines, "Ben").await["hold"]["confirmed_by"], Value::Null);
    confirm(&ines, &ben).await.ok();
}

#[tokio::test]
async fn the_last_administrator_is_neither_ended_nor_loses_the_role_and_two_do_not_end_each_other() {
    let app = TestApp::start().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let own = account(&eva, "Eva").await;
    // Neither one who waits for a second administrator nor one of a single environment takes her place.
    eva.post("/keys", request("Puppet", &["administrator"])).await.ok();
    let roles = json!({ "roles": [{ "role": "viewer" }, { "role": "administrator", "environment": "lab" }] });
    let demote = of(&own, "accounts", "/roles");
    let end = of(&own, "accounts", "/deactivate");
    let refused = eva.post(&end, json!({})).await;
    assert_eq!(refused.status, 409);
    let problem = refused.problem("last-administrator");
    assert!(problem["detail"].as_str().unwrap().contains("another account"), "{problem}");
    eva.ask(Method::PUT, &demote, &[], Some(roles.clone())).await.problem("last-administrator");
    assert_eq!(account(&eva, "Eva").await, own);

    let ines = app.person("Ines", &[Role::Administrator]).await;
    let (hers, other) = (of(&account(&eva, "Ines").await, "accounts", "/deactivate"), end.clone());
    let (one, two) = tokio::join!(eva.post(&hers, json!({})), ines.post(&other, json!({})));
    assert!(!(one.status.is_success() && two.status.is_success()), "nobody would be left");
    let accounts = app.app.store.accounts(&TENANT.parse().unwrap()).await.unwrap();
    assert_eq!(accounts.iter().filter(|account| account.administers()).count(), 1);
}

#[tokio::test]
async fn a_program_is_suspended_while_nobody_answers_for_it() {
    let app = TestApp::start().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    app.person("Olga", &[Role::Viewer]).await;
    let olga = account(&eva, "Olga").await;
    let program = with(
        request("ci", &["viewer"]),
        json!({ "kind": "service", "owner": olga["person"], "scopes": ["read"] }),
    );
    let made = eva.post("/keys", program).await.ok();
    let ci = app.client(TENANT, made["key"].as_str());
    ci.get("/changes").await.ok();
    let listed = account(&eva, "ci").await;
    assert_eq!((&listed["owner_active"], &listed["active"]), (&json!(true), &json!(true)));
    assert_eq!(olga.get("owner_active"), None, "a person answers for themselves");

    eva.post(&of(&olga, "accounts", "/deactivate"), json!({})).await.ok();
    let refused = ci.get("/changes").await.problem("unauthenticated");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("suspended") && detail.contains("activate"), "{detail}");
    assert_eq!(account(&eva, "ci").await["owner_active"], false);

    eva.post(&of(&olga, "accounts", "/activate"), json!({})).await.ok();
    ci.get("/changes").await.ok();
    // For good: the program ends, and its name is free for one for which somebody else answers.
    eva.post(&of(&olga, "accounts", "/deactivate"), json!({})).await.ok();
    eva.post(&of(&account(&eva, "ci").await, "accounts", "/deactivate"), json!({})).await.ok();
    let person = account(&eva, "Eva").await["person"].clone();
    let again = with(request("ci", &["viewer"]), json!({ "kind": "service", "owner": person }));
    let taken = eva.post("/keys", again).await.ok();
    assert_eq!(taken["person"], person);
    app.client(TENANT, taken["key"].as_str()).get("/changes").await.ok();
    ci.get("/changes").await.problem("unauthenticated");
}

#[tokio::test]
async fn a_gate_is_suspended_while_nobody_answers_for_it() {
    let app = TestApp::start().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    app.person("Olga", &[Role::Viewer]).await;
    let olga = account(&eva, "Olga").await;
    let gate = json!({ "name": "shop", "engine": "argo", "question": { "about": "change" }, "owner": olga["person"],
        "expires_in_ms": DAY_MS });
    let made = eva.post("/gates", gate).await.ok();
    let path = format!("//gate/{}/argo", made["token"].as_str().unwrap());
    let nobody = app.client(TENANT, None);
    assert_eq!(nobody.get(&path).await.status, 200);
    eva.post(&of(&olga, "accounts", "/deactivate"), json!({})).await.ok();
    let refused = nobody.get(&path).await;
    assert!(refused.status == 401 && refused.text().contains("suspended"), "{}", refused.text());
}

#[tokio::test]
async fn a_stolen_administrators_key_makes_no_successor_of_itself_and_no_login() {
    let app = TestApp::configured(with_provider).await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let own = account(&eva, "Eva").await;
    // A day is what her key still has.
    let key = |more: Value| with(with(request("Eva", &[]), json!({ "expires_in_ms": DAY_MS })), more);
    let tries = std::cell::Cell::new(0);
    let field = async |by: &Client, body: Value| {
        tries.set(tries.get() + 1);
        let refused = by.post_as(&format!("try-{}", tries.get()), "/keys", body).await;
        refused.problem("invalid")["field"].clone()
    };
    assert_eq!(field(&eva, key(json!({ "expires_in_ms": DAY_MS + 1 }))).await, "/expires_in_ms");
    let short = eva
        .post(
            "/keys",
            key(json!({ "scopes": ["admin"], "expires_in_ms": 60_000, "networks": ["127.0.0.0/8"] })),
        )
        .await
        .ok();
    let short_lived = app.client(TENANT, short["key"].as_str());
    assert_eq!(
        field(&short_lived, key(json!({ "expires_in_ms": 60_001, "scopes": ["admin"] }))).await,
        "/expires_in_ms"
    );
    let minute = |more: Value| key(with(json!({ "expires_in_ms": 60_000, "scopes": ["admin"] }), more));
    assert_eq!(field(&short_lived, minute(json!({ "scopes": ["read", "admin"] }))).await, "/scopes");
    for networks in [json!([]), json!(["0.0.0.0/0"]), json!(["10.0.0.0/8"])] {
        assert_eq!(field(&short_lived, minute(json!({ "networks": networks }))).await, "/networks");
    }
    let rotate = format!("/keys/{}/rotate", short["id"].as_str().unwrap());
    app.clock.advance(1_000);
    assert_eq!(short_lived.post(&rotate, json!({})).await.problem("invalid")["field"], "/expires_in_ms");

    // Who has no login yet gets the first one so; nobody gets a second one by a key.
    let invite = of(&own, "accounts", "/enrolment");
    let names = of(&own, "accounts", "/subjects");
    let invitation = eva.post(&invite, json!({})).await.ok();
    let mut person =
        crate::people::follow(&app, "Eva", own["id"].as_str().unwrap(), invitation["code"].as_str().unwrap())
            .await;
    for (path, body) in
        [(&invite, json!({})), (&names, json!({ "issuer": "https://idp.mercy", "subject": "thief" }))]
    {
        let refused = eva.post(path, body).await.problem("invalid");
        assert!(refused["detail"].as_str().unwrap().contains("log in"), "{refused}");
    }
    // She herself, in a session, does.
    person.log_in_by_passkey().await;
    let path = format!("//v1/tenants/{TENANT}/keys");
    let made = person.post(&path, key(json!({ "expires_in_ms": 60 * DAY_MS }))).await.ok();
    app.client(TENANT, made["key"].as_str()).get("/accounts").await.ok();
}

#[tokio::test]
async fn names_that_look_alike_are_one_name_and_what_nobody_sees_is_in_none() {
    let app = TestApp::start().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let one = eva.post("/keys", request("Jos\u{e9}", &["viewer"])).await.ok();
    let same = eva.post("/keys", request(" Jose\u{301} ", &[])).await.ok();
    assert_eq!((&same["account"], &same["name"]), (&one["account"], &json!("Jos\u{e9}")));
    for odd in ["Jos\u{e9}\u{200b}", "\u{202e}Jos\u{e9}", "Jos\u{e9}\u{a0}", "Jo\u{ad}s\u{e9}", "a\nb", ""] {
        let refused = eva.post("/keys", request(odd, &["viewer"])).await.problem("invalid");
        assert_eq!(refused["field"], "/name", "{odd:?}");
    }
}
