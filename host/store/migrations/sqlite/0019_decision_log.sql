-- By what decisions are found. `tagged`: rows from before this table are tagged when the store is opened.
CREATE TABLE decision_tags (
    tenant TEXT NOT NULL,
    tag TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (tenant, tag, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX decision_tags_by_id ON decision_tags (id);
ALTER TABLE decisions ADD COLUMN tagged INTEGER NOT NULL DEFAULT 0;
CREATE INDEX decisions_untagged ON decisions (id) WHERE tagged = 0;

-- Answers to questions of other programs, packed by the file. `packed` holds their exact texts.
CREATE TABLE decision_segments (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    first_id TEXT NOT NULL,
    last_id TEXT NOT NULL,
    newest_ms INTEGER NOT NULL,
    decisions INTEGER NOT NULL,
    digest TEXT NOT NULL,
    filter BLOB NOT NULL,
    packed BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX decision_segments_by_last ON decision_segments (tenant, last_id, id);
