//! Logins, sessions and challenges: each step once, whoever takes it.

use interlock_domain::{Account, AccountKind, Enrolment, Login, Session, SessionId};
use interlock_store::{Ceremony, SessionsEnd, StoreError, Write};
use uuid::Uuid;

use crate::{fixture::*, on_both};

on_both! {
    of_two_steps_from_one_revision_one_is_refused,
    a_challenge_counts_once_and_only_while_it_lasts,
    no_more_challenges_wait_than_may,
    sessions_end_alone_and_together_and_a_touch_brings_none_back,
    what_relied_on_an_account_that_is_another_by_now_is_refused,
    an_account_is_ended_with_all_that_lets_anybody_act_through_it,
    one_account_of_a_kind_has_a_name,
}

fn login() -> Login {
    Login { revision: 1, ..Login::none(&account("Ana", 1), at(0)) }
}

fn written(login: Login) -> Write {
    Write::Login { login: Box::new(login), event: "login.passed" }
}

fn session(number: u128) -> Session {
    Session {
        id: SessionId::new(Uuid::from_u128(number)),
        tenant: mercy(),
        account: account("Ana", 1).id,
        token_sha256: format!("token {number}"),
        peer: "192.0.2.1".to_owned(),
        proof: "passkey".to_owned(),
        created_at: at(0),
        seen_at: at(0),
        ends_at: at(1_000),
        signing: None,
    }
}

async fn of_two_steps_from_one_revision_one_is_refused(world: World) {
    world.commit(vec![Write::Account { account: Box::new(account("Ana", 1)), from: None }]).await.unwrap();
    world.commit(vec![written(login())]).await.unwrap();
    let again = world.commit(vec![written(login())]).await;
    assert!(matches!(again, Err(StoreError::Conflict { what: "login of", .. })), "{again:?}");
    let second = Login { revision: 2, ..login() };
    let both = tokio::join!(
        world.commit(vec![written(second.clone())]),
        world.commit(vec![written(second.clone())])
    );
    let passed = [both.0.is_ok(), both.1.is_ok()];
    assert!(passed == [true, false] || passed == [false, true], "{passed:?}");
    let (found, whose) = world.store.login_named(&mercy(), "Ana").await.unwrap().unwrap();
    assert_eq!((found, whose.name.as_str()), (second, "Ana"));
}

async fn a_challenge_counts_once_and_only_while_it_lasts(world: World) {
    const KIND: Ceremony = Ceremony::Signing;
    let begin =
        async |id: &str| world.store.begin_ceremony(KIND, id, &"what", at(100), at(0), 10).await.unwrap();
    assert!(begin("one").await);
    let waits = async |ms| world.store.ceremony::<String>(KIND, "one", at(ms)).await.unwrap();
    assert_eq!(waits(99).await.as_deref(), Some("what"));
    assert_eq!(waits(100).await, None, "it ends at its instant");
    let other = world.store.ceremony::<String>(Ceremony::Login, "one", at(99)).await.unwrap();
    assert_eq!(other, None, "it is for something else");
    let used = || vec![Write::CeremonyUsed("one".to_owned())];
    let both = tokio::join!(world.commit(used()), world.commit(used()));
    let passed = [both.0.is_ok(), both.1.is_ok()];
    assert!(passed == [true, false] || passed == [false, true], "{passed:?}");
    assert_eq!(waits(1).await, None);
}

async fn no_more_challenges_wait_than_may(world: World) {
    let begin = async |id: &str, now| {
        world.store.begin_ceremony(Ceremony::Login, id, &"what", at(now + 100), at(now), 2).await.unwrap()
    };
    assert!(begin("one", 0).await && begin("two", 50).await);
    assert!(!begin("three", 99).await);
    for kind in [Ceremony::Signing, Ceremony::Enrolment] {
        let id = format!("{kind:?}");
        let begun = world.store.begin_ceremony(kind, &id, &"what", at(100), at(99), 1).await.unwrap();
        assert!(begun, "who asks to log in takes the place of nobody else");
    }
    assert!(begin("three", 100).await, "the first is over");
}

