-- Which plugins each environment uses, and for what; an environment without a row has what is configured.
CREATE TABLE rosters (
    tenant TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    change_id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, environment)
);
