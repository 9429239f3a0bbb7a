//! How far copies and anchors of a log are, on both databases.

use interlock_domain::Digest;
use interlock_ledger::{Frontier, tree::leaf_hash};
use interlock_store::{Anchored, Copied, Note, Page, Pin, Write};

use crate::{fixture::*, on_both};

on_both! {
    a_copy_only_goes_forward_and_what_is_pinned_stays,
    anchors_are_listed_newest_first_and_a_page_goes_on_where_the_last_ended,
}

fn note(text: &str) -> Write {
    Write::Note(Note {
        kind: "server.started",
        object_kind: "server",
        object_id: "node-test".to_owned(),
        payload: serde_json::json!({ "text": text }),
    })
}

fn copied(size: u64, ms: i64) -> Copied {
    let mut tree = Frontier::new();
    (0..size).for_each(|n| tree.push(leaf_hash(&n.to_be_bytes())));
    Copied { tree, at: at(ms) }
}

async fn a_copy_only_goes_forward_and_what_is_pinned_stays(world: World) {
    let store = &world.store;
    assert_eq!(store.copy_behind("worm").await.unwrap(), (0, None), "there is no log");
    world.commit(vec![note("one"), note("two"), note("three")]).await.unwrap();
    let newest = store.newest_entries().await.unwrap();
    assert_eq!(newest.len(), 1);
    assert_eq!(newest[0].0, "mercy");
    assert_eq!(store.copied("worm", "mercy").await.unwrap(), None);
    assert_eq!(store.copy_behind("worm").await.unwrap(), (3, None), "it has not begun");
    store.write_copied("worm", "mercy", &copied(0, 5)).await.unwrap();
    assert_eq!(store.copy_behind("worm").await.unwrap(), (3, Some(at(5))));
    store.write_copied("worm", "mercy", &copied(3, 7)).await.unwrap();
    store.write_copied("worm", "mercy", &copied(2, 9)).await.unwrap();
    assert_eq!(store.copied("worm", "mercy").await.unwrap(), Some(copied(3, 7)));
    assert_eq!(store.copy_behind("worm").await.unwrap(), (0, None));
    assert_eq!(store.copy_behind("other").await.unwrap().0, 3);

    let pin = |path: &str, version: &str| Pin {
        path: path.to_owned(),
        digest: Digest::of(path),
        version: version.to_owned(),
        kept_until: "2036-12-22T00:00:00Z".to_owned(),
    };
    for pin in [pin("tile/0/001", "b"), pin("tile/0/000", "a"), pin("tile/0/000", "forged")] {
        store.write_pin("worm", "mercy", &pin).await.unwrap();
    }
    assert_eq!(store.pin("worm", "mercy", "tile/0/000").await.unwrap(), Some(pin("tile/0/000", "a")));
    assert_eq!(store.pin("other", "mercy", "tile/0/000").await.unwrap(), None);
    let all = store.pins("worm", "mercy", "", 10).await.unwrap();
    assert_eq!(all, [pin("tile/0/000", "a"), pin("tile/0/001", "b")]);
    assert_eq!(store.pins("worm", "mercy", "tile/0/000", 10).await.unwrap(), all[1..]);
}

async fn anchors_are_listed_newest_first_and_a_page_goes_on_where_the_last_ended(world: World) {
    let store = &world.store;
    world.commit(vec![note("one")]).await.unwrap();
    assert_eq!(store.oldest_anchored("tsa").await.unwrap(), None);
    let anchored = |anchor: &str, size: u64, ms: i64| Anchored {
        log: "mercy".to_owned(),
        anchor: anchor.to_owned(),
        kind: "timestamp".to_owned(),
        size,
        digest: Digest::of(size.to_be_bytes()),
        note: format!("note {size}"),
        reference: "number 1".to_owned(),
        proof: vec![0, 1, 255],
        at: at(ms),
    };
    let expected =
        [anchored("git", 9, 30), anchored("tsa", 9, 30), anchored("tsa", 5, 30), anchored("tsa", 3, 20)];
    for anchored in expected.iter().rev() {
        store.write_anchored(anchored).await.unwrap();
    }
    // The same once more is not taken for another.
    store.write_anchored(&anchored("tsa", 3, 99)).await.unwrap();
    assert_eq!(store.newest_anchored("mercy", "tsa").await.unwrap(), Some((9, at(30))));
    assert_eq!(store.newest_anchored("grace", "tsa").await.unwrap(), None);
    assert_eq!(store.oldest_anchored("tsa").await.unwrap(), Some(at(30)));
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        // A page asks for one more than it shows, to know whether there are more.
        let page = store.anchored("mercy", &Page { after: after.clone(), limit: 1 }).await.unwrap();
        let Some(first) = page.into_iter().next() else { break };
        after = Some(first.place());
        found.push(first);
    }
    assert_eq!(found, expected);
    // A log that it never knew of.
    let mut elsewhere = world.prepared(vec![note("one")]);
    elsewhere.tenant = "grace".parse().unwrap();
    store.commit(elsewhere).await.unwrap();
    assert_eq!(store.oldest_anchored("tsa").await.unwrap(), None);
}
