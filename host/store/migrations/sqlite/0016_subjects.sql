-- Whom identity providers mean: their name for somebody, and the account that it is linked to.
CREATE TABLE subjects (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    account TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX subjects_by_account ON subjects (tenant, account, id);
-- Numbers that were used once, so that a signed request cannot be sent again, on any replica, while its signature is good. Not
-- in the ledger: what a request did is.
CREATE TABLE nonces (
    key_id TEXT NOT NULL,
    nonce TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (key_id, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_by_end ON nonces (until_ms);
