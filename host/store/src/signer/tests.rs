use interlock_domain::Timestamp;
use uuid::Uuid;

use super::*;
use crate::{By, Commit, Note, Store, Write, testing::TestDatabase};

/// A store on which nothing is signed but by hand.
async fn by_hand(database: &TestDatabase) -> Store {
    let store = database.open().await;
    store.stop_signing();
    store
}

async fn commit(store: &Store, id: u128) {
    commit_at(store, id, 1_000).await.unwrap();
}

async fn commit_at(store: &Store, id: u128, ms: i64) -> Result<crate::Committed, StoreError> {
    let note = Note {
        kind: "server.started",
        object_kind: "server",
        object_id: "node-test".to_owned(),
        payload: serde_json::Value::Null,
    };
    let by = By { person: None, account: "host".to_owned(), auth: None };
    let now = Timestamp::from_millis(ms);
    let commit =
        Commit::new("mercy".parse().unwrap(), by, now, vec![Write::Note(note)], || Uuid::from_u128(id));
    store.commit(commit).await
}

#[tokio::test]
async fn one_that_was_paused_between_signing_and_publishing_publishes_nothing() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres().await] {
        let (paused, other) = (by_hand(&database).await, by_hand(&database).await);
        commit(&paused, 1).await;
        paused.signed("mercy").await.unwrap();
        let signer = paused.signer().unwrap();
        let epoch = signer.epochs.lock().await["mercy"];
        commit(&paused, 2).await;
        let Round::Made(late) = signer.make("mercy").await.unwrap() else { panic!("nothing to sign") };
        assert_eq!(late.size, 2);
        // Meanwhile another one takes over and goes on.
        commit(&other, 3).await;
        let newest = other.signed("mercy").await.unwrap().unwrap();
        assert_eq!(newest.size, 3);
        let published = checkpoints::publish(paused.db(), "mercy", epoch, &late).await.unwrap();
        assert!(!published, "its epoch is over");
        assert_eq!(other.signed("mercy").await.unwrap(), Some(newest.clone()));
        // It begins again from what is there.
        assert_eq!(paused.signed("mercy").await.unwrap(), Some(newest));
        commit(&paused, 4).await;
        assert_eq!(paused.signed("mercy").await.unwrap().unwrap().size, 4);
        assert_eq!(other.audit("mercy", None, |_| {}).await.unwrap().report.findings, []);
    }
}

#[tokio::test]
async fn writes_are_refused_while_signing_is_behind_and_go_on_once_it_has_caught_up() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres().await] {
        let options = Options { unsigned_max: 3, unsigned_ms_max: 5_000, ..database.options() };
        let store = Store::open(options, crate::testing::keys()).await.unwrap();
        store.stop_signing();
        commit(&store, 1).await;
        store.signed("mercy").await.unwrap();
        let hung = store.hold_signing().await;
        for id in 2..5 {
            commit(&store, id).await;
        }
        // So many may wait, and no more: nothing of what is refused is written.
        let refused = commit_at(&store, 5, 1_200).await.unwrap_err();
        let StoreError::Behind { log, entries, age_ms } = refused else { panic!("{refused}") };
        assert_eq!((log.as_str(), entries, age_ms), ("mercy", 3, 200));
        assert_eq!(store.behind()["mercy"].entries, 3);
        assert_eq!(store.head("mercy").await.unwrap().unwrap().size, 4);
        drop(hung);
        // Whoever writes next has what waits signed first.
        commit_at(&store, 6, 1_300).await.unwrap();
        assert_eq!(store.signed("mercy").await.unwrap().unwrap().size, 5);
        assert!(store.behind().is_empty());
        // Few that wait too long are too many as well.
        let hung = store.hold_signing().await;
        commit_at(&store, 7, 2_000).await.unwrap();
        commit_at(&store, 8, 7_000).await.unwrap();
        assert!(matches!(commit_at(&store, 9, 7_001).await, Err(StoreError::Behind { age_ms: 5_001, .. })));
        drop(hung);
        commit_at(&store, 10, 7_002).await.unwrap();
        assert_eq!(store.audit("mercy", None, |_| {}).await.unwrap().report.findings, []);
    }
}
