-- When each key was last used, as far as it was written down: at most once a minute. Not in the ledger: each use that matters
-- leaves an entry of its own, which names the key.
CREATE TABLE key_uses (
    tenant TEXT NOT NULL,
    key_id TEXT NOT NULL,
    used_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, key_id)
);
