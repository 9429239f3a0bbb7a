//! The signer signs one history of each log, whatever the database says and whoever else signs.

use std::path::Path;

use interlock_ledger::{Checkpoint, Remembered};
use interlock_store::{Note, Signed, Unsigned, Write};
use tempfile::TempDir;

use crate::{fixture::*, on_both};

on_both! {
    a_database_that_was_cut_off_or_put_back_is_not_signed_until_it_is_whole_again,
    another_history_is_not_signed_however_long_it_is,
    entries_that_are_missing_or_altered_before_they_were_signed_are_not_signed,
    two_signers_fence_each_other_and_sign_one_history,
    what_a_crash_left_unsigned_is_signed_by_the_next,
    when_its_memory_cannot_be_written_nothing_is_signed_until_a_new_beginning,
    what_is_refused_stops_no_other_log,
}

fn note(text: &str) -> Write {
    Write::Note(Note {
        kind: "server.started",
        object_kind: "server",
        object_id: "node-test".to_owned(),
        payload: serde_json::json!({ "text": text }),
    })
}

async fn signing_in(world: &mut World, folder: &Path) {
    let folder = folder.to_owned();
    world.reopened(|options| options.signer_dir = Some(folder)).await;
}

async fn signed(world: &World) -> Checkpoint {
    let Signed { size, note } = world.store.signed("mercy").await.unwrap().unwrap();
    let origin = world.store.options().origin("mercy");
    let keys = world.store.keys().keyring(&origin).unwrap();
    let opened = Checkpoint::open(note.as_bytes(), &origin, &keys).unwrap();
    assert_eq!(opened.checkpoint().size, size);
    opened.checkpoint().clone()
}

const ASIDE: &str = "CREATE TABLE entries_aside AS SELECT * FROM ledger_entries;
    CREATE TABLE heads_aside AS SELECT * FROM ledger_heads;
    CREATE TABLE signed_aside AS SELECT * FROM ledger_checkpoints";

/// What a backup does, or a thief.
const BACK: &str = "DELETE FROM ledger_entries; INSERT INTO ledger_entries SELECT * FROM entries_aside;
    DELETE FROM ledger_heads; INSERT INTO ledger_heads SELECT * FROM heads_aside;
    DELETE FROM ledger_checkpoints; INSERT INTO ledger_checkpoints SELECT * FROM signed_aside";

async fn a_database_that_was_cut_off_or_put_back_is_not_signed_until_it_is_whole_again(world: World) {
    let (mut world, folder) = (world, TempDir::new().unwrap());
    crate::audit::unlock(&world).await;
    signing_in(&mut world, folder.path()).await;
    world.commit(vec![note("one")]).await.unwrap();
    world.tamper(ASIDE).await.unwrap();
    world.commit(vec![note("two"), note("three")]).await.unwrap();
    let newest = signed(&world).await;
    assert_eq!(newest.size, 3);
    world.tamper("CREATE TABLE whole AS SELECT * FROM ledger_entries; CREATE TABLE whole_heads AS SELECT * FROM ledger_heads").await.unwrap();
    world.tamper(BACK).await.unwrap();

    // Yesterday's database in perfect order, under the server that ran and under one that begins.
    for _ in 0..2 {
        assert_eq!(signed(&world).await.size, 1, "what is published is what it was");
        let why = world.store.refusals().remove("mercy").unwrap();
        assert!(why.contains("1 entries, and 3 were signed"), "{why}");
        signing_in(&mut world, folder.path()).await;
    }
    // Ordinary events go on, unsigned, and do not make it whole.
    world.commit(vec![note("other"), note("others"), note("more")]).await.unwrap();
    assert_eq!(signed(&world).await.size, 1);
    let why = world.store.refusals().remove("mercy").unwrap();
    assert!(why.contains("the head says"), "{why}");
    let audit = world.store.audit("mercy", None, |_| {}).await.unwrap();
    assert_eq!(
        audit.report.findings.iter().map(|finding| &*finding.what).collect::<Vec<_>>(),
        ["signer refuses"]
    );

    let whole = "DELETE FROM ledger_entries; INSERT INTO ledger_entries SELECT * FROM whole;
                 DELETE FROM ledger_heads; INSERT INTO ledger_heads SELECT * FROM whole_heads";
    world.tamper(whole).await.unwrap();
    assert_eq!(signed(&world).await, newest);
    assert!(world.store.refusals().is_empty());
    world.commit(vec![note("four")]).await.unwrap();
    assert_eq!(world.verified("mercy").await, 4);
}

async fn another_history_is_not_signed_however_long_it_is(world: World) {
    let (mut world, folder) = (world, TempDir::new().unwrap());
    crate::audit::unlock(&world).await;
    signing_in(&mut world, folder.path()).await;
    world.commit(vec![note("one")]).await.unwrap();
    world.tamper(ASIDE).await.unwrap();
    world.commit(vec![note("two"), note("three")]).await.unwrap();
    let newest = signed(&world).await;
    // Whoever holds the database and the keys writes another history with a signer that remembers nothing.
    for longer in [2, 3, 9] {
        world.tamper(BACK).await.unwrap();
        world.reopened(|options| options.signer_dir = None).await;
        let forged: Vec<Write> = (0..longer).map(|n| note(&format!("forged {n}"))).collect();
        world.commit(forged).await.unwrap();
        let forged = signed(&world).await;
        assert_eq!(forged.size, 1 + longer);
        signing_in(&mut world, folder.path()).await;
        let published = world.store.signed("mercy").await.unwrap().unwrap();
        assert_eq!(
            Remembered::parse(published.note.as_bytes()).unwrap().checkpoint(),
            &forged,
            "it is not replaced"
        );
        assert_eq!(world.store.refusals().len(), 1, "{longer}");
        world.commit(vec![note("more")]).await.unwrap();
        assert_eq!(
            world.store.signed("mercy").await.unwrap().unwrap().size,
            1 + longer,
            "and nothing is added to it"
        );
    }
    let state = std::fs::read_to_string(folder.path().join("mercy.signed")).unwrap();
    assert_eq!(state.lines().nth(2).unwrap(), newest.size.to_string());
}

