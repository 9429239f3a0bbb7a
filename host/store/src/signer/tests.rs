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
    let note = Note {
        kind: "server.started",
        object_kind: "server",
        object_id: "node-test".to_owned(),
        payload: serde_json::Value::Null,
    };
    let by = By { person: None, account: "host".to_owned(), auth: None };
    let now = Timestamp::from_millis(1_000);
    let commit =
        Commit::new("mercy".parse().unwrap(), by, now, vec![Write::Note(note)], || Uuid::from_u128(id));
    store.commit(commit).await.unwrap();
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
