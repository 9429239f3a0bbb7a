-- What an application denied and somebody wants allowed. `subject` is the digest of whom it is about: limits count by it.
CREATE TABLE access_requests (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    evaluation TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (tenant, evaluation)
) STRICT;
CREATE INDEX access_requests_by_tenant ON access_requests (tenant, id);
CREATE INDEX access_requests_pending ON access_requests (tenant, subject, expires_ms) WHERE state = 'pending';
-- What other engines ask through.
CREATE TABLE gate_endpoints (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    revoked_ms INTEGER,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX gate_endpoints_by_tenant ON gate_endpoints (tenant, id);
CREATE UNIQUE INDEX gate_endpoints_live ON gate_endpoints (tenant, name) WHERE revoked_ms IS NULL;