async fn entries_that_are_missing_or_altered_before_they_were_signed_are_not_signed(world: World) {
    crate::audit::unlock(&world).await;
    world.commit(vec![note("one"), note("two"), note("three")]).await.unwrap();
    world.store.close().await;
    for (alter, said) in [
        ("UPDATE ledger_entries SET body = leaf_hash WHERE idx = 1", "entries lead to root"),
        ("DELETE FROM ledger_entries WHERE idx = 1", "entry 1 is not there"),
        ("DELETE FROM ledger_entries", "entry 0 is not there"),
    ] {
        world.tamper("DELETE FROM ledger_checkpoints").await.unwrap();
        world.tamper(alter).await.unwrap();
        let store = world.database.open().await;
        assert_eq!(store.signed("mercy").await.unwrap(), None, "{alter}");
        let why = store.refusals().remove("mercy").unwrap();
        assert!(why.contains(said), "{alter}: {why}");
        store.close().await;
    }
}

async fn two_signers_fence_each_other_and_sign_one_history(world: World) {
    let other = world.database.open().await;
    let mut epochs = Vec::new();
    let mut seen: Vec<Signed> = Vec::new();
    for round in 0..6 {
        let store = if round % 2 == 0 { &world.store } else { &other };
        store.commit(world.prepared(vec![note("again")])).await.unwrap();
        seen.push(store.signed("mercy").await.unwrap().unwrap());
        epochs.push(world.number("SELECT epoch FROM ledger_checkpoints").await);
    }
    assert!(epochs.is_sorted() && epochs.last() > epochs.first(), "{epochs:?}");
    assert_eq!(seen.iter().map(|signed| signed.size).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    for signed in seen {
        let remembered = Remembered::parse(signed.note.as_bytes()).unwrap();
        let audit = other.audit("mercy", Some(&remembered), |_| {}).await.unwrap();
        assert_eq!(audit.report.findings, [], "{}", signed.note);
    }
    assert_eq!(world.verified("mercy").await, 6);
}

async fn what_a_crash_left_unsigned_is_signed_by_the_next(world: World) {
    let (mut world, folder) = (world, TempDir::new().unwrap());
    signing_in(&mut world, folder.path()).await;
    world.commit(vec![note("one")]).await.unwrap();
    let first = signed(&world).await;
    world.store.close().await;
    // It remembered, and was killed before it published.
    world.tamper("UPDATE ledger_checkpoints SET size = 0, note = ''").await.unwrap();
    signing_in(&mut world, folder.path()).await;
    assert_eq!(signed(&world).await, first);
    // It was killed before it remembered.
    world.store.close().await;
    let state = std::fs::read(folder.path().join("mercy.signed")).unwrap();
    signing_in(&mut world, folder.path()).await;
    world.commit(vec![note("two")]).await.unwrap();
    let second = signed(&world).await;
    world.store.close().await;
    std::fs::write(folder.path().join("mercy.signed"), state).unwrap();
    signing_in(&mut world, folder.path()).await;
    assert_eq!(signed(&world).await, second);
    assert_eq!(world.verified("mercy").await, 2);
}

async fn when_its_memory_cannot_be_written_nothing_is_signed_until_a_new_beginning(world: World) {
    let (mut world, folder) = (world, TempDir::new().unwrap());
    signing_in(&mut world, folder.path()).await;
    // Where the new file would be written there is a folder.
    let obstacle = folder.path().join("mercy.new");
    std::fs::create_dir(&obstacle).unwrap();
    world.commit(vec![note("one")]).await.unwrap();
    assert_eq!(world.store.signed("mercy").await.unwrap(), None);
    let why = world.store.signer_broken().await;
    assert!(!why.is_empty());
    assert!(Unsigned::Broken(why).to_string().contains("start again"));
    std::fs::remove_dir(&obstacle).unwrap();
    world.commit(vec![note("two")]).await.unwrap();
    assert_eq!(world.store.signed("mercy").await.unwrap(), None, "it is not tried again");
    signing_in(&mut world, folder.path()).await;
    assert_eq!(signed(&world).await.size, 2);
    // A memory that was altered is no memory: it is not begun anew.
    world.store.close().await;
    std::fs::write(folder.path().join("mercy.signed"), "buy milk").unwrap();
    signing_in(&mut world, folder.path()).await;
    world.commit(vec![note("three")]).await.unwrap();
    assert_eq!(world.store.signed("mercy").await.unwrap().unwrap().size, 2);
    assert!(world.store.signer_broken().await.contains("cannot be believed"));
}

async fn what_is_refused_stops_no_other_log(world: World) {
    crate::audit::unlock(&world).await;
    world.commit(vec![note("one"), note("two")]).await.unwrap();
    world.tamper("DELETE FROM ledger_entries WHERE idx = 1; UPDATE ledger_heads SET size = 1").await.unwrap();
    world.store.signed("mercy").await.unwrap();
    let mut elsewhere = world.prepared(vec![note("one")]);
    elsewhere.tenant = "grace".parse().unwrap();
    world.store.commit(elsewhere).await.unwrap();
    assert_eq!(world.store.signed("grace").await.unwrap().unwrap().size, 1);
    assert_eq!(world.store.refusals().into_keys().collect::<Vec<_>>(), ["mercy"]);
}
