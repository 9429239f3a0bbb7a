-- Since when each tenant's application is in force; 0 where it came into force before that was written down.
ALTER TABLE application_floor ADD COLUMN since_ms BIGINT NOT NULL DEFAULT 0;
