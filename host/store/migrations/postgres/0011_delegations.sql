-- Whose roles somebody else may approve with, for a while.
CREATE TABLE delegations (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    to_account TEXT NOT NULL,
    revoked_ms BIGINT,
    body TEXT NOT NULL
);
CREATE INDEX delegations_by_tenant ON delegations (tenant, id);