async fn what_relied_on_an_account_that_is_another_by_now_is_refused(world: World) {
    let ana = account("Ana", 1);
    world.commit(vec![Write::Account { account: Box::new(ana.clone()), from: None }]).await.unwrap();
    let handed_out =
        |revision| vec![Write::Unaltered(Box::new(ana.clone())), written(Login { revision, ..login() })];
    world.commit(handed_out(1)).await.unwrap();
    let ended = Account { active: false, ..ana.clone() };
    let alter = Write::Account { account: Box::new(ended), from: Some(Box::new(ana.clone())) };
    world.commit(vec![alter]).await.unwrap();
    let late = world.commit(handed_out(2)).await;
    assert!(matches!(late, Err(StoreError::Conflict { what: "account", .. })), "{late:?}");
    assert_eq!(
        world.store.login(&mercy(), &ana.id).await.unwrap().unwrap().revision,
        1,
        "nothing of it was written"
    );
}

async fn an_account_is_ended_with_all_that_lets_anybody_act_through_it(world: World) {
    let ana = account("Ana", 1);
    world.commit(vec![Write::Account { account: Box::new(ana.clone()), from: None }]).await.unwrap();
    let powerless = || {
        let (tenant, account) = (mercy(), ana.id.clone());
        vec![Write::Powerless { tenant, account, now: at(0) }]
    };
    world.commit(powerless()).await.unwrap();
    let open = Enrolment { code_sha256: "c".to_owned(), by: ana.person.clone(), expires_at: at(100) };
    let invited = Login::none(&ana, at(0)).invited(open, at(0));
    world.commit(vec![written(invited.clone())]).await.unwrap();
    let slipped_by = world.commit(powerless()).await;
    assert!(matches!(slipped_by, Err(StoreError::Conflict { what: "means of", .. })), "{slipped_by:?}");
    let both = [vec![written(invited.ended(at(1)))], powerless()].concat();
    world.commit(both).await.unwrap();
}

async fn one_account_of_a_kind_has_a_name(world: World) {
    let make = |account: Account| vec![Write::Account { account: Box::new(account), from: None }];
    world.commit(make(account("Ana", 1))).await.unwrap();
    let again = world.commit(make(account("Ana", 2))).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "{again:?}");
    world.commit(make(Account { kind: AccountKind::Service, ..account("Ana", 3) })).await.unwrap();
}

async fn sessions_end_alone_and_together_and_a_touch_brings_none_back(world: World) {
    world.commit(vec![Write::Account { account: Box::new(account("Ana", 1)), from: None }]).await.unwrap();
    for number in 1..=3 {
        world.commit(vec![Write::Session(Box::new(session(number)))]).await.unwrap();
    }
    world.store.touch_session(&session(1).id, at(500)).await.unwrap();
    world.store.touch_session(&session(1).id, at(400)).await.unwrap();
    let (found, _) = world.store.session("token 1").await.unwrap().unwrap();
    assert_eq!(found.seen_at, at(500), "time does not go back");
    let end = |only| {
        let (tenant, account) = (mercy(), account("Ana", 1).id);
        vec![Write::SessionsEnd(SessionsEnd { tenant, account, only })]
    };
    world.commit(end(Some(session(1).id))).await.unwrap();
    world.store.touch_session(&session(1).id, at(600)).await.unwrap();
    assert!(world.store.session("token 1").await.unwrap().is_none());
    let signed = session(1).signed("192.0.2.1", true, at(600));
    assert!(
        world.commit(vec![Write::Session(Box::new(signed))]).await.is_err(),
        "nobody signs in it any more"
    );
    assert_eq!(world.store.sessions(&mercy(), &session(2).account).await.unwrap().len(), 2);
    world.commit(end(None)).await.unwrap();
    assert!(world.store.sessions(&mercy(), &session(2).account).await.unwrap().is_empty());
}
