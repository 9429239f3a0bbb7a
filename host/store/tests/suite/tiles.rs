//! Tiles and proofs are those of the entries, and whoever alters one is found.

use interlock_ledger::{
    Hash, ProofPlan, Tile, TileKind, Verdict,
    tile::{parse_bundle, parse_hashes},
    tree::{Leaves, leaf_hash, root_at, verify_consistency, verify_inclusion},
};
use interlock_store::{Note, Write};

use crate::{fixture::*, on_both};

on_both! {
    tiles_and_proofs_are_those_of_the_entries,
    a_tile_that_was_altered_removed_or_added_is_found,
    a_log_from_before_there_were_tiles_gets_them,
}

async fn grown(world: &World, entries: usize) {
    for from in (0..entries).step_by(256) {
        let writes = (from..entries.min(from + 256)).map(note).collect();
        world.commit(writes).await.unwrap();
    }
}

fn note(n: usize) -> Write {
    Write::Note(Note {
        kind: "server.started",
        object_kind: "server",
        object_id: format!("node-{n}"),
        payload: serde_json::json!({ "n": n }),
    })
}

async fn leaves(world: &World, count: u32) -> Vec<Hash> {
    world.store.rows("mercy", 0, count).await.unwrap().iter().map(|row| leaf_hash(&row.body)).collect()
}

async fn tiles_and_proofs_are_those_of_the_entries(world: World) {
    grown(&world, 700).await;
    let leaves = leaves(&world, 700).await;
    for tile in Tile::grown(0, 700) {
        let bytes = world.store.tile("mercy", tile).await.unwrap().unwrap();
        let expected: Vec<Hash> = tile
            .nodes()
            .map(|node| {
                let width = 1 << node.level;
                let from = usize::try_from(node.index).unwrap() * width;
                root_at(width as u64, &Leaves(&leaves[from..from + width])).unwrap()
            })
            .collect();
        let found = match tile.kind() {
            TileKind::Hashes(_) => parse_hashes(&bytes, tile.width()).unwrap().to_vec(),
            TileKind::Entries => {
                parse_bundle(&bytes, tile.width()).unwrap().into_iter().map(leaf_hash).collect()
            }
        };
        assert_eq!(found, expected, "{tile}");
    }
    let root = |size: usize| root_at(size as u64, &Leaves(&leaves[..size])).unwrap();
    for (index, size) in [(0, 1), (255, 256), (0, 257), (256, 700), (699, 700), (511, 512)] {
        let plan = ProofPlan::inclusion(index, size as u64).unwrap();
        let proof = world.store.proof("mercy", &plan, size as u64).await.unwrap();
        let leaf = leaves[usize::try_from(index).unwrap()];
        verify_inclusion(&leaf, index, size as u64, &proof, &root(size)).unwrap();
        let old = usize::try_from(index).unwrap() + 1;
        let plan = ProofPlan::consistency(old as u64, size as u64).unwrap();
        let proof = world.store.proof("mercy", &plan, size as u64).await.unwrap();
        verify_consistency((old as u64, &root(old)), (size as u64, &root(size)), &proof).unwrap();
    }
    let beyond = Tile::of_size(TileKind::Hashes(0), 2, 701).unwrap();
    assert_eq!(world.store.tile("mercy", beyond).await.unwrap(), None);
    assert_eq!(world.store.tile("nobody", beyond).await.unwrap(), None);
}

async fn found(world: &World) -> Vec<String> {
    let report = world.store.audit("mercy", None, |_| {}).await.unwrap().report;
    report.findings.iter().map(|finding| format!("{:?} {}", finding.idx, finding.what)).collect()
}

async fn a_tile_that_was_altered_removed_or_added_is_found(world: World) {
    grown(&world, 520).await;
    assert_eq!(found(&world).await, [""; 0]);
    world.tamper("UPDATE ledger_nodes SET hash = (SELECT leaf_hash FROM ledger_entries WHERE idx = 0) WHERE idx = 1").await.unwrap();
    assert_eq!(found(&world).await, ["Some(511) tile has another hash than its entries"]);
    world.tamper("UPDATE ledger_nodes SET idx = 7 WHERE idx = 1").await.unwrap();
    assert_eq!(found(&world).await, ["Some(511) tile is not kept"]);
    world
        .tamper("INSERT INTO ledger_nodes SELECT log, level, 1, hash FROM ledger_nodes WHERE idx = 0")
        .await
        .unwrap();
    assert_eq!(
        found(&world).await,
        ["Some(511) tile has another hash than its entries", "None tiles hold more than the log"]
    );
    let report = world.store.audit("mercy", None, |_| {}).await.unwrap().report;
    assert_eq!(report.verdict(), Verdict::Tampered);
}

async fn a_log_from_before_there_were_tiles_gets_them(world: World) {
    let mut world = world;
    grown(&world, 600).await;
    world.tamper("DELETE FROM ledger_nodes").await.unwrap();
    assert_eq!(found(&world).await.len(), 2);
    world.reopened(|_| {}).await;
    assert_eq!(found(&world).await, [""; 0]);
    grown(&world, 300).await;
    assert_eq!(found(&world).await, [""; 0]);
    assert_eq!(world.number("SELECT COUNT(*) FROM ledger_nodes").await, 3);
}
