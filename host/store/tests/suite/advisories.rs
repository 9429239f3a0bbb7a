//! Advisories: the newest of each record, of one tenant, for the packages that are asked for.

use interlock_domain::TenantId;
use interlock_ledger::Verdict;
use interlock_store::{AdvisoriesFound, AdvisoriesWritten, Advisory, AdvisoryImport, Commit, Write};
use serde_json::{Value, json};

use crate::{fixture::*, on_both};

on_both! {
    advisories_are_found_by_package_and_only_those,
    importing_again_changes_nothing,
    a_record_that_is_newer_already_stays,
    a_withdrawn_record_is_gone_and_an_older_copy_does_not_bring_it_back,
    another_tenant_sees_none_of_them,
    the_time_as_of_which_they_are_complete_is_of_an_ecosystem_and_only_moves_on,
    more_than_may_be_read_at_once_is_only_counted,
    a_thousand_records_about_two_hundred_packages_are_found_at_once,
    a_large_record_about_many_packages_is_kept_once,
    a_record_from_the_future_gives_way_to_a_genuine_one,
    the_entry_names_what_was_withdrawn_and_replaced,
    a_refused_commit_leaves_no_advisory_behind,
    imports_are_sound_whatever_they_alter,
    rows_of_advisories_that_are_altered_or_gone_are_found,
    what_is_altered_between_two_imports_is_found_after_the_second,
    advisories_that_nobody_imported_are_found,
    what_was_imported_before_records_were_kept_once_is_told_as_before_and_covered_from_the_next_import_on,
}

fn record(id: &str, modified: i64, packages: &[&str]) -> Advisory {
    let body = format!("{{\"said\":\"{id} at {modified}\"}}");
    let packages = packages.iter().map(|package| (package.to_string(), "[1]".to_owned()));
    Advisory { id: id.to_owned(), modified: at(modified), body, packages: packages.collect() }
}

fn withdrawn(id: &str, modified: i64) -> Advisory {
    Advisory { id: id.to_owned(), modified: at(modified), body: String::new(), packages: Vec::new() }
}

fn part(records: &[Advisory]) -> AdvisoryImport {
    AdvisoryImport {
        tenant: mercy(),
        records: records.to_vec(),
        as_of: None,
        ecosystems: Vec::new(),
        modified_max: at(1_000),
    }
}

async fn taken(world: &World, part: AdvisoryImport) -> AdvisoriesWritten {
    let tenant = part.tenant.clone();
    let commit = world.prepared(vec![Write::Advisories(Box::new(part))]);
    let committed = world.store.commit(Commit { tenant: tenant.clone(), ..commit }).await.unwrap();
    world.store.advisories_written(&tenant, committed.entries[0]).await.unwrap()
}

async fn import(world: &World, records: &[Advisory]) -> (u64, u64) {
    let done = taken(world, part(records)).await;
    (done.written, done.older)
}

async fn complete(world: &World, ecosystem: &str, as_of: i64) {
    let part = AdvisoryImport { as_of: Some(at(as_of)), ecosystems: vec![ecosystem.to_owned()], ..part(&[]) };
    taken(world, part).await;
}

/// What an audit finds.
async fn audited(world: &World) -> Vec<String> {
    let audit = world.store.audit("mercy", None, |_| {}).await.unwrap();
    audit.report.findings.iter().map(|finding| finding.what.to_string()).collect()
}

