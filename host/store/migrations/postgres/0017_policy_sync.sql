-- What was last seen of the policies in git: one row, shared by the replicas. What was taken stands in the ledger.
CREATE TABLE policy_sync (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    body TEXT NOT NULL
);

-- Since when the policies are in force; 0 where that was not written down yet.
ALTER TABLE bundle_floor ADD COLUMN since_ms BIGINT NOT NULL DEFAULT 0;
