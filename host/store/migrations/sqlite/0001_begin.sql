-- Columns exist for what queries need; everything else of an aggregate is in its JSON `body`.
-- The same tables and columns as in the folder beside this one; a test compares them.

CREATE TABLE changes (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    environment TEXT NOT NULL,
    state TEXT NOT NULL,
    is_final INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    digest TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX changes_by_tenant ON changes (tenant, id);
CREATE INDEX changes_not_final ON changes (id) WHERE is_final = 0;

CREATE TABLE change_artifacts (
    change_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (change_id, name, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX change_artifacts_by_name ON change_artifacts (tenant, name);

-- Without a body: bulk tasks alter these rows by the thousand.
CREATE TABLE assignments (
    change_id TEXT NOT NULL,
    device TEXT NOT NULL,
    tenant TEXT NOT NULL,
    rank INTEGER NOT NULL,
    state TEXT NOT NULL,
    live INTEGER NOT NULL,
    action INTEGER NOT NULL,
    artifact TEXT NOT NULL,
    version TEXT NOT NULL,
    version_before TEXT,
    artifact_before TEXT,
    touched_ms INTEGER NOT NULL,
    detail TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (change_id, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX assignments_by_state ON assignments (change_id, tenant, state, rank);
CREATE INDEX assignments_by_device ON assignments (tenant, device, action);
CREATE INDEX assignments_live ON assignments (tenant, device, action) WHERE live = 1;
CREATE INDEX assignments_live_by_state ON assignments (state, change_id) WHERE live = 1;

CREATE TABLE action_numbers (
    tenant TEXT NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    environment TEXT NOT NULL,
    model TEXT NOT NULL,
    site TEXT NOT NULL,
    state TEXT NOT NULL,
    health TEXT NOT NULL,
    firmware TEXT,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX devices_by_site ON devices (tenant, site);

CREATE TABLE device_groups (
    tenant TEXT NOT NULL,
    device TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (tenant, device, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_groups_by_name ON device_groups (tenant, name, device);

CREATE TABLE device_seen (
    tenant TEXT NOT NULL,
    device TEXT NOT NULL,
    seen_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE groups (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    sealed TEXT NOT NULL,
    UNIQUE (tenant, name, version)
) STRICT;
CREATE INDEX artifacts_by_tenant ON artifacts (tenant, id);
CREATE INDEX artifacts_by_digest ON artifacts (tenant, digest);

CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX accounts_by_tenant ON accounts (tenant, id);

CREATE TABLE credentials (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    account TEXT NOT NULL,
    revoked_ms INTEGER,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX credentials_by_tenant ON credentials (tenant, id);

CREATE TABLE decisions (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    change_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX decisions_by_tenant ON decisions (tenant, id);
CREATE INDEX decisions_by_change ON decisions (tenant, change_id, id);

-- `body` is the exact leaf; kind, object and time repeat what it says, for queries. `payload` may be erased one day.
CREATE TABLE ledger_entries (
    log TEXT NOT NULL,
    idx INTEGER NOT NULL,
    kind TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    leaf_hash BLOB NOT NULL,
    payload BLOB,
    PRIMARY KEY (log, idx)
) STRICT;
CREATE INDEX ledger_entries_by_object ON ledger_entries (log, object_kind, object_id, idx);

-- Two walls against accidents and lesser intruders. Whoever may drop triggers is caught by the checkpoints instead.
CREATE TRIGGER ledger_entries_stay BEFORE DELETE ON ledger_entries
BEGIN
    SELECT RAISE(ABORT, 'ledger entries are never deleted');
END;
CREATE TRIGGER ledger_entries_fixed
BEFORE UPDATE OF log, idx, kind, object_kind, object_id, at_ms, body, leaf_hash ON ledger_entries
BEGIN
    SELECT RAISE(ABORT, 'ledger entries are never altered');
END;

CREATE TABLE ledger_heads (
    log TEXT NOT NULL PRIMARY KEY,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    prev BLOB NOT NULL,
    frontier BLOB NOT NULL,
    checkpoint TEXT NOT NULL
) STRICT;

CREATE TABLE samples (
    tenant TEXT NOT NULL,
    device TEXT NOT NULL,
    metric TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (tenant, device, metric, at_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX samples_by_age ON samples (at_ms);

CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    token INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE idempotency (
    principal TEXT NOT NULL,
    idem_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status INTEGER,
    body TEXT,
    begun_ms INTEGER NOT NULL,
    PRIMARY KEY (principal, idem_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (begun_ms);
