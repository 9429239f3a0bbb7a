-- What decisions name by digest and cannot be made again without: policy bundles and plugin components.
CREATE TABLE kept (
    kind TEXT NOT NULL,
    digest TEXT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (kind, digest)
);

-- The highest revision of the policies that was ever in force: one row.
CREATE TABLE bundle_floor (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    revision BIGINT NOT NULL,
    digest TEXT NOT NULL
);

-- Since when a target runs, or failed to run, what it was given: its measurements from then on are those of the release.
ALTER TABLE assignments ADD COLUMN installed_ms BIGINT;
UPDATE assignments SET installed_ms = touched_ms WHERE state IN ('installed', 'verified', 'failed');
