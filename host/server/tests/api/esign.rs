//! Electronic signatures: shown, signed, kept, verified anywhere.

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use interlock_domain::{ArtifactStatement, ChangeId, Digest, Role, SignatureRecord};
use interlock_ledger::{Entry, Receipt};
use interlock_server::{
    Config,
    config::Provable,
    testing::{Answer, Client, TENANT, TestApp, built_plugins},
};
use interlock_vault::{
    SigningKey,
    esig::{self, EsigError},
};
use serde_json::{Value, json};

use crate::people::{DAY_MS, PASSWORD, Person, account, cheap, enrol, follow};
use crate::witness::Witnesses;

const KEY: &str = include_str!("../../../vault/testkeys/test-only-rsa4096-a.pem");
const MINUTE_MS: i64 = 60_000;

pub(crate) struct Hospital {
    pub(crate) app: TestApp,
    /// Clinical safety, logged in.
    pub(crate) ana: Person,
    /// Regulatory, logged in.
    pub(crate) ben: Person,
    pub(crate) manager: Client,
}

/// Two approvers whose hold is over, a pump, and firmware for it.
pub(crate) async fn hospital() -> Hospital {
    hospital_with(|_| {}).await
}

pub(crate) async fn hospital_with(alter: impl FnOnce(&mut Config)) -> Hospital {
    let app = TestApp::configured(|config| {
        cheap(config);
        alter(config);
        config.plugins.dir = built_plugins();
        config.plugins.cache_dir = built_plugins().with_file_name("interlock-plugins-compiled");
        config.gates.retain(|gate| gate.plugin == "signature");
    })
    .await;
    let mut ana = enrol(&app, "Ana Sousa", &[Role::ClinicalSafety]).await;
    let mut ben = enrol(&app, "Ben Okafor", &[Role::Regulatory]).await;
    app.clock.advance(DAY_MS);
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let pump = json!([{ "id": "pump-1", "environment": "production", "model": "x2", "token": "token-of-the-only-pump" }]);
    admin.post("/devices:import", pump).await.ok();
    let maker = SigningKey::from_pkcs8_pem(KEY).unwrap();
    let trusted = app.app.config.artifacts.trusted_keys_dir.join("maker.pem");
    std::fs::write(trusted, maker.public_pem()).unwrap();
    let manager = app.person("Mia", &[Role::ReleaseManager]).await;
    for (version, content, counter) in [("1.0", b"old content", 1), ("2.0", b"new content", 2)] {
        let signed = maker.sign(&statement(version, content, counter)).unwrap();
        manager.push("fw", version, content, Some(&signed)).await.ok();
    }
    let says = json!({ "mode": "merge", "data": { "firmware_version": "1.0" } });
    let headers =
        [("authorization", "TargetToken token-of-the-only-pump"), ("content-type", "application/json")];
    let nobody = app.client(TENANT, None);
    let path = format!("//{TENANT}/controller/v1/pump-1/configData");
    nobody.send(Method::PUT, &path, &headers, says.to_string().into()).await.ok();
    ana.log_in_by_passkey().await;
    ben.log_in(&app).await;
    Hospital { app, ana, ben, manager }
}

fn statement(version: &str, content: &[u8], release_counter: u64) -> ArtifactStatement {
    ArtifactStatement {
        v: 1,
        name: "fw".to_owned(),
        version: version.to_owned(),
        digest: Digest::of(content),
        size_bytes: content.len() as u64,
        release_counter,
        models: Vec::new(),
        not_before: None,
        expires_at: None,
    }
}

impl Hospital {
    async fn propose(&self, title: &str) -> Value {
        let proposal = json!({
            "environment": "production", "title": title, "artifacts": [{ "name": "fw", "version": "2.0" }],
            "selector": { "model": "x2" }, "strategy": { "plugin": "direct" },
        });
        self.manager.post("/changes", proposal).await.ok()
    }

    pub(crate) async fn approving(&self, title: &str) -> Value {
        let change = self.propose(title).await;
        self.app.reconcile().await;
        self.manager.get(&path(&change, "")).await.ok()
    }
}

pub(crate) fn path(change: &Value, verb: &str) -> String {
    format!("/changes/{}{verb}", change["id"].as_str().unwrap())
}

async fn try_intent(by: &Person, change: &Value, meaning: &str) -> Answer {
    try_intent_with(by, change, meaning, json!({})).await
}

