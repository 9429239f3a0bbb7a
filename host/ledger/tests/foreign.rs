//! Another project's library reads what we write: its checkpoint parser, its tile paths, and its reader, which believes no tile
//! before it has led to the root.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions only, not in what they share")]

use std::collections::BTreeMap;

use interlock_ledger::{Checkpoint, SignedNote, SigningKey, copy::Writer, tree};
use tlog_tiles::{
    Checkpoint as Theirs, Error, Hash, Tile, TileHashReader, TileReader, check_record, check_tree,
    prove_record, prove_tree, record_hash, tree_hash,
};

const ORIGIN: &str = "interlock.example.com/ledger/t1";

/// Our files, as that library asks for them.
struct Ours(BTreeMap<String, Vec<u8>>);

impl TileReader for Ours {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            // It writes the height of tiles into paths, as Go's tlog does; C2SP fixed it at 8.
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            let whole = path.split(".p/").next().unwrap_or_default().to_owned();
            let bytes = self.0.get(&path).or_else(|| self.0.get(&whole)).ok_or(Error::InvalidTile)?;
            Ok(bytes[..32 * tile.width() as usize].to_vec())
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

fn written(size: u64) -> (Vec<Vec<u8>>, Ours) {
    let key = SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap();
    let (mut writer, mut files) = (Writer::new(), BTreeMap::new());
    let bodies: Vec<Vec<u8>> = (0..size).map(|idx| format!("entry {idx}").into_bytes()).collect();
    for body in &bodies {
        writer.push(body.clone(), |path, bytes| drop(files.insert(path, bytes))).unwrap();
    }
    let root = writer.tree().root();
    let note = Checkpoint { origin: ORIGIN.to_owned(), size, root }.sign(&key).unwrap();
    writer.finish(&note, |path, bytes| drop(files.insert(path, bytes))).unwrap();
    (bodies, Ours(files))
}

#[test]
fn another_library_reads_and_verifies_our_checkpoint_and_tiles() {
    for size in [1, 255, 256, 257, 700, 66_000] {
        let (bodies, ours) = written(size);
        let note = SignedNote::parse(&ours.0["checkpoint"]).unwrap();
        let theirs = Theirs::from_bytes(note.unverified_text().as_bytes()).unwrap();
        assert_eq!((theirs.origin(), theirs.size()), (ORIGIN, size));
        let root = *theirs.hash();
        let reader = TileHashReader::new(size, root, &ours);
        assert!(tree_hash(size, &reader).unwrap() == root, "{size}");
        for index in [0, size / 3, size - 1] {
            let proof = prove_record(size, index, &reader).unwrap();
            let record = record_hash(&bodies[index as usize]);
            check_record(&proof, size, root, index, record).unwrap();
            // And we believe its proof.
            let proof: Vec<tree::Hash> = proof.iter().map(|hash| hash.0).collect();
            tree::verify_inclusion(&record.0, index, size, &proof, &root.0).unwrap();
        }
        let earlier = size.div_ceil(2);
        let proof = prove_tree(size, earlier, &reader).unwrap();
        let earlier_root = tree_hash(earlier, &reader).unwrap();
        check_tree(&proof, size, root, earlier, earlier_root).unwrap();
        let proof: Vec<tree::Hash> = proof.iter().map(|hash| hash.0).collect();
        tree::verify_consistency((earlier, &earlier_root.0), (size, &root.0), &proof).unwrap();
    }
}

#[test]
fn another_library_is_not_deceived_by_tiles_that_were_altered() {
    let (bodies, mut ours) = written(700);
    let note = SignedNote::parse(&ours.0["checkpoint"]).unwrap();
    let root = Hash(note.unverified_text().parse::<Checkpoint>().unwrap().root);
    let record = record_hash(&bodies[300]);
    let proved = |ours: &Ours| {
        let proof = prove_record(700, 300, &TileHashReader::new(700, root, ours));
        // Its reader leaves some tiles of short logs to whoever checks the proof.
        proof.and_then(|proof| check_record(&proof, 700, root, 300, record)).is_ok()
    };
    assert!(proved(&ours));
    for tile in ["tile/0/001", "tile/1/000.p/2"] {
        ours.0.get_mut(tile).unwrap()[5] ^= 1;
        assert!(!proved(&ours), "{tile}");
        ours.0.get_mut(tile).unwrap()[5] ^= 1;
    }
}
