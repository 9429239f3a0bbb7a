-- When a target was offered: with two changes on one device, the later one counts, whichever was proposed first.
ALTER TABLE assignments ADD COLUMN exposed_ms BIGINT NOT NULL DEFAULT 0;
-- Whether it has fetched or installed something.
ALTER TABLE assignments ADD COLUMN begun BIGINT NOT NULL DEFAULT 0;
-- Whether it has answered to the offer that brings it back.
ALTER TABLE assignments ADD COLUMN answered_back BIGINT NOT NULL DEFAULT 0;
DROP INDEX assignments_live;
CREATE INDEX assignments_live ON assignments (tenant, device, exposed_ms, action) WHERE live = 1;

-- What a request made or altered, set in the transaction that did it.
ALTER TABLE idempotency ADD COLUMN made TEXT;
