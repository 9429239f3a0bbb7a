//! Table `ledger_nodes`: the roots of whole tiles, so that a tile or a proof is a few rows however long the log is.
//!
//! They follow from the entries and prove nothing by themselves: whoever gets a proof checks it against a signed checkpoint,
//! and an audit works each of them out anew.

use interlock_ledger::{Finding, Frontier, Hash, NodeId, ProofPlan, Tile, TileKind, Tiles, tile};

use crate::{
    Store, StoreError,
    db::{Db, Tx, execute_rows, fetch_all, fetch_optional, pieces, values},
};

/// Tree levels from one level of tiles to the next.
const HEIGHT: u32 = 8;
/// Leaves read at a time while nodes are filled in.
const LEAVES: i64 = 8_192;

/// A node and its hash.
pub(crate) type Node = (NodeId, Hash);

/// Adds a leaf to a tree, and the roots of the tiles that it completes to `nodes`.
pub(crate) fn push(tree: &mut Frontier, leaf: Hash, nodes: &mut Vec<Node>) {
    tree.push_noting(leaf, |node, hash| {
        if node.is_above_a_tile() {
            nodes.push((node, *hash));
        }
    });
}

/// Writes nodes that became complete.
pub(crate) async fn write(tx: &mut Tx, log: &str, nodes: &[Node]) -> Result<(), StoreError> {
    for piece in pieces(nodes) {
        let sql = format!(
            "INSERT INTO ledger_nodes (log, level, idx, hash) VALUES {} ON CONFLICT DO NOTHING",
            values(piece.len(), 4, 1)
        );
        execute_rows!(tx.conn(), sql, [], piece, |(node, hash)| [
            log,
            i64::from(node.level),
            as_i64(node.index),
            &hash[..]
        ])?;
    }
    Ok(())
}

/// Fills in what is missing of logs that are older than the table.
pub(crate) async fn fill_older(db: &Db) -> Result<(), StoreError> {
    let logs = fetch_all!(
        db.reader(),
        (String, i64, i64),
        "SELECT h.log, h.size, (SELECT COUNT(*) FROM ledger_nodes n WHERE n.log = h.log) FROM ledger_heads h"
    )?;
    for (log, size, found) in logs {
        if found < as_i64(expected(as_u64(size))) {
            fill(db, &log, size).await?;
        }
    }
    Ok(())
}

async fn fill(db: &Db, log: &str, size: i64) -> Result<(), StoreError> {
    let (mut tree, mut nodes) = (Frontier::new(), Vec::new());
    while as_i64(tree.size()) < size {
        let from = as_i64(tree.size());
        let leaves = fetch_all!(
            db.reader(),
            (i64, Vec<u8>),
            "SELECT idx, leaf_hash FROM ledger_entries WHERE log = $1 AND idx >= $2 AND idx < $3 ORDER BY idx LIMIT $4",
            log,
            from,
            size,
            LEAVES
        )?;
        // What is missing or damaged is found by whoever verifies the log, and is no reason not to start.
        let sound = (from..).zip(&leaves).all(|(expected, (idx, leaf))| *idx == expected && leaf.len() == 32);
        if leaves.is_empty() || !sound {
            tracing::error!(log, "the ledger has gaps, so that not all of its tiles can be made; verify it");
            break;
        }
        for leaf in leaves.into_iter().filter_map(|(_, leaf)| Hash::try_from(leaf).ok()) {
            push(&mut tree, leaf, &mut nodes);
        }
    }
    let mut tx = db.begin().await?;
    write(&mut tx, log, &nodes).await?;
    Ok(tx.commit().await?)
}

/// How many nodes a log of this size has here.
fn expected(size: u64) -> u64 {
    (1..8).map(|level| size.checked_shr(level * HEIGHT).unwrap_or(0)).sum()
}

