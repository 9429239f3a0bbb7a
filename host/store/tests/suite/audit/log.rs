//! The log itself: its beginning, its payloads, its end, and what is written while it is verified.

use super::*;

on_both! {
    an_entry_before_the_first_is_found,
    a_payload_that_is_erased_or_damaged_is_found_at_its_entry,
    a_log_cut_off_with_its_head_is_found_by_a_remembered_checkpoint,
    what_happens_meanwhile_is_no_finding,
    a_store_opened_to_read_alters_nothing,
    what_is_new_is_verified_from_where_it_was_left,
}

async fn an_entry_before_the_first_is_found(world: World) {
    world.pumps(&["p1"]).await;
    world
        .tamper(
            "INSERT INTO ledger_entries SELECT log, -1, kind, object_kind, object_id, at_ms, body, leaf_hash, payload
             FROM ledger_entries",
        )
        .await
        .unwrap();
    assert_eq!(found(&world).await, ["entry stands before the first"]);
}

async fn a_payload_that_is_erased_or_damaged_is_found_at_its_entry(world: World) {
    let change = hospital(&world).await;
    let (id, idx) = (&change.id, last(&world, "change.gates_passed").await);
    world
        .tamper("UPDATE ledger_entries SET payload = NULL WHERE kind = 'change.gates_passed'")
        .await
        .unwrap();
    let erased = audit(&world, None).await;
    assert_eq!(erased.report.verdict(), Verdict::Unverifiable);
    assert_eq!(
        listed(&erased),
        [
            format!("{idx}: payload is not kept"),
            format!("{idx}: change `{id}` cannot be rebuilt because this event's payload is not kept"),
        ]
    );
    world
        .tamper("UPDATE ledger_entries SET payload = body WHERE kind = 'change.gates_passed'")
        .await
        .unwrap();
    let damaged = audit(&world, None).await;
    assert_eq!(damaged.report.verdict(), Verdict::Tampered);
    assert_eq!(
        listed(&damaged),
        [
            format!("{idx}: payload does not have the entry's digest"),
            format!("{idx}: change `{id}` cannot be rebuilt because this event's payload is damaged"),
        ]
    );
}

fn note(text: &str) -> Write {
    Write::Note(Note {
        kind: "server.started",
        object_kind: "server",
        object_id: "node-test".to_owned(),
        payload: serde_json::json!({ "text": text }),
    })
}

async fn a_log_cut_off_with_its_head_is_found_by_a_remembered_checkpoint(world: World) {
    world.pumps(&["p1"]).await;
    let first = Remembered::parse(audit(&world, None).await.checkpoint.as_bytes()).unwrap();
    unlock(&world).await;
    let aside = "CREATE TABLE aside AS SELECT * FROM ledger_heads;
                 CREATE TABLE signed_aside AS SELECT * FROM ledger_checkpoints";
    world.tamper(aside).await.unwrap();
    world.commit(vec![note("one"), note("two")]).await.unwrap();
    let second = audit(&world, Some(&first)).await;
    assert_eq!(listed(&second), [""; 0]);
    let second = Remembered::parse(second.checkpoint.as_bytes()).unwrap();
    assert_eq!((first.checkpoint().size, second.checkpoint().size), (1, 3));

    let cut = "DELETE FROM ledger_entries WHERE idx >= 1;
               DELETE FROM ledger_heads; INSERT INTO ledger_heads SELECT * FROM aside;
               DELETE FROM ledger_checkpoints; INSERT INTO ledger_checkpoints SELECT * FROM signed_aside";
    world.tamper(cut).await.unwrap();
    // Whoever signed it knows.
    assert_eq!(found(&world).await, ["signer refuses"]);
    // The database alone is in perfect order.
    let mut world = world;
    world.reopened(|_| {}).await;
    assert_eq!(found(&world).await, [""; 0]);
    assert_eq!(
        listed(&audit(&world, Some(&second)).await),
        ["1: log is shorter than the remembered checkpoint"]
    );
    world.commit(vec![note("three"), note("four"), note("five")]).await.unwrap();
    assert_eq!(listed(&audit(&world, Some(&first)).await), [""; 0]);
    assert_eq!(
        listed(&audit(&world, Some(&second)).await),
        ["log does not continue the remembered checkpoint"]
    );
}

