-- By what a person logs in. `revision` is what a step was derived from: a code counts once, on however many replicas.
CREATE TABLE logins (
    account TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (tenant, name)
) STRICT;

-- Who is logged in. `seen_ms` is written alone, so that it never undoes anything else of the row.
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    account TEXT NOT NULL,
    token_sha256 TEXT NOT NULL UNIQUE,
    seen_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_account ON sessions (tenant, account, id);
CREATE INDEX sessions_by_end ON sessions (ends_ms);

-- Challenges that wait for their one answer.
CREATE TABLE ceremonies (
    id TEXT NOT NULL PRIMARY KEY,
    expires_ms INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX ceremonies_by_end ON ceremonies (expires_ms);
