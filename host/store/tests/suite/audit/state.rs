//! State that no event leads to: roles, groups and changes that somebody set by hand, and columns beside entries.

use super::*;

on_both! {
    a_role_granted_in_the_database_is_found,
    a_group_that_was_removed_and_is_there_is_found,
    a_change_set_back_to_an_earlier_state_is_found,
    a_change_that_its_events_do_not_lead_to_is_found,
    a_projection_that_differs_from_its_entry_is_found,
}

async fn a_role_granted_in_the_database_is_found(world: World) {
    hospital(&world).await;
    world
        .tamper("UPDATE accounts SET body = replace(body, '\"roles\":[]', '\"roles\":[{\"role\":\"administrator\"}]')")
        .await
        .unwrap();
    let audit = audit(&world, None).await;
    assert_eq!(audit.report.verdict(), Verdict::Tampered);
    let idx = last(&world, "account.written").await;
    one_row(&listed(&audit), Some(idx), "account", "is not what its newest entry says");
    // What the store writes afterwards is what counts: the newest entry, not the first.
    let id = AccountId::new(Uuid::from_u128(1));
    let from = world.store.account(&mercy(), &id).await.unwrap().map(Box::new);
    let account = Box::new(account("Ana", 1));
    world.commit(vec![Write::Account { account, from }]).await.unwrap();
    assert_eq!(found(&world).await, [""; 0]);
}

async fn a_group_that_was_removed_and_is_there_is_found(world: World) {
    let name: interlock_domain::GroupName = "lab".parse().unwrap();
    let group = Group { tenant: mercy(), name: name.clone(), description: String::new(), created_at: at(0) };
    world.commit(vec![Write::Group(group)]).await.unwrap();
    world.tamper("CREATE TABLE aside AS SELECT * FROM groups").await.unwrap();
    world.commit(vec![Write::GroupRemoved { tenant: mercy(), name }]).await.unwrap();
    assert_eq!(found(&world).await, [""; 0]);
    world.tamper("INSERT INTO groups SELECT * FROM aside").await.unwrap();
    assert_eq!(found(&world).await, ["1: group `lab` was removed and is there"]);
}

async fn a_change_set_back_to_an_earlier_state_is_found(world: World) {
    let change = hospital(&world).await;
    let (aside, restore) = set_aside("changes");
    world.tamper(aside).await.unwrap();
    world.commit(vec![step(change.halt("why".to_owned(), at(3_000)).unwrap())]).await.unwrap();
    world.tamper(restore).await.unwrap();
    let idx = last(&world, "rollout.paused").await;
    let id = &change.id;
    assert_eq!(
        found(&world).await,
        [
            format!("{idx}: change `{id}` is not what its newest entry says"),
            format!("{idx}: change `{id}` is not what its events say"),
        ]
    );
}

async fn a_change_that_its_events_do_not_lead_to_is_found(world: World) {
    let change = hospital(&world).await;
    // The row and its digests agree with each other; only the fold tells that the step in between was another.
    world
        .raw(
            "UPDATE ledger_entries SET payload = CAST(replace(CAST(payload AS TEXT), '\"at\":\"1970-01-01T00:00:01.002Z\"', \
             '\"at\":\"1970-01-01T00:00:09.000Z\"') AS BLOB) WHERE kind = 'change.admitted'",
            "UPDATE ledger_entries SET payload = convert_to(replace(convert_from(payload, 'UTF8'), \
             '\"at\":\"1970-01-01T00:00:01.002Z\"', '\"at\":\"1970-01-01T00:00:09.000Z\"'), 'UTF8') \
             WHERE kind = 'change.admitted'",
        )
        .await
        .unwrap();
    let idx = last(&world, "change.admitted").await;
    let found = found(&world).await;
    assert!(found.contains(&format!("{idx}: payload does not have the entry's digest")), "{found:#?}");
    assert!(
        found.contains(&format!("{idx}: change `{}` is not what its events say", change.id)),
        "{found:#?}"
    );
}

async fn a_projection_that_differs_from_its_entry_is_found(world: World) {
    world.pumps(&["p1", "p2"]).await;
    unlock(&world).await;
    for (field, alter, restore, beside) in [
        (
            "kind",
            "UPDATE ledger_entries SET kind = 'device.reported' WHERE idx = 1",
            "UPDATE ledger_entries SET kind = 'device.registered' WHERE idx = 1",
            &[][..],
        ),
        (
            "object_kind",
            "UPDATE ledger_entries SET object_kind = 'pump' WHERE idx = 1",
            "UPDATE ledger_entries SET object_kind = 'device' WHERE idx = 1",
            &["device `p2` has no entry"],
        ),
        (
            "object_id",
            "UPDATE ledger_entries SET object_id = 'p3' WHERE idx = 1",
            "UPDATE ledger_entries SET object_id = 'p2' WHERE idx = 1",
            &["1: device `p3` is gone", "device `p2` has no entry"],
        ),
        (
            "at_ms",
            "UPDATE ledger_entries SET at_ms = at_ms + 1 WHERE idx = 1",
            "UPDATE ledger_entries SET at_ms = at_ms - 1 WHERE idx = 1",
            &[],
        ),
    ] {
        world.tamper(alter).await.unwrap();
        let found = found(&world).await;
        let (first, more) = found.split_first().unwrap();
        assert_eq!(*first, format!("1: projection `{field}` is not what the entry says"));
        assert_eq!(more, beside);
        world.tamper(restore).await.unwrap();
    }
    assert_eq!(found(&world).await, [""; 0]);
}
