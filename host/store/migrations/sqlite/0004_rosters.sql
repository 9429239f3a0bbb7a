-- Which plugins each environment uses, and for what; an environment without a row has what is configured.
CREATE TABLE rosters (
    tenant TEXT NOT NULL,
    environment TEXT NOT NULL,
    revision INTEGER NOT NULL,
    change_id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, environment)
) STRICT, WITHOUT ROWID;
