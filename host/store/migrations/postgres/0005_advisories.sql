-- Advisories about packages, as the OSV format has them. A record without packages was withdrawn: it stays, so that an
-- older copy does not bring it back.
CREATE TABLE advisories (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    modified_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
-- What a record says of each package.
CREATE TABLE advisory_packages (
    tenant TEXT COLLATE "C" NOT NULL,
    package TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    bytes BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, package, id)
);
CREATE INDEX advisory_packages_by_id ON advisory_packages (tenant, id);
-- As of when a tenant's advisories are complete.
CREATE TABLE advisory_imports (
    tenant TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    as_of_ms BIGINT NOT NULL,
    imported_ms BIGINT NOT NULL
);
