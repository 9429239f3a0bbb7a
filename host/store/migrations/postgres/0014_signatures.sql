-- Electronic signatures. Never altered and never removed: what they were given to may become another.
CREATE TABLE signatures (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    change_id TEXT NOT NULL,
    person TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX signatures_by_change ON signatures (tenant, change_id, id);
