//! Requests for access, and the gates that other engines ask.

use interlock_domain::{
    AccessRequest, AccessRequestId, AccessState, AccountId, DecisionId, Engine, GateEndpoint, GateEndpointId,
    GateQuestion, PersonId,
};
use interlock_store::{Page, PendingLimits, StoreError, Write};
use serde_json::json;
use uuid::Uuid;

use crate::{fixture::*, on_both};

on_both! {
    only_so_many_requests_wait_in_all_and_about_one_subject,
    a_request_is_answered_once_and_of_a_denial_there_is_one,
    a_gate_is_revoked_once_and_its_name_is_free_again,
}

/// Waits until the clock shows 5 s.
pub(crate) fn request(number: u128, subject: &str) -> AccessRequest {
    let asked = json!({ "subject": { "type": "user", "id": subject } });
    AccessRequest {
        id: AccessRequestId::new(Uuid::from_u128(number)),
        tenant: mercy(),
        evaluation: DecisionId::new(Uuid::from_u128(number)),
        account: AccountId::new(Uuid::from_u128(1)),
        person: PersonId::new(Uuid::from_u128(1)),
        subject: AccessRequest::subject_of("of the tenant", "user", subject),
        scope: AccessRequest::scope_of("ab", &asked).unwrap(),
        asked: Box::new(asked),
        salt: "ab".to_owned(),
        reason: "on call".to_owned(),
        wanted_ms: 1_000,
        state: AccessState::Pending,
        created_at: at(0),
        expires_at: at(5_000),
        answered: None,
        approved_until: None,
        revoked: None,
        revision: 1,
    }
}

pub(crate) fn asked(request: AccessRequest) -> Write {
    let limits = PendingLimits { of_tenant: 3, of_subject: 2 };
    Write::AccessRequest { request: Box::new(request), limits }
}

pub(crate) fn gate(number: u128, name: &str) -> GateEndpoint {
    GateEndpoint {
        id: GateEndpointId::new(Uuid::from_u128(number)),
        tenant: mercy(),
        name: name.parse().unwrap(),
        account: AccountId::new(Uuid::from_u128(1)),
        engine: Engine::Flagger,
        question: GateQuestion::Change { content: false },
        secret_sha256: "00".to_owned(),
        created_at: at(0),
        expires_at: at(5_000),
        revoked_at: None,
    }
}

async fn only_so_many_requests_wait_in_all_and_about_one_subject(world: World) {
    let full = |done: Result<_, StoreError>| match done {
        Err(StoreError::Full { whose, .. }) => whose,
        other => panic!("{other:?}"),
    };
    for number in 1..=2 {
        world.commit(vec![asked(request(number, "alice"))]).await.unwrap();
    }
    assert_eq!(full(world.commit(vec![asked(request(3, "alice"))]).await), "about one subject");
    world.commit(vec![asked(request(3, "bob"))]).await.unwrap();
    assert_eq!(full(world.commit(vec![asked(request(4, "carol"))]).await), "of the tenant");
    // What nobody can answer any more makes room, and so does what was answered.
    let late = AccessRequest { created_at: at(5_000), expires_at: at(9_000), ..request(4, "alice") };
    world.commit(vec![asked(late.clone())]).await.unwrap();
    let waiting = world
        .store
        .access_requests(&mercy(), Some(AccessState::Pending), at(5_000), &Page::first(10))
        .await
        .unwrap();
    assert_eq!(waiting, [late]);
}

async fn a_request_is_answered_once_and_of_a_denial_there_is_one(world: World) {
    let made = request(1, "alice");
    world.commit(vec![asked(made.clone())]).await.unwrap();
    let again = AccessRequest { id: AccessRequestId::new(Uuid::from_u128(2)), ..made.clone() };
    assert!(matches!(world.commit(vec![asked(again)]).await, Err(StoreError::AlreadyExists { .. })));
    let answered = AccessRequest { state: AccessState::Rejected, revision: 2, ..made.clone() };
    world.commit(vec![asked(answered.clone())]).await.unwrap();
    let twice = world.commit(vec![asked(answered.clone())]).await;
    assert!(matches!(twice, Err(StoreError::Conflict { .. })));
    let store = &world.store;
    assert_eq!(store.access_request(&mercy(), &made.id).await.unwrap(), Some(answered.clone()));
    assert_eq!(store.access_request_of(&mercy(), &made.evaluation).await.unwrap(), Some(answered));
    let elsewhere = "grace".parse().unwrap();
    assert_eq!(store.access_request(&elsewhere, &made.id).await.unwrap(), None);
    let kinds = world.kinds("mercy").await;
    assert_eq!(kinds, ["access.requested", "access.rejected"]);
}

async fn a_gate_is_revoked_once_and_its_name_is_free_again(world: World) {
    let account = Write::Account { account: Box::new(account("Ana", 1)), from: None };
    world.commit(vec![account, Write::GateEndpoint(Box::new(gate(1, "shop")))]).await.unwrap();
    let taken = world.commit(vec![Write::GateEndpoint(Box::new(gate(2, "shop")))]).await;
    assert!(matches!(taken, Err(StoreError::AlreadyExists { .. })));
    let revoked = GateEndpoint { revoked_at: Some(at(7)), ..gate(1, "shop") };
    world.commit(vec![Write::GateEndpoint(Box::new(revoked.clone()))]).await.unwrap();
    let twice = world.commit(vec![Write::GateEndpoint(Box::new(revoked.clone()))]).await;
    assert!(matches!(twice, Err(StoreError::Conflict { .. })));
    world.commit(vec![Write::GateEndpoint(Box::new(gate(2, "shop")))]).await.unwrap();
    let store = &world.store;
    assert_eq!(store.gate_endpoint(&revoked.id).await.unwrap().unwrap().0, revoked);
    let name = "shop".parse().unwrap();
    assert_eq!(store.gate_endpoint_named(&mercy(), &name).await.unwrap(), Some(gate(2, "shop")));
    assert_eq!(store.gate_endpoints(&mercy(), &Page::first(10)).await.unwrap(), [gate(2, "shop"), revoked]);
}
