-- What an application denied and somebody wants allowed. `subject` is the digest of whom it is about: limits count by it.
CREATE TABLE access_requests (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    evaluation TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    expires_ms BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (tenant, evaluation)
);
CREATE INDEX access_requests_by_tenant ON access_requests (tenant, id);
CREATE INDEX access_requests_pending ON access_requests (tenant, subject, expires_ms) WHERE state = 'pending';
-- What other engines ask through.
CREATE TABLE gate_endpoints (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    revoked_ms BIGINT,
    body TEXT NOT NULL
);
CREATE INDEX gate_endpoints_by_tenant ON gate_endpoints (tenant, id);
CREATE UNIQUE INDEX gate_endpoints_live ON gate_endpoints (tenant, name) WHERE revoked_ms IS NULL;
