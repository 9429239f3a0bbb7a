-- Checkpoints whose digest is known to somebody outside, with what shows that it is.
CREATE TABLE ledger_anchors (
    log TEXT NOT NULL,
    anchor TEXT NOT NULL,
    size INTEGER NOT NULL,
    kind TEXT NOT NULL,
    digest TEXT NOT NULL,
    note TEXT NOT NULL,
    reference TEXT NOT NULL,
    proof BLOB NOT NULL,
    anchored_ms INTEGER NOT NULL,
    PRIMARY KEY (log, anchor, size)
) STRICT;
CREATE INDEX ledger_anchors_by_time ON ledger_anchors (log, anchored_ms);
