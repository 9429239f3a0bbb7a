-- By what decisions are found. `tagged`: rows from before this table are tagged when the store is opened.
CREATE TABLE decision_tags (
    tenant TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, tag, id)
);
CREATE INDEX decision_tags_by_id ON decision_tags (id);
ALTER TABLE decisions ADD COLUMN tagged BIGINT NOT NULL DEFAULT 0;
CREATE INDEX decisions_untagged ON decisions (id) WHERE tagged = 0;

-- Answers to questions of other programs, packed by the file. `packed` holds their exact texts.
CREATE TABLE decision_segments (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    first_id TEXT COLLATE "C" NOT NULL,
    last_id TEXT COLLATE "C" NOT NULL,
    newest_ms BIGINT NOT NULL,
    decisions BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    filter BYTEA NOT NULL,
    packed BYTEA NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX decision_segments_by_last ON decision_segments (tenant, last_id, id);
