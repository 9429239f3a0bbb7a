-- How far each copy of a log outside has come, and the tree over it, from which the next part is proved.
CREATE TABLE ledger_copies (
    copy TEXT COLLATE "C" NOT NULL,
    log TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    frontier BYTEA NOT NULL,
    copied_ms BIGINT NOT NULL,
    PRIMARY KEY (copy, log)
);

-- What was put where it cannot be overwritten: the version to read, whatever was put on top of it since.
CREATE TABLE ledger_copied (
    copy TEXT COLLATE "C" NOT NULL,
    log TEXT COLLATE "C" NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    kept_until TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (copy, log, path)
);
