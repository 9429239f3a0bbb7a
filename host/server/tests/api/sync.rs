//! What is in git is proposed once, by a head that keeps to the rules; whatever goes wrong, what is in force stays, and it is
//! said.

mod attacks;
mod replicas;
mod stale;

use aws_lc_rs::hmac;
use axum::{body::Body, http::Method};
use interlock_domain::{AccountKind, Role, Scope};
use interlock_git::testing::Repository;
use interlock_server::{
    Config,
    config::Home,
    testing::{Answer, Client, TENANT, TestApp},
};
use serde_json::{Value, json};

const FORBID: &str = r#"@id("test.closed") @reason("closed")
    forbid (principal, action == Interlock::Action::"ReadArtifact", resource);"#;
const MINUTE: i64 = 60_000;

/// A server that follows a repository in which Ana may sign.
struct House {
    app: TestApp,
    repository: Repository,
    vera: Client,
    revision: u64,
}

impl House {
    async fn open(environment: &str) -> Self {
        Self::with(environment, |_| {}).await
    }

    async fn with(environment: &str, alter: impl FnOnce(&mut Config)) -> Self {
        Self::on("", environment, alter).await
    }

    /// On this database; on one of its own when the address is empty.
    async fn on(database: &str, environment: &str, alter: impl FnOnce(&mut Config)) -> Self {
        let repository = Repository::create().unwrap();
        let line = repository.signer("ana", "ed25519").unwrap();
        std::fs::write(repository.beside("allowed"), line).unwrap();
        std::fs::write(repository.beside("secret"), "between us\n").unwrap();
        // The account's id is drawn when it is made, so it is made in a first life of the server.
        let data = repository.beside("data");
        let home = Home { tenant: TENANT.parse().unwrap(), environment: environment.parse().unwrap() };
        let base = |config: &mut Config| {
            config.gates = Vec::new();
            config.server.data_dir = data.clone();
            if !database.is_empty() {
                config.store.url = database.to_owned();
                config.store.pool_max = 4;
            }
            config.policies.home = Some(home.clone());
        };
        let first = TestApp::configured(base).await;
        let keys = [Scope::Read, Scope::Write];
        first.with_key(TENANT, AccountKind::User, "Gita", &[Role::ReleaseManager], &keys).await;
        let accounts = first.app.store.accounts(&TENANT.parse().unwrap()).await.unwrap();
        first.app.store.close().await;
        let app = TestApp::replica(1, |config| {
            base(config);
            let git = &mut config.policies.git;
            git.url = repository.folder().display().to_string();
            git.path = "policies".to_owned();
            git.account = Some(accounts[0].id.clone());
            git.allowed_signers_file = repository.beside("allowed");
            git.webhook_secret_file = repository.beside("secret");
            alter(config);
        })
        .await;
        let vera = app.person("Vera", &[Role::ReleaseManager, Role::Auditor]).await;
        let revision = vera.get("/bundle").await.ok()["revision"].as_u64().unwrap();
        Self { app, repository, vera, revision }
    }

    /// Writes the default bundle with this revision and one file more.
    fn write(&self, revision: u64, more: Option<(&str, &str)>) {
        for (path, content) in interlock_policy::default_files() {
            let text = String::from_utf8(content).unwrap();
            let text = match path == "bundle.toml" {
                false => text,
                true => {
                    text.replace(&format!("revision = {}", self.revision), &format!("revision = {revision}"))
                }
            };
            self.repository.write(&format!("policies/{path}"), &text).unwrap();
        }
        if let Some((path, text)) = more {
            self.repository.write(&format!("policies/{path}"), text).unwrap();
        }
    }

    fn commit(&self) -> String {
        self.repository.commit(Some("ana")).unwrap()
    }

    /// A minute later, git is looked at.
    async fn look(&self) {
        self.app.clock.advance(MINUTE);
        self.app.look_at_git().await;
    }

    async fn git(&self) -> Value {
        self.vera.get("/status").await.ok()["policies_in_git"].clone()
    }

    async fn in_force(&self) -> u64 {
        self.vera.get("/bundle").await.ok()["revision"].as_u64().unwrap()
    }

