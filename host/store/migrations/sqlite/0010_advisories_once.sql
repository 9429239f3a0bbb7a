-- A record is kept once, and `advisory_packages` has only the entries of `affected` about each package. What was imported
-- before has no `body`: there the package has the whole record. `digest` is over the record with all its packages; one
-- that was imported before gets its digest with the tenant's next import.
ALTER TABLE advisories ADD COLUMN body TEXT NOT NULL DEFAULT '';
ALTER TABLE advisories ADD COLUMN digest TEXT NOT NULL DEFAULT '';
-- As of when a tenant's advisories of an ecosystem are complete: a purl's type and, where a type has packages of several
-- distributions, its namespace.
CREATE TABLE advisory_ecosystems (
    tenant TEXT NOT NULL,
    ecosystem TEXT NOT NULL,
    as_of_ms INTEGER NOT NULL,
    imported_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, ecosystem)
) STRICT, WITHOUT ROWID;
-- What was complete before was so for the ecosystems of which there is something.
INSERT INTO advisory_ecosystems (tenant, ecosystem, as_of_ms, imported_ms)
SELECT DISTINCT i.tenant,
    CASE WHEN p.type IN ('apk', 'alpm', 'deb', 'rpm') AND instr(p.tail, '/') > 0
         THEN p.type || '/' || substr(p.tail, 1, instr(p.tail, '/') - 1) ELSE p.type END,
    i.as_of_ms, i.imported_ms
FROM advisory_imports i
JOIN (SELECT tenant, substr(package, 5, instr(package, '/') - 5) AS type,
             substr(package, instr(package, '/') + 1) AS tail
      FROM advisory_packages) p ON p.tenant = i.tenant;
DROP TABLE advisory_imports;
-- The sum over all rows of a tenant, as of its newest import.
CREATE TABLE advisory_heads (
    tenant TEXT NOT NULL PRIMARY KEY,
    sum BLOB NOT NULL
) STRICT, WITHOUT ROWID;
