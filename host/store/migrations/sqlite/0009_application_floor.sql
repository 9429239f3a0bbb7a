-- The highest revision of each tenant's application that was ever in force.
CREATE TABLE application_floor (
    tenant TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    digest TEXT NOT NULL
) STRICT;