impl Store {
    /// The bytes of a tile or of a bundle of entries; `None` when not all of it is there.
    pub async fn tile(&self, log: &str, tile: Tile) -> Result<Option<Vec<u8>>, StoreError> {
        let width = usize::from(tile.width());
        if tile.kind() == TileKind::Entries {
            let rows = self.rows(log, tile.first(), u32::from(tile.width())).await?;
            let whole = rows.len() == width
                && rows.last().is_some_and(|row| row.idx + 1 == tile.first() + width as u64);
            let bundle = || tile::encode_bundle(rows.iter().map(|row| &row.body));
            let bytes = whole.then(bundle).transpose();
            return bytes.map_err(|error| StoreError::corrupt("log", log, error));
        }
        let hashes = self.hashes(log, tile).await?;
        Ok((hashes.len() == width).then(|| tile::encode_hashes(&hashes)))
    }

    /// The hashes for a proof about a log; its sizes are the caller's to check.
    pub async fn proof(&self, log: &str, plan: &ProofPlan, size: u64) -> Result<Vec<Hash>, StoreError> {
        let mut tiles = Tiles::default();
        for tile in Tiles::needed(plan.nodes(), size) {
            tiles.insert(tile, self.hashes(log, tile).await?);
        }
        plan.build(&tiles).map_err(|error| StoreError::corrupt("log", log, error))
    }

    /// The hashes of a tile, as far as they are there and follow each other.
    async fn hashes(&self, log: &str, tile: Tile) -> Result<Vec<Hash>, StoreError> {
        let TileKind::Hashes(level) = tile.kind() else { return Ok(Vec::new()) };
        let (first, end) = (as_i64(tile.first()), as_i64(tile.first() + u64::from(tile.width())));
        let rows = if level == 0 {
            fetch_all!(
                self.db().reader(),
                (i64, Vec<u8>),
                "SELECT idx, leaf_hash FROM ledger_entries WHERE log = $1 AND idx >= $2 AND idx < $3 ORDER BY idx",
                log,
                first,
                end
            )?
        } else {
            fetch_all!(
                self.db().reader(),
                (i64, Vec<u8>),
                "SELECT idx, hash FROM ledger_nodes WHERE log = $1 AND level = $2 AND idx >= $3 AND idx < $4 ORDER BY idx",
                log,
                i64::from(u32::from(level) * HEIGHT),
                first,
                end
            )?
        };
        let follow = (first..).zip(rows).take_while(|(expected, (idx, _))| expected == idx);
        Ok(follow.map_while(|(_, (_, hash))| Hash::try_from(hash).ok()).collect())
    }

    /// Compares nodes with what an audit worked out.
    pub(crate) async fn compare_nodes(
        &self,
        log: &str,
        nodes: Vec<Node>,
    ) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        for (node, expected) in nodes {
            let found = fetch_optional!(
                self.db().reader(),
                (Vec<u8>,),
                "SELECT hash FROM ledger_nodes WHERE log = $1 AND level = $2 AND idx = $3",
                log,
                i64::from(node.level),
                as_i64(node.index)
            )?;
            // Said of the entry that completes it.
            let idx = ((node.index + 1) << node.level) - 1;
            let expected = hex(&expected);
            match found.map(|(hash,)| hex(&hash)) {
                Some(found) if found == expected => {}
                Some(found) => {
                    findings.push(Finding::tampered(
                        Some(idx),
                        "tile has another hash than its entries",
                        expected,
                        found,
                    ));
                }
                None => {
                    let found = "no hash".to_owned();
                    findings.push(Finding::tampered(Some(idx), "tile is not kept", expected, found));
                }
            }
        }
        Ok(findings)
    }

    /// Whether there are nodes beside those that the entries lead to; one statement, so that both are of one moment.
    pub(crate) async fn surplus_nodes(&self, log: &str) -> Result<Option<Finding>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (i64, i64),
            "SELECT (SELECT COUNT(*) FROM ledger_nodes WHERE log = $1),
                    COALESCE((SELECT MAX(idx) + 1 FROM ledger_entries WHERE log = $1), 0)",
            log
        )?;
        let (nodes, size) = found.unwrap_or_default();
        let expected = as_i64(expected(as_u64(size)));
        Ok((nodes > expected).then(|| {
            let (expected, found) = (format!("{expected} hashes"), format!("{nodes} hashes"));
            Finding::tampered(None, "tiles hold more than the log", expected, found)
        }))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(64).map(|byte| format!("{byte:02x}")).collect()
}

fn as_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn as_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
