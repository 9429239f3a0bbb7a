-- How far each copy of a log outside has come, and the tree over it, from which the next part is proved.
CREATE TABLE ledger_copies (
    copy TEXT NOT NULL,
    log TEXT NOT NULL,
    size INTEGER NOT NULL,
    frontier BLOB NOT NULL,
    copied_ms INTEGER NOT NULL,
    PRIMARY KEY (copy, log)
) STRICT;

-- What was put where it cannot be overwritten: the version to read, whatever was put on top of it since.
CREATE TABLE ledger_copied (
    copy TEXT NOT NULL,
    log TEXT NOT NULL,
    path TEXT NOT NULL,
    digest TEXT NOT NULL,
    version TEXT NOT NULL,
    kept_until TEXT NOT NULL,
    PRIMARY KEY (copy, log, path)
) STRICT;
