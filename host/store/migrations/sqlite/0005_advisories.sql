-- Advisories about packages, as the OSV format has them. A record without packages was withdrawn: it stays, so that an
-- older copy does not bring it back.
CREATE TABLE advisories (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    modified_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
-- What a record says of each package.
CREATE TABLE advisory_packages (
    tenant TEXT NOT NULL,
    package TEXT NOT NULL,
    id TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, package, id)
) STRICT;
CREATE INDEX advisory_packages_by_id ON advisory_packages (tenant, id);
-- As of when a tenant's advisories are complete.
CREATE TABLE advisory_imports (
    tenant TEXT NOT NULL PRIMARY KEY,
    as_of_ms INTEGER NOT NULL,
    imported_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