async fn try_intent_with(by: &Person, change: &Value, meaning: &str, more: Value) -> Answer {
    let mut body = json!({ "digest": change["digest"], "meaning": meaning, "reason": "bench results attached",
        "zone": "Europe/Lisbon" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    by.post(&path(change, "/signatures/intent"), body).await
}

pub(crate) async fn intent(by: &Person, change: &Value) -> Value {
    try_intent(by, change, "approval").await.ok()
}

pub(crate) async fn sign(by: &Person, change: &Value, offer: &Value, proof: Value) -> Answer {
    let mut body = json!({ "sig_id": offer["intent"]["sig_id"] });
    body.as_object_mut().unwrap().extend(proof.as_object().unwrap().clone());
    by.post(&path(change, "/signatures"), body).await
}

pub(crate) fn touch(by: &mut Person, offer: &Value) -> Value {
    json!({ "passkey": by.passkey.answer(offer["challenge"].as_str().unwrap()) })
}

pub(crate) fn both(by: &Person, app: &TestApp) -> Value {
    json!({ "password": PASSWORD, "code": by.code(app) })
}

fn alone() -> Value {
    json!({ "password": PASSWORD })
}

fn record(signature: &Value) -> SignatureRecord {
    let payload = STANDARD.decode(signature["envelope"]["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[tokio::test]
async fn a_firmware_change_waits_for_two_signatures_by_passkey_and_by_password_and_code_and_is_exported_with_them()
 {
    let mut world = hospital().await;
    let change = world.approving("Pump firmware 2.0").await;
    assert_eq!(change["state"], "approving");
    let offer = intent(&world.ana, &change).await;
    assert_eq!(offer["intent"]["sentence"], "I approve this change as it is shown here.");
    assert_eq!(offer["intent"]["view_sha256"], Digest::of(offer["view"].as_str().unwrap()).to_string());
    for shown in [
        "Pump firmware 2.0",
        "fw 2.0",
        "bench results attached",
        "Ana Sousa (clinical_safety), mercy",
        "Strategy: ",
        "Stage 0: ",
        "Meant for: ",
    ] {
        assert!(offer["view"].as_str().unwrap().contains(shown), "{}", offer["view"]);
    }
    let proof = touch(&mut world.ana, &offer);
    let first = sign(&world.ana, &change, &offer, proof).await.ok();
    assert_eq!((&first["binding"], &first["superseded"]), (&json!("passkey"), &json!(false)));
    world.app.reconcile().await;
    let waits = world.manager.get(&path(&change, "/explain")).await.ok();
    assert_eq!(waits["state"], "approving", "one is not two");
    assert!(waits["next"]["reasons"].to_string().contains("approvals.guarded-two-people"), "{waits:#}");
    let offer = intent(&world.ben, &change).await;
    let proof = both(&world.ben, &world.app);
    let second = sign(&world.ben, &change, &offer, proof).await.ok();
    assert_eq!(second["binding"], "server");
    for _ in 0..4 {
        world.app.reconcile().await;
    }
    let admitted = world.manager.get(&path(&change, "")).await.ok();
    let why = world.manager.get(&path(&change, "/explain")).await.ok();
    assert_eq!(admitted["state"], "rolling_out", "{why:#}");
    let signed: Vec<&Value> =
        admitted["approvals"].as_array().unwrap().iter().map(|approval| &approval["signature"]).collect();
    assert_eq!(signed, [&first["id"], &second["id"]]);

    let exported = world.manager.get(&path(&change, "/signatures")).await.ok();
    let key = exported["key"].as_str().unwrap().parse().unwrap();
    let (id, digest) = (change["id"].as_str().unwrap().parse().unwrap(), change["digest"].as_str().unwrap());
    let items = exported["items"].as_array().unwrap();
    let verified: Vec<SignatureRecord> = items
        .iter()
        .map(|item| {
            esig::verify(item["envelope"].to_string().as_bytes(), &key, &id, &digest.parse().unwrap())
                .unwrap()
        })
        .collect();
    let [ana, ben] = &verified[..] else { panic!("{exported}") };
    assert_eq!(
        (ana.intent.signer.name.as_str(), ben.intent.signer.name.as_str()),
        ("Ana Sousa", "Ben Okafor")
    );
    assert_eq!(ana.intent.signer.title, "clinical_safety");
    assert_eq!(ana.auth.components, ["passkey"]);
    assert_eq!(ben.auth.components, ["password", "totp"]);
    assert_eq!((ana.auth.first, ben.auth.first), (true, true));
    assert_eq!(ana.clock.zone.as_deref(), Some("Europe/Lisbon"));
    assert_eq!(ana.prior, []);
    let envelope = world.manager.get(&format!("/signatures/{}", first["id"].as_str().unwrap())).await;
    assert_eq!(ben.prior, [Digest::of(&envelope.body)]);
    let audit = world.app.app.store.audit(TENANT, None, |_| {}).await.unwrap();
    assert!(audit.report.findings.is_empty(), "{:?}", audit.report.findings);
    // The ledger holds ids and digests of it, and nothing of what they wrote.
    let auditor = world.app.person("Ada", &[Role::Auditor]).await;
    let entries = auditor.get("/ledger/entries?limit=200").await.text();
    assert!(entries.contains("signature.made"));
}

/// Signed is signed, and counts once it can be proved as the operator asks.
#[tokio::test]
async fn a_signature_says_how_far_it_has_come_in_the_ledger_and_counts_only_as_far_as_it_must() {
    for away in [false, true] {
        let mut witnesses = Witnesses::start(1).await;
        if away {
            witnesses.hang().await;
        }
        let configure = witnesses.configure(0);
        let mut world = hospital_with(|config| {
            configure(config);
            config.ledger.signatures_wait_for = Provable::Witnessed;
        })
        .await;
        let change = world.approving("Pump firmware 2.0").await;
        let offer = intent(&world.ana, &change).await;
        let proof = touch(&mut world.ana, &offer);
        let first = sign(&world.ana, &change, &offer, proof).await.ok();
        let reached = if away { "integrated" } else { "witnessed" };
        assert_eq!(
            (&first["ledger"]["level"], &first["ledger"]["waits_for"]),
            (&json!(reached), &json!("witnessed"))
        );
        let auditor = world.app.person("Ada", &[Role::Auditor]).await;
        let receipt = format!("/ledger/entries/{}/receipt", first["ledger"]["index"]);
        let entry = auditor.get(&receipt).await;
        let entry = Receipt::parse(&entry.body).unwrap().extra.unwrap();
        assert!(String::from_utf8(entry).unwrap().contains("signature.made"));
        let offer = intent(&world.ben, &change).await;
        let proof = both(&world.ben, &world.app);
        let second = sign(&world.ben, &change, &offer, proof).await.ok();
        assert_eq!(second["ledger"]["level"], reached);
        for _ in 0..4 {
            world.app.reconcile().await;
        }
        let why = world.manager.get(&path(&change, "/explain")).await.ok();
        if away {
            assert_eq!(why["state"], "approving", "{why:#}");
            let said = why["summary"].as_str().unwrap();
            assert!(said.contains("enough witnesses have cosigned the signatures of it"), "{said}");
        } else {
            assert_eq!(why["state"], "rolling_out", "{why:#}");
        }
        let listed = world.manager.get(&path(&change, "/signatures")).await.ok();
        assert_eq!(listed["items"].as_array().unwrap().len(), 2, "both are on record");
    }
}

/// Fault A10.
#[tokio::test]
async fn a_signature_copied_to_another_record_or_altered_does_not_hold() {
    let mut world = hospital().await;
    let (one, two) = (world.approving("One").await, world.approving("Two").await);
    let offer = intent(&world.ana, &one).await;
    let proof = touch(&mut world.ana, &offer);
    let signature = sign(&world.ana, &one, &offer, proof).await.ok();
    let exported = world.manager.get(&path(&one, "/signatures")).await.ok();
    let key = exported["key"].as_str().unwrap().parse().unwrap();
    let envelope = signature["envelope"].to_string();
    let id = |change: &Value| change["id"].as_str().unwrap().parse::<ChangeId>().unwrap();
    let digest = |change: &Value| change["digest"].as_str().unwrap().parse::<Digest>().unwrap();
    esig::verify(envelope.as_bytes(), &key, &id(&one), &digest(&one)).unwrap();
    for (to, what) in [((id(&two), digest(&one)), "change"), ((id(&one), digest(&two)), "the manifest")] {
        match esig::verify(envelope.as_bytes(), &key, &to.0, &to.1) {
            Err(EsigError::OtherRecord { what: found, .. }) => assert_eq!(found, what),
            other => panic!("{other:?}"),
        }
    }
    // Its id written over: the server did not sign that.
    let payload = STANDARD.decode(signature["envelope"]["payload"].as_str().unwrap()).unwrap();
    let forged = String::from_utf8(payload).unwrap().replace(id(&one).as_str(), id(&two).as_str());
    let mut copy = signature["envelope"].clone();
    copy["payload"] = STANDARD.encode(forged).into();
    let refused = esig::verify(copy.to_string().as_bytes(), &key, &id(&two), &digest(&one));
    assert!(matches!(refused, Err(EsigError::Altered)), "{refused:?}");
    // Nor does the passkey's own signature fit another record, were the server's key stolen.
    let mut stolen = record(&signature);
    stolen.intent.record.id = id(&two);
    let thief = interlock_domain_key();
    let sealed = esig::seal(&stolen, &thief).unwrap();
    let refused = esig::verify(sealed.as_bytes(), thief.verifying_key(), &id(&two), &digest(&one));
    assert!(matches!(refused, Err(EsigError::Passkey(_))), "{refused:?}");
}

fn interlock_domain_key() -> interlock_ledger::SigningKey {
    interlock_ledger::SigningKey::generate("thief").unwrap()
}

/// Fault A8.
#[tokio::test]
async fn one_component_is_enough_for_a_while_and_not_after_a_pause_or_from_elsewhere() {
    let mut world = hospital().await;
    let elsewhere = world.ben.nobody.at("192.0.2.9");
    let mut changes = Vec::new();
    for title in ["One", "Two", "Three", "Four"] {
        changes.push(world.approving(title).await);
    }
    let offer = intent(&world.ben, &changes[0]).await;
    assert_eq!(offer["two_components"], true, "the login does not count");
    sign(&world.ben, &changes[0], &offer, alone()).await.problem("full-signature-required");
    sign(&world.ben, &changes[0], &offer, both(&world.ben, &world.app)).await.ok();
    let offer = intent(&world.ben, &changes[1]).await;
    assert_eq!(offer["two_components"], false);
    world.app.clock.advance(4 * MINUTE_MS);
    let signed = sign(&world.ben, &changes[1], &offer, alone()).await.ok();
    assert_eq!(
        (record(&signed).auth.first, record(&signed).auth.components),
        (false, vec!["password".to_owned()])
    );
    // They read on, so that the session lasts, and sign nothing for 15 minutes.
    for _ in 0..2 {
        world.app.clock.advance(5 * MINUTE_MS);
        world.ben.get("/changes").await.ok();
    }
    world.app.clock.advance(5 * MINUTE_MS - 1);
    let offer = intent(&world.ben, &changes[2]).await;
    assert_eq!(offer["two_components"], false);
    world.app.clock.advance(1);
    sign(&world.ben, &changes[2], &offer, alone()).await.problem("full-signature-required");
    sign(&world.ben, &changes[2], &offer, both(&world.ben, &world.app)).await.ok();
    // From another address it takes two again.
    let here = std::mem::replace(&mut world.ben.nobody, elsewhere);
    sign(&world.ben, &changes[3], &intent(&world.ben, &changes[3]).await, alone())
        .await
        .problem("full-signature-required");
    world.ben.nobody = here;
    // Another login is another signing session.
    let mut ben = world.ben;
    ben.log_in(&world.app).await;
    let offer = intent(&ben, &changes[3]).await;
    sign(&ben, &changes[3], &offer, alone()).await.problem("full-signature-required");
}

/// Fault A9.
#[tokio::test]
async fn an_assertion_and_a_code_sign_once() {
    let mut world = hospital().await;
    let (one, two) = (world.approving("One").await, world.approving("Two").await);
    let offer = intent(&world.ana, &one).await;
    let proof = touch(&mut world.ana, &offer);
    sign(&world.ana, &one, &offer, proof.clone()).await.ok();
    sign(&world.ana, &one, &offer, proof.clone()).await.problem("signature-refused");
    let other = intent(&world.ana, &two).await;
    sign(&world.ana, &two, &other, proof).await.problem("signature-refused");
    let offer = intent(&world.ben, &one).await;
    let proof = both(&world.ben, &world.app);
    sign(&world.ben, &one, &offer, proof.clone()).await.ok();
    let other = intent(&world.ben, &two).await;
    sign(&world.ben, &two, &other, proof).await.problem("signature-refused");
    let signatures = world.manager.get(&path(&one, "/signatures")).await.ok();
    assert_eq!(signatures["items"].as_array().unwrap().len(), 2);
}

/// Fault A11.
#[tokio::test]
async fn keys_and_programs_never_sign_and_nobody_signs_in_anothers_session() {
    let mut world = hospital().await;
    let change = world.approving("One").await;
    let key = world.app.person("Ana Sousa", &[Role::ClinicalSafety]).await;
    let body = json!({ "digest": change["digest"], "meaning": "approval", "reason": "read" });
    key.post(&path(&change, "/signatures/intent"), body.clone()).await.problem("only-in-person");
    let sent = json!({ "sig_id": format!("sig_{}", "0".repeat(32)), "password": PASSWORD });
    key.post(&path(&change, "/signatures"), sent).await.problem("only-in-person");
    let offer = intent(&world.ana, &change).await;
    let proof = touch(&mut world.ana, &offer);
    sign(&world.ben, &change, &offer, proof.clone()).await.problem("signature-refused");
    // Nor in another session of the same person.
    world.ana.log_in_by_passkey().await;
    sign(&world.ana, &change, &offer, proof).await.problem("signature-refused");
    // Without the token of the page, a cookie signs nothing.
    let base = [("cookie", world.ana.cookie.as_str())];
    let path = path(&change, "/signatures/intent");
    world.ana.nobody.ask(Method::POST, &path, &base, Some(body)).await.problem("cross-site");
}

/// Fault A12.
#[tokio::test]
async fn one_administrator_who_resets_somebody_signs_nothing_as_them() {
    let world = hospital().await;
    let change = world.approving("One").await;
    let eva = world.app.person("Eva", &[Role::Administrator]).await;
    let invitation = eva.post(&format!("/accounts/{}/enrolment", world.ana.account), json!({})).await.ok();
    // She follows it herself.
    let mut as_ana =
        follow(&world.app, "Ana Sousa", &world.ana.account, invitation["code"].as_str().unwrap()).await;
    as_ana.log_in_by_passkey().await;
    let me = as_ana.get("//v1/me").await.ok();
    assert!(me["actor"]["hold"]["by"].is_string(), "the person sees that they were set back: {me}");
    let denied = async |by: &Person| {
        let problem = try_intent(by, &change, "approval").await.problem("denied");
        assert_eq!(problem["policies"][0]["id"], "guardrails.second-administrator", "{problem}");
    };
    denied(&as_ana).await;
    crate::people::confirm(&eva, &world.ana.account).await.problem("second-person-needed");
    let other = world.app.person("Ines", &[Role::Administrator]).await;
    crate::people::confirm(&other, &world.ana.account).await.ok();
    as_ana.log_in_by_passkey().await;
    denied(&as_ana).await;
    // What the second administrator confirmed still waits for a day, in which the person can notice.
    world.app.clock.advance(DAY_MS);
    as_ana.log_in_by_passkey().await;
    try_intent(&as_ana, &change, "approval").await.ok();
}

#[tokio::test]
async fn three_failed_signings_lock_end_the_sessions_and_are_on_record() {
    let world = hospital().await;
    let change = world.approving("One").await;
    let offer = intent(&world.ben, &change).await;
    for _ in 0..2 {
        let wrong = json!({ "password": "another lamp entirely", "code": world.ben.code(&world.app) });
        sign(&world.ben, &change, &offer, wrong).await.problem("signature-refused");
    }
    let wrong = json!({ "password": PASSWORD, "code": "000000" });
    sign(&world.ben, &change, &offer, wrong).await.problem("signature-refused");
    world.ben.get("/changes").await.problem("unauthenticated");
    let body = world.ben.credentials(&world.ben.code(&world.app));
    world.ben.try_login(body).await.problem("login-refused");
    let auditor = world.app.person("Ada", &[Role::Auditor]).await;
    let entries = auditor.get("/ledger/entries?limit=200").await.text();
    assert!(entries.contains("security.signing_locked") && entries.contains("login.locked"), "{entries}");
}

#[tokio::test]
async fn whoever_locks_somebodys_login_from_outside_ends_no_session_and_shuts_out_no_passkey() {
    let mut world = hospital().await;
    let change = world.approving("One").await;
    let wrong = json!({ "tenant": TENANT, "name": "Ana Sousa", "password": "another lamp entirely", "code": "000000" });
    for _ in 0..5 {
        world.ana.try_login(wrong.clone()).await.problem("login-refused");
    }
    for _ in 0..4 {
        let offer = intent(&world.ana, &change).await;
        let proof = both(&world.ana, &world.app);
        sign(&world.ana, &change, &offer, proof).await.problem("signature-refused");
    }
    world.ana.get("/changes").await.ok();
    let offer = intent(&world.ana, &change).await;
    let proof = touch(&mut world.ana, &offer);
    sign(&world.ana, &change, &offer, proof).await.ok();
    world.ana.log_in_by_passkey().await;
    // Nor does that let anybody guess on.
    let right = world.ana.credentials(&world.ana.code(&world.app));
    world.ana.try_login(right).await.problem("login-refused");
}

#[tokio::test]
async fn strangers_who_ask_for_challenges_leave_room_for_whoever_signs() {
    let world = hospital_with(|config| config.login.challenges_max = 3).await;
    let change = world.approving("One").await;
    let ask = async || world.ana.nobody.ask(Method::POST, "//v1/login/challenge", &[], Some(json!({}))).await;
    let mut asked = 0;
    while ask().await.status.is_success() {
        asked += 1;
        assert!(asked <= 3, "challenges have no bound");
    }
    ask().await.problem("busy");
    intent(&world.ana, &change).await;
}

#[tokio::test]
async fn what_was_revised_or_is_over_is_not_signed_and_earlier_signatures_are_superseded() {
    let mut world = hospital().await;
    let change = world.approving("One").await;
    let offer = intent(&world.ana, &change).await;
    let proof = touch(&mut world.ana, &offer);
    let signed = sign(&world.ana, &change, &offer, proof).await.ok();
    let stale = intent(&world.ben, &change).await;
    let proposal = json!({
        "environment": "production", "title": "One, better", "artifacts": [{ "name": "fw", "version": "2.0" }],
        "selector": { "model": "x2" }, "strategy": { "plugin": "direct" },
    });
    let revised = world.manager.ask(Method::PUT, &path(&change, ""), &[], Some(proposal)).await.ok();
    sign(&world.ben, &change, &stale, both(&world.ben, &world.app)).await.problem("other-digest");
    let kept = world.manager.get(&path(&change, "/signatures")).await.ok();
    assert_eq!((&kept["items"][0]["id"], &kept["items"][0]["superseded"]), (&signed["id"], &json!(true)));
    try_intent(&world.ben, &change, "approval").await.problem("other-digest");
    let over = intent(&world.ben, &revised).await;
    let proof = both(&world.ben, &world.app);
    world.app.clock.advance(300_000 - 30_000);
    sign(&world.ben, &revised, &over, proof).await.problem("signature-refused");
    assert_eq!(
        world.manager.get(&path(&change, "/signatures")).await.ok()["items"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn the_author_and_whoever_has_no_role_sign_nothing_and_a_rejection_can_be_signed() {
    let mut world = hospital().await;
    let change = world.approving("One").await;
    let mut vic = enrol(&world.app, "Vic", &[Role::Viewer]).await;
    vic.log_in_by_passkey().await;
    try_intent(&vic, &change, "approval").await.problem("denied");
    let mut mia = enrol(&world.app, "Mia", &[Role::ReleaseManager]).await;
    mia.log_in_by_passkey().await;
    try_intent(&mia, &change, "review").await.problem("self-approval");
    let empty = json!({ "digest": change["digest"], "meaning": "approval", "reason": " " });
    let refused = world.ana.post(&path(&change, "/signatures/intent"), empty).await;
    assert_eq!(refused.problem("invalid")["field"], "/reason");
    let offer = try_intent(&world.ana, &change, "rejection").await.ok();
    let proof = touch(&mut world.ana, &offer);
    assert_eq!(sign(&world.ana, &change, &offer, proof).await.ok()["meaning"], "rejection");
    assert_eq!(world.manager.get(&path(&change, "")).await.ok()["state"], "rejected");
    let eva = world.app.person("Eva", &[Role::Administrator]).await;
    assert!(account(&eva, "Ana Sousa").await["active"].as_bool().unwrap());
}

#[tokio::test]
async fn the_author_signs_that_they_are_and_approves_nothing_by_it() {
    let mut world = hospital().await;
    let mut mia = enrol(&world.app, "Mia", &[Role::ReleaseManager]).await;
    let change = world.approving("One").await;
    mia.log_in_by_passkey().await;
    try_intent(&world.ana, &change, "authorship").await.problem("not-the-author");
    let staged = try_intent_with(&mia, &change, "authorship", json!({ "stage": 0 })).await;
    assert_eq!(staged.problem("invalid")["field"], "/stage");
    let offer = try_intent(&mia, &change, "authorship").await.ok();
    assert_eq!(offer["intent"]["sentence"], "I am the author of this change as it is shown here.");
    let proof = touch(&mut mia, &offer);
    let signed = sign(&mia, &change, &offer, proof).await.ok();
    assert_eq!(signed["meaning"], "authorship");
    let shown = world.manager.get(&path(&change, "")).await.ok();
    assert_eq!((&shown["state"], &shown["approvals"]), (&json!("approving"), &json!([])));
    // It is among what later ones name.
    let offer = intent(&world.ana, &change).await;
    let proof = touch(&mut world.ana, &offer);
    let approval = sign(&world.ana, &change, &offer, proof).await.ok();
    assert_eq!(record(&approval).prior.len(), 1);
    let audit = world.app.app.store.audit(TENANT, None, |_| {}).await.unwrap();
    assert!(audit.report.findings.is_empty(), "{:?}", audit.report.findings);
}

#[tokio::test]
async fn a_signature_for_one_stage_says_which_and_counts_for_it_alone() {
    let mut world = hospital().await;
    let change = world.approving("One").await;
    let beyond = try_intent_with(&world.ana, &change, "approval", json!({ "stage": 7 })).await;
    assert!(beyond.status.is_client_error(), "{}", beyond.text());
    let offer = try_intent_with(&world.ana, &change, "approval", json!({ "stage": 0 })).await.ok();
    assert!(offer["view"].as_str().unwrap().contains("For stage: 0 alone"), "{}", offer["view"]);
    let proof = touch(&mut world.ana, &offer);
    let signed = sign(&world.ana, &change, &offer, proof).await.ok();
    assert_eq!(record(&signed).intent.extent.stage, Some(0));
    let shown = world.manager.get(&path(&change, "")).await.ok();
    let given = &shown["approvals"][0];
    assert_eq!((&given["stage"], &given["signature"]), (&json!(0), &signed["id"]));
    // The whole change is another matter.
    let offer = intent(&world.ana, &change).await;
    let proof = touch(&mut world.ana, &offer);
    sign(&world.ana, &change, &offer, proof).await.ok();
}

#[tokio::test]
async fn a_signature_under_a_delegation_names_both() {
    let mut world = hospital().await;
    let change = world.approving("One").await;
    let until = interlock_domain::Timestamp::from_millis(crate::people::now(&world.app) + DAY_MS);
    let wish = json!({ "to": world.ana.account, "roles": ["regulatory"], "environment": "production", "until": until,
        "reason": "on leave" });
    let lent = world.ben.post("/delegations", wish).await.ok();
    let under = json!({ "delegation": lent["id"] });
    let refused = try_intent_with(&world.ana, &change, "rejection", under.clone()).await;
    assert_eq!(refused.problem("invalid")["field"], "/delegation");
    try_intent_with(&world.ben, &change, "approval", under.clone()).await.problem("delegation-not-usable");
    let offer = try_intent_with(&world.ana, &change, "approval", under.clone()).await.ok();
    for shown in ["On behalf of: Ben Okafor", "Signer: Ana Sousa (regulatory), mercy"] {
        assert!(offer["view"].as_str().unwrap().contains(shown), "{}", offer["view"]);
    }
    let proof = touch(&mut world.ana, &offer);
    let signed = record(&sign(&world.ana, &change, &offer, proof).await.ok());
    let used = signed.intent.extent.delegation.unwrap();
    assert_eq!((signed.intent.signer.name.as_str(), used.name.as_str()), ("Ana Sousa", "Ben Okafor"));
    assert_eq!(signed.authority.roles, [Role::Regulatory]);
    let given = &world.manager.get(&path(&change, "")).await.ok()["approvals"][0];
    assert_eq!(
        (&given["roles"], &given["delegation"]["name"]),
        (&json!(["regulatory"]), &json!("Ben Okafor"))
    );
    // What was shown and is revoked meanwhile is not signed.
    let next = world.approving("Two").await;
    let offer = try_intent_with(&world.ana, &next, "approval", under).await.ok();
    world.ben.post(&format!("/delegations/{}/revoke", lent["id"].as_str().unwrap()), json!({})).await.ok();
    let proof = touch(&mut world.ana, &offer);
    sign(&world.ana, &next, &offer, proof).await.problem("delegation-not-usable");
}

/// Fault L11.
#[tokio::test]
async fn nothing_is_signed_under_a_clock_that_is_off_by_more_than_two_seconds_or_not_known_to_be_right() {
    let time = crate::time_server::TimeServer::start().await;
    let mut world = hospital_with(|config| config.login.time_server.address = time.address.clone()).await;
    let change = world.approving("One").await;
    let now = || crate::people::now(&world.app);
    for off in [2_001, -2_001] {
        time.says(now() + off);
        let refused = try_intent(&world.ana, &change, "approval").await.problem("clock-off");
        assert!(refused["detail"].as_str().unwrap().contains(&format!("off by {off} ms")), "{refused}");
        world.app.clock.advance(MINUTE_MS);
    }
    time.says(now() - 2_000);
    let offer = intent(&world.ana, &change).await;
    // It goes wrong between showing and signing: nothing is used up.
    world.app.clock.advance(MINUTE_MS);
    time.says(crate::people::now(&world.app) + 3_600_000);
    let proof = touch(&mut world.ana, &offer);
    sign(&world.ana, &change, &offer, proof.clone()).await.problem("clock-off");
    world.app.clock.advance(MINUTE_MS);
    time.says(crate::people::now(&world.app) + 1_500);
    let signed = record(&sign(&world.ana, &change, &offer, proof).await.ok());
    assert_eq!(signed.clock.offset_ms, Some(1_500));
    // Away, what was measured counts for ten times as long, and no longer.
    time.stop();
    world.app.clock.advance(9 * MINUTE_MS);
    try_intent(&world.ben, &change, "approval").await.ok();
    world.app.clock.advance(MINUTE_MS);
    let unknown = try_intent(&world.ben, &change, "approval").await.problem("clock-off");
    assert!(unknown["detail"].as_str().unwrap().contains("does not answer"), "{unknown}");
    // What turned is on record, each turn once.
    let system = "system".parse().unwrap();
    let told = async |kind: &str| {
        let note = world.app.app.store.newest_note(&system, kind, "clock", &time.address).await.unwrap();
        serde_json::from_slice::<Value>(&note.unwrap()).unwrap()
    };
    assert_eq!(told("clock.right").await, json!({ "reason": null, "offset_ms": 1_500 }));
    let off = told("clock.off").await;
    assert_eq!(off["offset_ms"], 1_500, "as measured last, before the time server went away: {off}");
    assert!(off["reason"].as_str().unwrap().contains("does not answer"), "{off}");
}

#[tokio::test]
async fn the_receipt_of_a_signature_proves_that_the_ledger_holds_this_envelope() {
    let mut world = hospital().await;
    let change = world.approving("One").await;
    let offer = intent(&world.ana, &change).await;
    let proof = touch(&mut world.ana, &offer);
    let signed = sign(&world.ana, &change, &offer, proof).await.ok();
    let at = format!("/signatures/{}", signed["id"].as_str().unwrap());
    let envelope = world.manager.get(&at).await.body;
    world.ana.get(&format!("{at}/receipt")).await.problem("denied");
    let auditor = world.app.person("Ada", &[Role::Auditor]).await;
    let text = auditor.get(&format!("{at}/receipt")).await;
    assert_eq!(text.status, 200, "{}", text.text());
    let receipt = Receipt::parse(&text.body).unwrap();
    let entry = Entry::parse(&receipt.extra.unwrap()).unwrap();
    assert_eq!((entry.kind.as_str(), entry.object.digest), ("signature.made", Some(Digest::of(&envelope))));
    auditor.get(&format!("/signatures/sig_{}/receipt", "0".repeat(32))).await.problem("not-found");
}