async fn what_happens_meanwhile_is_no_finding(world: World) {
    let names: Vec<String> = (0..6).map(|n| format!("p{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.pumps(&names).await;
    let mut changes = Vec::new();
    for name in &names {
        changes.push(world.admitted(&[name]).await);
    }
    let done = AtomicBool::new(false);
    let busy = async {
        for round in 0..40 {
            for (change, name) in changes.iter_mut().zip(&names) {
                let now: Timestamp = at(5_000 + round);
                let ana = account("Ana", 1).actor("key:test".to_owned());
                let (action, command) = match change.state {
                    State::Paused => (Action::ResumeRollout, interlock_domain::Command::Resume),
                    _ => (Action::PauseRollout, interlock_domain::Command::Pause),
                };
                let permit = world.decision(action, change.resource(), Facts::None).permit().unwrap();
                let stepped = change.decide(&command, &ana, "why not", &permit, now).unwrap();
                *change = stepped.change.clone();
                let mut device = pump(name);
                device.revision = u64::try_from(round).unwrap() + 2;
                let from_revision = device.revision - 1;
                let device =
                    Write::Device { device: Box::new(device), event: "device.reported", from_revision };
                world.commit(vec![step(stepped), device]).await.unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    };
    let audits = async {
        let mut audits = 0;
        while !done.load(Ordering::Relaxed) {
            assert_eq!(found(&world).await, [""; 0]);
            audits += 1;
        }
        audits
    };
    let ((), audits) = tokio::join!(busy, audits);
    assert!(audits > 1, "nothing was audited while it changed");
    assert_eq!(found(&world).await, [""; 0]);
}

async fn a_store_opened_to_read_alters_nothing(world: World) {
    hospital(&world).await;
    let expected = audit(&world, None).await;
    let reader = Store::open_to_read(world.database.options(), testing::keys()).await.unwrap();
    assert_eq!(reader.audit("mercy", None, |_| {}).await.unwrap(), expected);
    assert!(reader.commit(world.prepared(vec![registered(pump("p9"))])).await.is_err());
    reader.close().await;
    world.store.close().await;
    let Some(file) = world.database.url.strip_prefix("sqlite:") else { return };
    let folder = std::path::Path::new(file).parent().unwrap();
    let files = || {
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
        files.collect::<std::collections::BTreeSet<_>>()
    };
    let before = files();
    let reader = Store::open_to_read(world.database.options(), testing::keys()).await.unwrap();
    assert_eq!(reader.audit("mercy", None, |_| {}).await.unwrap(), expected);
    reader.close().await;
    assert_eq!(files(), before);
    let nowhere = interlock_store::Options::at(format!("sqlite:{}", folder.join("typo.db").display()));
    let error = Store::open_to_read(nowhere, testing::keys()).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing { what: "database", .. }), "{error}");
    assert_eq!(files(), before);
}

async fn what_is_new_is_verified_from_where_it_was_left(world: World) {
    world.pumps(&["p1"]).await;
    let (report, cursor) = world.store.audit_newest("mercy", Cursor::default()).await.unwrap();
    assert_eq!((report.findings, report.entries, cursor.size()), (Vec::new(), 1, 1));
    world.commit(vec![note("one")]).await.unwrap();
    let (report, later) = world.store.audit_newest("mercy", cursor.clone()).await.unwrap();
    assert_eq!((report.findings, report.entries, later.size()), (Vec::new(), 1, 2));
    unlock(&world).await;
    world.tamper("UPDATE ledger_entries SET object_id = 'other' WHERE idx = 1").await.unwrap();
    let (report, stayed) = world.store.audit_newest("mercy", cursor.clone()).await.unwrap();
    assert_eq!((report.findings[0].idx, &stayed), (Some(1), &cursor), "{:?}", report.findings);
    let (report, _) = world.store.audit_newest("mercy", later.clone()).await.unwrap();
    assert_eq!(report.findings, [], "what lies behind it is for the schedule");
    // Cut off to where it was, with all that was signed.
    world
        .tamper("DELETE FROM ledger_entries; DELETE FROM ledger_checkpoints; DELETE FROM ledger_heads")
        .await
        .unwrap();
    let (report, _) = world.store.audit_newest("mercy", later).await.unwrap();
    assert_eq!(report.findings[0].what, "log is shorter than it was when it was verified");
}