async fn found(world: &World, tenant: &TenantId, packages: &[&str]) -> Vec<String> {
    let packages: Vec<String> = packages.iter().map(|package| package.to_string()).collect();
    match world.store.advisories_of(tenant, &packages, 1 << 20).await.unwrap() {
        AdvisoriesFound::Rows(rows) => {
            let said = |body: &str| match serde_json::from_str::<Value>(body).unwrap() {
                body if body["affected"] == json!([1]) => body["said"].as_str().unwrap().to_owned(),
                body => panic!("{body}"),
            };
            rows.into_iter().map(|(package, body)| format!("{package}: {}", said(&body))).collect()
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
    assert_eq!(done, (1, 1));
    assert_eq!(found(&world, &mercy(), &["a", "b"]).await, ["a: A-1 at 5", "a: A-2 at 1"]);
    import(&world, &[record("A-1", 7, &["b"]), record("A-1", 6, &["a"])]).await;
    assert_eq!(found(&world, &mercy(), &["a", "b"]).await, ["a: A-2 at 1", "b: A-1 at 7"]);
}

async fn a_withdrawn_record_is_gone_and_an_older_copy_does_not_bring_it_back(world: World) {
    import(&world, &[record("A-1", 1, &["a"])]).await;
    import(&world, &[withdrawn("A-1", 2)]).await;
    assert_eq!(found(&world, &mercy(), &["a"]).await, Vec::<String>::new());
    assert_eq!(import(&world, &[record("A-1", 1, &["a"])]).await, (0, 1));
    assert_eq!(found(&world, &mercy(), &["a"]).await, Vec::<String>::new());
}

async fn another_tenant_sees_none_of_them(world: World) {
    import(&world, &[record("A-1", 1, &["a"])]).await;
    let other: TenantId = "grace".parse().unwrap();
    assert_eq!(found(&world, &other, &["a"]).await, Vec::<String>::new());
    assert_eq!(world.store.advisory_state(&other).await.unwrap().records, 0);
    let theirs = AdvisoryImport {
        tenant: other.clone(),
        as_of: Some(at(2)),
        ecosystems: vec!["npm".to_owned()],
        ..part(&[withdrawn("A-1", 2)])
    };
    taken(&world, theirs).await;
    assert_eq!(found(&world, &mercy(), &["a"]).await, ["a: A-1 at 1"]);
    assert!(world.store.advisory_ecosystems(&mercy()).await.unwrap().is_empty());
    assert_eq!(world.store.advisory_ecosystems(&other).await.unwrap()["npm"], at(2));
}

async fn the_time_as_of_which_they_are_complete_is_of_an_ecosystem_and_only_moves_on(world: World) {
    complete(&world, "deb/debian", 6).await;
    for (given, kept) in [(5, 5), (4, 5), (7, 7)] {
        complete(&world, "npm", given).await;
        let ecosystems = world.store.advisory_ecosystems(&mercy()).await.unwrap();
        assert_eq!((ecosystems["npm"], ecosystems["deb/debian"]), (at(kept), at(6)));
        assert_eq!(world.store.all_advisories_as_of().await.unwrap(), [(mercy(), at(kept.min(6)))]);
    }
    assert_eq!(audited(&world).await, [""; 0]);
}

async fn more_than_may_be_read_at_once_is_only_counted(world: World) {
    let records = [record("A-1", 1, &["a"]), record("A-2", 1, &["b"])];
    import(&world, &records).await;
    let bytes = 2 * r#"{"said":"A-1 at 1","affected":[1]}"#.len() as u64;
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
    assert_eq!(import(&world, &records).await, (1_000, 0));
    let found = world.store.advisories_of(&mercy(), &packages, 1 << 20).await.unwrap();
    assert!(matches!(found, AdvisoriesFound::Rows(rows) if rows.len() == 1_000));
}

async fn a_large_record_about_many_packages_is_kept_once(world: World) {
    let packages: Vec<String> = (0..600).map(|number| format!("pkg:npm/p{number}")).collect();
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    let mut large = record("A-1", 1, &names);
    large.body = format!("{{\"said\":\"{}\"}}", "x".repeat(300_000));
    import(&world, &[large]).await;
    let bytes: i64 = world
        .number(
            "SELECT CAST((SELECT SUM(length(body)) FROM advisories) + (SELECT SUM(length(body)) FROM advisory_packages) AS BIGINT)",
        )
        .await;
    assert!(bytes < 310_000, "{bytes} bytes for a record of 300,000");
    let told = world.store.advisories_of(&mercy(), &packages[..1], 1 << 20).await.unwrap();
    assert!(matches!(told, AdvisoriesFound::Rows(rows) if rows[0].1.len() > 300_000));
    let all = world.store.advisories_of(&mercy(), &packages, 8 << 20).await.unwrap();
    assert!(matches!(all, AdvisoriesFound::TooLarge { bytes } if bytes > 600 * 300_000));
}

async fn a_record_from_the_future_gives_way_to_a_genuine_one(world: World) {
    let future = AdvisoryImport { modified_max: at(i64::MAX), ..part(&[withdrawn("A-1", 9_999)]) };
    taken(&world, future).await;
    assert_eq!(import(&world, &[record("A-1", 5, &["a"])]).await, (1, 0));
    assert_eq!(found(&world, &mercy(), &["a"]).await, ["a: A-1 at 5"]);
    assert_eq!(audited(&world).await, [""; 0]);
}

async fn payload(world: &World) -> Value {
    let rows = world.store.rows("mercy", 0, 100).await.unwrap();
    serde_json::from_slice(rows.last().unwrap().payload.as_ref().unwrap()).unwrap()
}

async fn the_entry_names_what_was_withdrawn_and_replaced(world: World) {
    import(&world, &[record("A-1", 1, &["a"]), record("A-2", 1, &["a"]), record("A-3", 1, &["a"])]).await;
    let first = payload(&world).await;
    let none = json!({ "count": 0, "ids": [] });
    assert_eq!((&first["written"], &first["withdrawn"], &first["replaced"]), (&json!(3), &none, &none));
    let second =
        [withdrawn("A-1", 2), record("A-2", 2, &["b"]), record("A-3", 1, &["a"]), withdrawn("A-4", 2)];
    import(&world, &second).await;
    let told = payload(&world).await;
    assert_eq!(told["withdrawn"], json!({ "count": 2, "ids": ["A-1", "A-4"] }));
    assert_eq!(told["replaced"], json!({ "count": 1, "ids": ["A-2"] }));
    assert!(told["records"].as_str().unwrap().starts_with("sha256:") && told["records"] != first["records"]);
    import(&world, &second).await;
    let again = payload(&world).await;
    assert_eq!((&again["withdrawn"], &again["replaced"]), (&none, &none), "it changed nothing");
    assert_eq!(again["records"], told["records"]);
    let many: Vec<Advisory> = (0..1_001).map(|number| withdrawn(&format!("W-{number:04}"), 1)).collect();
    import(&world, &many).await;
    let bounded = payload(&world).await;
    assert_eq!(bounded["withdrawn"]["count"], 1_001);
    assert_eq!(bounded["withdrawn"]["ids"].as_array().unwrap().len(), 1_000);
}

async fn a_refused_commit_leaves_no_advisory_behind(world: World) {
    world.pumps(&["p1"]).await;
    let part = Write::Advisories(Box::new(part(&[record("A-1", 1, &["a"])])));
    world.commit(vec![part.clone(), registered(pump("p1"))]).await.unwrap_err();
    assert_eq!(world.store.advisory_state(&mercy()).await.unwrap().records, 0);
    assert_eq!(world.kinds("mercy").await, ["device.registered"]);
    world.commit(vec![part, registered(pump("p2"))]).await.unwrap();
    assert_eq!(world.store.advisory_state(&mercy()).await.unwrap().records, 1);
    assert_eq!(world.kinds("mercy").await[1..], ["advisories.imported", "device.registered"]);
}

async fn imports_are_sound_whatever_they_alter(world: World) {
    import(&world, &[record("A-1", 1, &["a", "b"]), record("A-2", 1, &["a"])]).await;
    complete(&world, "npm", 5).await;
    import(&world, &[withdrawn("A-1", 2), record("A-2", 3, &["c"]), record("A-2", 2, &["d"])]).await;
    import(&world, &[record("A-1", 1, &["a"]), record("A-3", 1, &[])]).await;
    complete(&world, "npm", 4).await;
    complete(&world, "npm", 6).await;
    let audit = world.store.audit("mercy", None, |_| {}).await.unwrap();
    assert_eq!(
        (audit.report.verdict(), audit.rows_compared),
        (Verdict::Sound, 3),
        "{:?}",
        audit.report.findings
    );
}

async fn rows_of_advisories_that_are_altered_or_gone_are_found(world: World) {
    import(&world, &[record("A-1", 1, &["a", "b"]), record("A-2", 1, &["a"])]).await;
    complete(&world, "npm", 5).await;
    world
        .tamper(
            "CREATE TABLE aside AS SELECT * FROM advisories; CREATE TABLE aside_p AS SELECT * FROM advisory_packages;
             CREATE TABLE aside_e AS SELECT * FROM advisory_ecosystems; CREATE TABLE aside_h AS SELECT * FROM advisory_heads",
        )
        .await
        .unwrap();
    let all = "advisories are not what their newest import left";
    let one = "advisory `A-1` is not what was imported";
    for (alter, what) in [
        (
            "UPDATE advisory_packages SET body = '{}' WHERE id = 'A-1'; DELETE FROM advisories WHERE id = 'A-2'",
            &[one, all][..],
        ),
        ("DELETE FROM advisories", &[all]),
        ("DELETE FROM advisory_packages WHERE id = 'A-1' AND package = 'b'", &[one, all]),
        ("UPDATE advisories SET body = '{}' WHERE id = 'A-1'", &[one, all]),
        ("UPDATE advisories SET modified_ms = 99 WHERE id = 'A-1'", &[all]),
        ("UPDATE advisories SET digest = '' WHERE id = 'A-1'", &[one]),
        (
            "INSERT INTO advisories (tenant, id, modified_ms) VALUES ('mercy', 'A-1x', 9)",
            &["advisory `A-1x` is not what was imported", all],
        ),
        ("UPDATE advisory_ecosystems SET as_of_ms = 900", &[all]),
        ("DELETE FROM advisory_ecosystems", &[all]),
        (
            "DELETE FROM advisory_heads",
            &["the sum beside the advisories is not what their newest import left"],
        ),
    ] {
        world.tamper(alter).await.unwrap();
        assert_eq!(audited(&world).await, what, "{alter}");
        world
            .tamper(
                "DELETE FROM advisories; INSERT INTO advisories SELECT * FROM aside;
                 DELETE FROM advisory_packages; INSERT INTO advisory_packages SELECT * FROM aside_p;
                 DELETE FROM advisory_ecosystems; INSERT INTO advisory_ecosystems SELECT * FROM aside_e;
                 DELETE FROM advisory_heads; INSERT INTO advisory_heads SELECT * FROM aside_h",
            )
            .await
            .unwrap();
        assert_eq!(audited(&world).await, [""; 0]);
    }
}

async fn what_is_altered_between_two_imports_is_found_after_the_second(world: World) {
    import(&world, &[record("A-1", 1, &["a"]), record("A-2", 1, &["a"])]).await;
    // Whoever alters rows and head alike leaves nothing that the next import could notice by itself.
    world.tamper("DELETE FROM advisories WHERE id = 'A-1'; DELETE FROM advisory_heads").await.unwrap();
    import(&world, &[record("A-3", 1, &["a"])]).await;
    assert_eq!(audited(&world).await, ["advisories were altered between this import and the one before"]);
}

async fn advisories_that_nobody_imported_are_found(world: World) {
    world.pumps(&["p1"]).await;
    world
        .tamper("INSERT INTO advisories (tenant, id, modified_ms) VALUES ('mercy', 'A-1', 9)")
        .await
        .unwrap();
    assert_eq!(audited(&world).await, ["advisories have no entry"]);
}

async fn what_was_imported_before_records_were_kept_once_is_told_as_before_and_covered_from_the_next_import_on(
    world: World,
) {
    let note = interlock_store::Note {
        kind: "advisories.imported",
        object_kind: "tenant",
        object_id: "mercy".to_owned(),
        payload: json!({ "written": 1 }),
    };
    world.commit(vec![Write::Note(note)]).await.unwrap();
    world
        .tamper(
            r#"INSERT INTO advisories (tenant, id, modified_ms) VALUES ('mercy', 'A-1', 1);
               INSERT INTO advisory_packages (tenant, package, id, bytes, body)
               VALUES ('mercy', 'a', 'A-1', 1, '{"affected":[1],"said":"A-1 at 1"}')"#,
        )
        .await
        .unwrap();
    assert_eq!(found(&world, &mercy(), &["a"]).await, ["a: A-1 at 1"]);
    assert_eq!(audited(&world).await, [""; 0]);
    import(&world, &[record("A-2", 1, &["a"])]).await;
    assert_eq!(found(&world, &mercy(), &["a"]).await, ["a: A-1 at 1", "a: A-2 at 1"]);
    assert_eq!(audited(&world).await, [""; 0]);
    world.tamper("DELETE FROM advisory_packages WHERE id = 'A-1'").await.unwrap();
    assert_eq!(audited(&world).await.len(), 2);
}