    async fn changes(&self) -> Vec<Value> {
        self.vera.get("/changes").await.ok()["items"].as_array().unwrap().clone()
    }

    async fn entries(&self, kind: &str) -> usize {
        let system = "system".parse().unwrap();
        let object = format!("{}#main:policies", self.repository.folder().display());
        let note = self.app.app.store.newest_note(&system, kind, "policy_source", &object).await.unwrap();
        usize::from(note.is_some())
    }

    /// Calls the webhook with a body and these headers.
    async fn call(&self, headers: &[(&str, &str)]) -> Answer {
        let nobody = self.app.client(TENANT, None);
        nobody.send(Method::POST, "//hooks/policies", headers, Body::from("{}")).await
    }

    /// What the header of a call that is signed with the secret says.
    fn signature(body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"between us");
        format!("sha256={}", hex::encode(hmac::sign(&key, body).as_ref()))
    }

    async fn ready(&self) -> Value {
        self.app.client(TENANT, None).get("//ready").await.json()["checks"]["policies"].clone()
    }
}

#[tokio::test]
async fn a_head_that_keeps_to_the_rules_is_proposed_once_and_comes_into_force_when_it_is_admitted() {
    let house = House::open("staging").await;
    house.write(house.revision + 1, Some(("closed.cedar", FORBID)));
    let head = house.commit();
    house.look().await;
    house.look().await;
    let changes = house.changes().await;
    assert_eq!(changes.len(), 1, "{changes:?}");
    let source = &changes[0]["manifest"]["policies"]["source"];
    let expected = json!({ "commit": head, "reference": "refs/heads/main", "signers": ["ana@example.org"] });
    assert_eq!(*source, expected);
    assert_eq!(house.in_force().await, house.revision, "git puts nothing in force");
    let waits = house.git().await;
    assert_eq!(waits["standing"], format!("waits in change `{}`", changes[0]["id"].as_str().unwrap()));

    house.app.reconcile().await;
    assert_eq!(house.in_force().await, house.revision + 1);
    house.look().await;
    let git = house.git().await;
    assert_eq!((&git["standing"], &git["not_taken"]), (&json!("in force"), &Value::Null));
    let policies = house.vera.get("/status").await.ok()["policies"].clone();
    assert_eq!((&policies["age_ms"], &policies["revision"]), (&json!(0), &json!(house.revision + 1)));
    assert_eq!(house.ready().await["git"]["status"], "ok");
    let verified = house.vera.post("/ledger/verify", json!({})).await.ok();
    assert_eq!(verified["findings"], json!([]), "{verified}");
}

#[tokio::test]
async fn a_newer_head_takes_the_place_of_one_that_still_waits() {
    let house = House::open("production").await;
    house.write(house.revision + 1, Some(("closed.cedar", FORBID)));
    house.commit();
    house.look().await;
    house.write(house.revision + 2, None);
    house.commit();
    house.look().await;
    let states: Vec<Value> = house.changes().await.iter().map(|change| change["state"].clone()).collect();
    assert_eq!(states.len(), 2, "{states:?}");
    assert_eq!(states[1], "cancelled", "{states:?}");
    assert_ne!(states[0], "cancelled", "{states:?}");
}

