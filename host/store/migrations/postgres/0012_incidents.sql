-- Where two persons let a change proceed without the approvals that were missing.
CREATE TABLE incidents (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    change_id TEXT NOT NULL,
    review_due_ms BIGINT NOT NULL,
    reviewed_ms BIGINT,
    body TEXT NOT NULL
);
CREATE INDEX incidents_by_tenant ON incidents (tenant, id);
CREATE INDEX incidents_to_review ON incidents (review_due_ms) WHERE reviewed_ms IS NULL;
