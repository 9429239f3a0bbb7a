-- Roots of whole tiles (C2SP tlog-tiles): the hashes of the tiles above the lowest level. `level` counts tree levels and is
-- a multiple of 8. Of logs from before this table they are filled in when the store is opened.
CREATE TABLE ledger_nodes (
    log TEXT NOT NULL,
    level INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (log, level, idx)
) STRICT, WITHOUT ROWID;
