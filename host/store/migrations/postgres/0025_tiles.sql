-- Roots of whole tiles (C2SP tlog-tiles): the hashes of the tiles above the lowest level. `level` counts tree levels and is
-- a multiple of 8. Of logs from before this table they are filled in when the store is opened.
CREATE TABLE ledger_nodes (
    log TEXT COLLATE "C" NOT NULL,
    level BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (log, level, idx)
);
