-- What each log signed last. It is written after the entries, by the signer of one replica: `epoch` rises with every signer
-- that begins, and what an earlier one publishes is not taken.
CREATE TABLE ledger_checkpoints (
    log TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL,
    size BIGINT NOT NULL,
    note TEXT NOT NULL,
    -- The newest checkpoint that enough witnesses cosigned.
    witnessed_size BIGINT NOT NULL DEFAULT 0,
    witnessed TEXT NOT NULL DEFAULT ''
);
INSERT INTO ledger_checkpoints (log, epoch, size, note)
    SELECT log, 0, size, checkpoint FROM ledger_heads WHERE checkpoint <> '';
ALTER TABLE ledger_heads DROP COLUMN checkpoint;
