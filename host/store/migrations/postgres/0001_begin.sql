-- Columns exist for what queries need; everything else of an aggregate is in its JSON `body`.
-- The same tables and columns as in the folder beside this one; a test compares them. Ids are compared byte by byte,
-- as SQLite does it, whatever the locale of the server.

CREATE TABLE changes (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    is_final BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX changes_by_tenant ON changes (tenant, id);
CREATE INDEX changes_not_final ON changes (id) WHERE is_final = 0;

CREATE TABLE change_artifacts (
    change_id TEXT COLLATE "C" NOT NULL,
    tenant TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (change_id, name, digest)
);
CREATE INDEX change_artifacts_by_name ON change_artifacts (tenant, name);

-- Without a body: bulk tasks alter these rows by the thousand.
CREATE TABLE assignments (
    change_id TEXT COLLATE "C" NOT NULL,
    device TEXT COLLATE "C" NOT NULL,
    tenant TEXT COLLATE "C" NOT NULL,
    rank BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    live BIGINT NOT NULL,
    action BIGINT NOT NULL,
    artifact TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    version_before TEXT COLLATE "C",
    artifact_before TEXT COLLATE "C",
    touched_ms BIGINT NOT NULL,
    detail TEXT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (change_id, device)
);
CREATE INDEX assignments_by_state ON assignments (change_id, tenant, state, rank);
CREATE INDEX assignments_by_device ON assignments (tenant, device, action);
CREATE INDEX assignments_live ON assignments (tenant, device, action) WHERE live = 1;
CREATE INDEX assignments_live_by_state ON assignments (state, change_id) WHERE live = 1;

CREATE TABLE action_numbers (
    tenant TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);

CREATE TABLE devices (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    site TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    health TEXT COLLATE "C" NOT NULL,
    firmware TEXT COLLATE "C",
    revision BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX devices_by_site ON devices (tenant, site);

CREATE TABLE device_groups (
    tenant TEXT COLLATE "C" NOT NULL,
    device TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, device, name)
);
CREATE INDEX device_groups_by_name ON device_groups (tenant, name, device);

CREATE TABLE device_seen (
    tenant TEXT COLLATE "C" NOT NULL,
    device TEXT COLLATE "C" NOT NULL,
    seen_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, device)
);

CREATE TABLE groups (
    tenant TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE artifacts (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL,
    sealed TEXT NOT NULL,
    UNIQUE (tenant, name, version)
);
CREATE INDEX artifacts_by_tenant ON artifacts (tenant, id);
CREATE INDEX artifacts_by_digest ON artifacts (tenant, digest);

CREATE TABLE accounts (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX accounts_by_tenant ON accounts (tenant, id);

CREATE TABLE credentials (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    revoked_ms BIGINT,
    body TEXT NOT NULL
);
CREATE INDEX credentials_by_tenant ON credentials (tenant, id);

CREATE TABLE decisions (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    change_id TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX decisions_by_tenant ON decisions (tenant, id);
CREATE INDEX decisions_by_change ON decisions (tenant, change_id, id);

-- `body` is the exact leaf; kind, object and time repeat what it says, for queries. `payload` may be erased one day.
CREATE TABLE ledger_entries (
    log TEXT COLLATE "C" NOT NULL,
    idx BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    object_kind TEXT COLLATE "C" NOT NULL,
    object_id TEXT COLLATE "C" NOT NULL,
    at_ms BIGINT NOT NULL,
    body BYTEA NOT NULL,
    leaf_hash BYTEA NOT NULL,
    payload BYTEA,
    PRIMARY KEY (log, idx)
);
CREATE INDEX ledger_entries_by_object ON ledger_entries (log, object_kind, object_id, idx);

-- Two walls against accidents and lesser intruders. Whoever may drop triggers is caught by the checkpoints instead.
CREATE FUNCTION ledger_entries_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger entries are never altered or deleted';
END
$$;
CREATE TRIGGER ledger_entries_stay BEFORE DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_refuse();
CREATE TRIGGER ledger_entries_fixed
    BEFORE UPDATE OF log, idx, kind, object_kind, object_id, at_ms, body, leaf_hash ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_refuse();

CREATE TABLE ledger_heads (
    log TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    root BYTEA NOT NULL,
    prev BYTEA NOT NULL,
    frontier BYTEA NOT NULL,
    checkpoint TEXT NOT NULL
);

CREATE TABLE samples (
    tenant TEXT COLLATE "C" NOT NULL,
    device TEXT COLLATE "C" NOT NULL,
    metric TEXT COLLATE "C" NOT NULL,
    at_ms BIGINT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (tenant, device, metric, at_ms)
);
CREATE INDEX samples_by_age ON samples (at_ms);

CREATE TABLE leases (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL,
    token BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);

CREATE TABLE idempotency (
    principal TEXT COLLATE "C" NOT NULL,
    idem_key TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    status BIGINT,
    body TEXT,
    begun_ms BIGINT NOT NULL,
    PRIMARY KEY (principal, idem_key)
);
CREATE INDEX idempotency_by_age ON idempotency (begun_ms);
