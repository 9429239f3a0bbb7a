//! What somebody can do who may push but has no key that signs, and somebody who has the webhook's secret.

use axum::{body::Body, http::Method};
use interlock_domain::Role;
use interlock_server::testing::{TENANT, TestApp};
use serde_json::{Value, json};

use super::{FORBID, House};
use crate::house::approve;

const ALL: &str = r#"@id("test.all") @reason("all") permit (principal, action, resource);"#;

/// A server with what was taken from git last, and its commit.
async fn taken(environment: &str) -> (House, String) {
    let house = House::open(environment).await;
    house.write(house.revision, None);
    let first = house.commit();
    house.look().await;
    assert_eq!(house.git().await["standing"], "in force");
    (house, first)
}

/// Why the head is not taken, and that nothing came of it.
async fn refused(house: &House) -> String {
    house.look().await;
    assert!(house.changes().await.is_empty(), "something was proposed");
    assert_eq!(house.in_force().await, house.revision);
    house.git().await["not_taken"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_commit_that_only_says_that_ana_made_it_is_not_hers() {
    let (house, _) = taken("staging").await;
    house.write(house.revision + 1, Some(("all.cedar", ALL)));
    house.repository.git(&["add", "--all"]).unwrap();
    house.repository.git(&["-c", "user.email=ana@example.org", "commit", "--quiet", "-m", "mine"]).unwrap();
    assert!(refused(&house).await.contains("is not signed"));
}

#[tokio::test]
async fn a_key_of_ones_own_does_not_count_even_where_the_repository_lists_it() {
    let (house, _) = taken("staging").await;
    let eve = house.repository.signer("eve", "ed25519").unwrap();
    house.repository.write("allowed_signers", &eve).unwrap();
    house.repository.write(".git-allowed", &eve).unwrap();
    house.write(house.revision + 1, Some(("all.cedar", ALL)));
    house.repository.commit(Some("eve")).unwrap();
    assert!(refused(&house).await.contains("not among the allowed signers"));
}

#[tokio::test]
async fn a_replacement_of_a_signed_commit_is_not_read() {
    let (house, _) = taken("staging").await;
    house.write(house.revision + 1, None);
    let signed = house.commit();
    house.write(house.revision + 1, Some(("all.cedar", ALL)));
    let evil = house.repository.commit(None).unwrap();
    house.repository.git(&["reset", "--quiet", "--hard", &signed]).unwrap();
    house.repository.git(&["replace", &signed, &evil]).unwrap();
    house.look().await;
    let changes = house.changes().await;
    let plan = &changes[0]["manifest"]["policies"];
    assert_eq!((&plan["source"]["commit"], &plan["added"]), (&json!(signed), &json!([])), "{plan}");
}

#[tokio::test]
async fn a_signed_commit_of_the_past_is_no_way_back() {
    let (house, first) = taken("staging").await;
    house.write(house.revision + 1, None);
    let second = house.commit();
    house.look().await;
    house.app.reconcile().await;
    house.look().await;
    assert_eq!(house.in_force().await, house.revision + 1);

    // The branch is put back to the commit before, and then gone.
    house.repository.git(&["reset", "--quiet", "--hard", &first]).unwrap();
    house.look().await;
    let told = house.git().await["not_taken"].as_str().unwrap().to_owned();
    assert!(told.contains(&second) && told.contains("does not descend"), "{told}");
    house.repository.git(&["checkout", "--quiet", "--detach"]).unwrap();
    house.repository.git(&["branch", "-D", "main"]).unwrap();
    house.look().await;
    let told = house.git().await["not_taken"].as_str().unwrap().to_owned();
    assert!(told.contains("there is no branch `main`"), "{told}");

    // The earlier files, signed again and on top of what was taken, but under their old revision.
    house.repository.git(&["checkout", "--quiet", "-B", "main", &second]).unwrap();
    house.write(house.revision, None);
    house.commit();
    house.look().await;
    let told = house.git().await["not_taken"].as_str().unwrap().to_owned();
    assert!(told.contains("never goes back to a lower one"), "{told}");
    assert_eq!(house.in_force().await, house.revision + 1);
}

#[tokio::test]
async fn an_edit_without_a_new_revision_is_refused() {
    let (house, _) = taken("staging").await;
    house.write(house.revision, Some(("closed.cedar", FORBID)));
    house.commit();
    assert!(refused(&house).await.contains("raise `revision`"));
}

#[tokio::test]
async fn what_is_signed_is_still_judged_a_permit_for_everybody_waits_for_approval() {
    let (house, _) = taken("production").await;
    house.write(house.revision + 1, Some(("all.cedar", ALL)));
    house.commit();
    let told = refused(&house).await;
    assert!(told.contains("permits every principal every action"), "it has to be waived: {told}");
    let waived = ALL.replace("@reason", "@allow(\"permit-everybody: a test\") @reason");
    house.write(house.revision + 1, Some(("all.cedar", &waived)));
    house.commit();
    let told = refused(&house).await;
    assert!(told.contains(" fails: "), "the bundle's own cases say no: {told}");
    // Whoever writes policies writes the cases, too.
    house.repository.git(&["rm", "-r", "--quiet", "policies/cases"]).unwrap();
    house.commit();
    house.look().await;
    house.app.reconcile().await;
    house.look().await;
    let changes = house.changes().await;
    let weakens = &changes[0]["manifest"]["policies"]["weakens"];
    assert_ne!(*weakens, json!([]), "{changes:?}");
    assert_eq!(house.in_force().await, house.revision, "a signature is no approval");
}

#[tokio::test]
async fn a_tag_that_vouched_for_a_commit_and_is_gone_before_it_was_taken_does_not_count() {
    let house =
        House::with("staging", |config| config.policies.git.tag_prefix = "policies/".to_owned()).await;
    house.write(house.revision, None);
    house.commit();
    house.look().await;
    house.write(house.revision + 1, None);
    let untagged = house.repository.commit(None).unwrap();
    let tag = |name: &str| house.repository.signed(Some("ana"), &["tag", "-s", "-m", "good", name]).unwrap();
    tag("policies/1");
    house.repository.git(&["tag", "-d", "policies/1"]).unwrap();
    assert!(refused(&house).await.contains(&untagged));
    tag("policies/1");
    house.look().await;
    let source = house.changes().await[0]["manifest"]["policies"]["source"].clone();
    assert_eq!(source["signers"], json!(["ana@example.org"]));
    // Once taken it stays, whatever becomes of the tag.
    house.repository.git(&["tag", "-d", "policies/1"]).unwrap();
    house.look().await;
    assert_eq!(house.git().await["not_taken"], Value::Null);
}

#[tokio::test]
async fn a_head_that_is_refused_again_and_again_is_recorded_once() {
    let (house, _) = taken("staging").await;
    house.repository.commit(None).unwrap();
    let size = async || house.vera.get("/status").await.ok()["policies_in_git"]["not_taken"].clone();
    house.look().await;
    let first = size().await;
    let entries = house.app.app.store.head("system").await.unwrap().unwrap().size;
    for _ in 0..5 {
        house.look().await;
    }
    assert_eq!(size().await, first);
    let later = house.app.app.store.head("system").await.unwrap().unwrap().size;
    assert_eq!(entries, later, "a refusal that is known is no news");
}

#[tokio::test]
async fn whoever_has_the_webhooks_secret_has_git_looked_at_no_sooner_than_the_limit() {
    let house = House::with("staging", |config| config.policies.git.poll_ms = 3_600_000).await;
    house.app.look_at_git().await;
    house.write(house.revision + 1, None);
    house.commit();
    let signature = House::signature(b"{}");
    for _ in 0..20 {
        assert_eq!(house.call(&[("x-hub-signature-256", &signature)]).await.status, 202);
        house.app.look_at_git().await;
    }
    house.app.clock.advance(999);
    house.app.look_at_git().await;
    assert!(house.changes().await.is_empty(), "that would have been too soon");
    house.app.clock.advance(1);
    house.app.look_at_git().await;
    assert_eq!(house.changes().await.len(), 1, "what is there counts, not what the call says");
}

#[tokio::test]
async fn a_hook_that_is_too_large_or_not_configured_is_refused() {
    let house = House::open("staging").await;
    let nobody = house.app.client(TENANT, None);
    let large = vec![b'x'; (4 << 20) + 1];
    let signature = House::signature(&large);
    let signed = [("x-hub-signature-256", signature.as_str())];
    // By what it says, and by what comes.
    let said = [("content-length", "4194305"), signed[0]];
    nobody.send(Method::POST, "//hooks/policies", &said, Body::empty()).await.problem("body-too-large");
    nobody.send(Method::POST, "//hooks/policies", &signed, large.into()).await.problem("body-too-large");
    let most = vec![b'x'; 4 << 20];
    let signature = House::signature(&most);
    let signed = [("x-hub-signature-256", signature.as_str())];
    assert_eq!(nobody.send(Method::POST, "//hooks/policies", &signed, most.into()).await.status, 202);
    let none = TestApp::start().await.client(TENANT, None);
    none.send(Method::POST, "//hooks/policies", &[], Body::empty()).await.problem("not-found");
}

/// Nobody has four million bytes read, ever so often, by knowing an address.
#[tokio::test]
async fn a_hook_that_does_not_say_that_it_is_signed_is_not_read_and_many_bad_ones_are_admitted_no_more() {
    let house = House::with("staging", |config| config.http.limits.enabled = true).await;
    let nobody = house.app.client(TENANT, None);
    let read = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let call = async |headers: &[(&str, &str)]| {
        let seen = read.clone();
        let part = futures::stream::once(async move {
            seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok::<_, std::io::Error>("{}")
        });
        nobody.send(Method::POST, "//hooks/policies", headers, Body::from_stream(part)).await
    };
    for headers in [
        &[][..],
        &[("x-hub-signature-256", "sha256=00")],
        &[("x-hub-signature-256", "sha1=00")],
        &[("x-gitlab-token", "guessed")],
    ] {
        call(headers).await.problem("unauthenticated");
    }
    assert_eq!(read.load(std::sync::atomic::Ordering::SeqCst), 0, "nothing of those was read");
    let bad = House::signature(b"another body");
    let mut answers = Vec::new();
    for _ in 0..200 {
        answers.push(call(&[("x-hub-signature-256", &bad)]).await.status.as_u16());
    }
    assert!(answers.contains(&401) && answers.last() == Some(&429), "{answers:?}");
    let before = read.load(std::sync::atomic::Ordering::SeqCst);
    call(&[("x-hub-signature-256", &bad)]).await.problem("rate-limited");
    assert_eq!(read.load(std::sync::atomic::Ordering::SeqCst), before);
    // From elsewhere it goes on, and what is signed uses nothing up.
    let good = House::signature(b"{}");
    let elsewhere = house.app.client(TENANT, None).at("192.0.2.7");
    for _ in 0..200 {
        let headers = [("x-hub-signature-256", good.as_str())];
        let answer = elsewhere.send(Method::POST, "//hooks/policies", &headers, Body::from("{}")).await;
        assert_eq!(answer.status, 202);
    }
}

#[tokio::test]
async fn whoever_signed_it_in_git_does_not_approve_it() {
    let (house, _) = taken("production").await;
    let [ana, ben] = [
        house.app.person("Ana", &[Role::ClinicalSafety]).await,
        house.app.person("Ben", &[Role::ClinicalSafety]).await,
    ];
    let accounts = house.app.app.store.accounts(&TENANT.parse().unwrap()).await.unwrap();
    let person = &accounts.iter().find(|account| account.name == "Ana").unwrap().person;
    let keys = std::fs::read_to_string(house.repository.beside("allowed")).unwrap();
    std::fs::write(house.repository.beside("allowed"), keys.replacen(' ', &format!(",{person} "), 1))
        .unwrap();
    house.write(house.revision + 1, None);
    house.commit();
    house.look().await;
    house.app.reconcile().await;
    let change = house.changes().await[0].clone();
    let told = approve(&ana, &change).await.problem("self-approval").to_string();
    assert!(told.contains("signed what it brings"), "{told}");
    approve(&ben, &change).await.ok();
}