#[tokio::test]
async fn whatever_is_wrong_in_git_the_last_good_policies_stay_and_it_is_said() {
    let house = House::open("staging").await;
    house.write(house.revision + 1, None);
    let good = house.commit();
    house.look().await;
    house.app.reconcile().await;
    house.look().await;
    let in_force = house.in_force().await;
    assert_eq!(in_force, house.revision + 1);

    // It does not parse.
    house.write(in_force + 1, Some(("closed.cedar", "forbid (")));
    let broken = house.commit();
    house.look().await;
    let git = house.git().await;
    assert_eq!(git["head"], broken);
    let policies = house.vera.get("/status").await.ok()["policies"].clone();
    let digest = house.vera.get("/bundle").await.ok()["digest"].clone();
    assert_eq!((&policies["revision"], &policies["digest"]), (&json!(in_force), &digest), "both are shown");
    assert!(git["not_taken"].as_str().unwrap().contains("closed.cedar"), "{git}");
    assert_eq!(house.ready().await["git"]["status"], "degraded");
    assert_eq!(house.entries("policy.head_refused").await, 1);

    // It is put right, but nobody signed the commit between.
    house.write(in_force + 1, Some(("closed.cedar", FORBID)));
    let unsigned = house.repository.commit(None).unwrap();
    house.commit();
    house.look().await;
    let told = house.git().await["not_taken"].as_str().unwrap().to_owned();
    assert!(told.contains(&unsigned) && told.contains("not signed"), "{told}");

    // The branch is rewound to what was taken, and then goes another way from before it.
    house.repository.git(&["reset", "--quiet", "--hard", &good]).unwrap();
    house.look().await;
    assert_eq!(house.git().await["standing"], "in force");
    house.repository.git(&["checkout", "--quiet", "--orphan", "other"]).unwrap();
    house.write(in_force + 5, None);
    house.commit();
    house.repository.git(&["branch", "--force", "main", "other"]).unwrap();
    house.look().await;
    let told = house.git().await["not_taken"].as_str().unwrap().to_owned();
    assert!(told.contains(&good) && told.contains("does not descend"), "{told}");
    assert_eq!(house.in_force().await, in_force);
    assert_eq!(house.changes().await.len(), 1, "none of it was proposed");
}

#[tokio::test]
async fn an_older_revision_and_an_empty_bundle_are_refused() {
    let house = House::open("staging").await;
    house.write(house.revision - 1, None);
    house.commit();
    house.look().await;
    let told = house.git().await["not_taken"].as_str().unwrap().to_owned();
    assert!(told.contains("never goes back to a lower one"), "{told}");

    for (path, _) in interlock_policy::default_files() {
        if path.ends_with(".cedar") || path.starts_with("cases/") {
            std::fs::remove_file(house.repository.folder().join("policies").join(path)).unwrap();
        }
    }
    house.commit();
    house.look().await;
    let told = house.git().await["not_taken"].as_str().unwrap().to_owned();
    assert!(told.contains("no policy, which would deny everything"), "{told}");
    assert!(house.changes().await.is_empty());
}

#[tokio::test]
async fn a_signed_hook_has_git_looked_at_at_once_and_no_other_does() {
    let house = House::with("staging", |config| config.policies.git.poll_ms = 3_600_000).await;
    house.app.look_at_git().await;
    house.write(house.revision + 1, None);
    house.commit();
    let (signature, other) = (House::signature(b"{}"), House::signature(b"{ }"));
    for wrong in [&[][..], &[("x-hub-signature-256", other.as_str())], &[("x-gitlab-token", "between")]] {
        house.call(wrong).await.problem("unauthenticated");
    }
    house.look().await;
    assert!(house.changes().await.is_empty(), "it is not time, and nobody who may asked");
    assert_eq!(house.call(&[("x-hub-signature-256", &signature)]).await.status, 202);
    house.app.look_at_git().await;
    assert_eq!(house.changes().await.len(), 1);
    assert_eq!(house.call(&[("x-gitlab-token", "between us")]).await.status, 202);
}

#[tokio::test]
async fn a_configuration_that_could_take_nothing_is_refused() {
    let refused = |alter: &dyn Fn(&mut Config)| {
        let mut config = Config::default();
        config.policies.git.url = "https://git.example.org/policies.git".to_owned();
        alter(&mut config);
        config.checked().unwrap_err().to_string()
    };
    let home = Home { tenant: TENANT.parse().unwrap(), environment: "production".parse().unwrap() };
    assert!(refused(&|_| {}).contains("policies.home"));
    assert!(refused(&|config| config.policies.home = Some(home.clone())).contains("policies.git.account"));
    let signers = refused(&|config| {
        config.policies.home = Some(home.clone());
        config.policies.git.account = Some("acc_019ac0de000070008000000000000001".parse().unwrap());
    });
    assert!(signers.contains("allowed_signers_file"), "{signers}");
}
