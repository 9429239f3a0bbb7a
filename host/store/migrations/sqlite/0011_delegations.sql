-- Whose roles somebody else may approve with, for a while.
CREATE TABLE delegations (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    to_account TEXT NOT NULL,
    revoked_ms INTEGER,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX delegations_by_tenant ON delegations (tenant, id);
