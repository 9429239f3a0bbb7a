-- The highest revision of each tenant's application that was ever in force.
CREATE TABLE application_floor (
    tenant TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL
);
