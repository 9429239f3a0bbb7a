//! Two servers on one database follow one repository: one of them looks, and both know.

use interlock_domain::Role;
use interlock_server::testing::TestApp;
use interlock_store::testing::TestDatabase;

use super::{FORBID, House, MINUTE};

#[tokio::test]
async fn what_two_replicas_see_in_git_at_once_is_one_change() {
    let database = TestDatabase::postgres().await;
    let house = House::on(&database.url, "staging", |_| {}).await;
    let other = TestApp::replica(2, |config| {
        *config = house.app.app.config.clone();
        let own = house.repository.beside("data-2");
        config.ledger.signer_dir = own.join("signer");
        config.decisions.dir = own.join("decisions");
        config.server.data_dir = own;
    })
    .await;
    house.write(house.revision + 1, Some(("closed.cedar", FORBID)));
    let head = house.commit();
    let mut seen = Vec::new();
    for _ in 0..2 {
        house.app.clock.advance(MINUTE);
        other.clock.advance(MINUTE);
        tokio::join!(house.app.look_at_git(), other.look_at_git());
        let changes = house.changes().await;
        assert_eq!(changes.len(), 1, "{changes:#?}");
        seen.push(changes[0]["id"].clone());
    }
    assert_eq!(seen[0], seen[1]);
    let viktor = other.person("Viktor", &[Role::Auditor]).await;
    let told = viktor.get("/status").await.ok()["policies_in_git"].clone();
    assert_eq!(told["head"], head, "the other knows it, whoever looked: {told}");
    assert_eq!(house.git().await["head"], head);
    house.app.reconcile().await;
    other.reconcile().await;
    for app in [&house.app, &other] {
        assert_eq!(app.app.policies.bundle().revision, house.revision + 1);
    }
}
