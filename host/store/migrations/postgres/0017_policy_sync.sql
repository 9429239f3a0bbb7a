-- What was last seen of the policies in git: one row, shared by the replicas. What was taken stands in the ledger.
CREATE TABLE policy_sync (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    body TEXT NOT NULL
);
