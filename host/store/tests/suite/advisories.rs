//! Advisories: the newest of each record, of one tenant, for the packages that are asked for.

use interlock_domain::TenantId;
use interlock_store::{AdvisoriesFound, AdvisoriesWritten, Advisory};

use crate::{fixture::*, on_both};

on_both! {
    advisories_are_found_by_package_and_only_those,
    importing_again_changes_nothing,
    a_record_that_is_newer_already_stays,
    a_withdrawn_record_is_gone_and_an_older_copy_does_not_bring_it_back,
    another_tenant_sees_none_of_them,
    the_time_as_of_which_they_are_complete_only_moves_on,
    more_than_may_be_read_at_once_is_only_counted,
    a_thousand_records_about_two_hundred_packages_are_found_at_once,
}

fn record(id: &str, modified: i64, packages: &[&str]) -> Advisory {
    let packages = packages.iter().map(|package| (package.to_string(), format!("{id} at {modified}")));
    Advisory { id: id.to_owned(), modified: at(modified), packages: packages.collect() }
}

async fn import(world: &World, records: &[Advisory]) -> AdvisoriesWritten {
    world.store.import_advisories(&mercy(), records, None, at(9)).await.unwrap()
}

async fn found(world: &World, tenant: &TenantId, packages: &[&str]) -> Vec<String> {
    let packages: Vec<String> = packages.iter().map(|package| package.to_string()).collect();
    match world.store.advisories_of(tenant, &packages, 1 << 20).await.unwrap() {
        AdvisoriesFound::Rows(rows) => {
            rows.into_iter().map(|(package, body)| format!("{package}: {body}")).collect()
        }
        AdvisoriesFound::TooLarge { bytes } => panic!("{bytes} bytes"),
    }
}

async fn advisories_are_found_by_package_and_only_those(world: World) {
    import(&world, &[record("A-2", 1, &["a", "b"]), record("A-1", 2, &["a"]), record("C-1", 3, &["c"])])
        .await;
    assert_eq!(
        found(&world, &mercy(), &["b", "a", "a"]).await,
        ["a: A-1 at 2", "a: A-2 at 1", "b: A-2 at 1"]
    );
    assert_eq!(found(&world, &mercy(), &["nothing"]).await, Vec::<String>::new());
    assert_eq!(found(&world, &mercy(), &[]).await, Vec::<String>::new());
}

async fn importing_again_changes_nothing(world: World) {
    let records = [record("A-1", 1, &["a", "b"]), record("A-2", 1, &["a"])];
    let first = import(&world, &records).await;
    let before = found(&world, &mercy(), &["a", "b"]).await;
    assert_eq!(import(&world, &records).await, first);
    assert_eq!(found(&world, &mercy(), &["a", "b"]).await, before);
    assert_eq!(world.store.advisory_state(&mercy()).await.unwrap().records, 2);
}

async fn a_record_that_is_newer_already_stays(world: World) {
    import(&world, &[record("A-1", 5, &["a"])]).await;
    let done = import(&world, &[record("A-1", 4, &["a", "b"]), record("A-2", 1, &["a"])]).await;
    assert_eq!(done, AdvisoriesWritten { written: 1, older: 1 });
    assert_eq!(found(&world, &mercy(), &["a", "b"]).await, ["a: A-1 at 5", "a: A-2 at 1"]);
    import(&world, &[record("A-1", 7, &["b"]), record("A-1", 6, &["a"])]).await;
    assert_eq!(found(&world, &mercy(), &["a", "b"]).await, ["a: A-2 at 1", "b: A-1 at 7"]);
}

async fn a_withdrawn_record_is_gone_and_an_older_copy_does_not_bring_it_back(world: World) {
    import(&world, &[record("A-1", 1, &["a"])]).await;
    import(&world, &[record("A-1", 2, &[])]).await;
    assert_eq!(found(&world, &mercy(), &["a"]).await, Vec::<String>::new());
    assert_eq!(import(&world, &[record("A-1", 1, &["a"])]).await, AdvisoriesWritten { written: 0, older: 1 });
    assert_eq!(found(&world, &mercy(), &["a"]).await, Vec::<String>::new());
}

async fn another_tenant_sees_none_of_them(world: World) {
    import(&world, &[record("A-1", 1, &["a"])]).await;
    let other: TenantId = "grace".parse().unwrap();
    assert_eq!(found(&world, &other, &["a"]).await, Vec::<String>::new());
    assert_eq!(world.store.advisory_state(&other).await.unwrap().records, 0);
    world.store.import_advisories(&other, &[record("A-1", 2, &[])], Some(at(2)), at(9)).await.unwrap();
    assert_eq!(found(&world, &mercy(), &["a"]).await, ["a: A-1 at 1"]);
    assert_eq!(world.store.advisories_as_of(&mercy()).await.unwrap(), None);
}

async fn the_time_as_of_which_they_are_complete_only_moves_on(world: World) {
    assert_eq!(world.store.advisories_as_of(&mercy()).await.unwrap(), None);
    for (given, kept) in [(5, 5), (4, 5), (7, 7)] {
        world.store.import_advisories(&mercy(), &[], Some(at(given)), at(9)).await.unwrap();
        assert_eq!(world.store.advisories_as_of(&mercy()).await.unwrap(), Some(at(kept)));
    }
    assert_eq!(world.store.all_advisories_as_of().await.unwrap(), [(mercy(), at(7))]);
}

async fn more_than_may_be_read_at_once_is_only_counted(world: World) {
    let records = [record("A-1", 1, &["a"]), record("A-2", 1, &["b"])];
    import(&world, &records).await;
    let bytes = 2 * "A-1 at 1".len() as u64;
    let both = ["a".to_owned(), "b".to_owned()];
    let (world, tenant) = (&world, mercy());
    let at_most = |bytes_max| world.store.advisories_of(&tenant, &both, bytes_max);
    assert!(matches!(at_most(bytes).await.unwrap(), AdvisoriesFound::Rows(rows) if rows.len() == 2));
    assert_eq!(at_most(bytes - 1).await.unwrap(), AdvisoriesFound::TooLarge { bytes });
}

async fn a_thousand_records_about_two_hundred_packages_are_found_at_once(world: World) {
    let packages: Vec<String> = (0..256).map(|number| format!("p{number}")).collect();
    let records: Vec<Advisory> = (0..1_000)
        .map(|number| record(&format!("A-{number}"), 1, &[&packages[number % packages.len()]]))
        .collect();
    assert_eq!(import(&world, &records).await.written, 1_000);
    let found = world.store.advisories_of(&mercy(), &packages, 1 << 20).await.unwrap();
    assert!(matches!(found, AdvisoriesFound::Rows(rows) if rows.len() == 1_000));
}
