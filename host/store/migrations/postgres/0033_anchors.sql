-- Checkpoints whose digest is known to somebody outside, with what shows that it is.
CREATE TABLE ledger_anchors (
    log TEXT COLLATE "C" NOT NULL,
    anchor TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    note TEXT COLLATE "C" NOT NULL,
    reference TEXT COLLATE "C" NOT NULL,
    proof BYTEA NOT NULL,
    anchored_ms BIGINT NOT NULL,
    PRIMARY KEY (log, anchor, size)
);
CREATE INDEX ledger_anchors_by_time ON ledger_anchors (log, anchored_ms);
