-- What an operator says of accounts, and who is invited to make one.

-- NULL: not suspended.
ALTER TABLE accounts ADD COLUMN suspended_at INTEGER;
-- NULL: what the server is configured with.
ALTER TABLE accounts ADD COLUMN quota_bytes INTEGER CHECK (quota_bytes >= 0);

-- One row an address, found by its keyed hash like an account's; gone once an account is made.
CREATE TABLE invitations (
    lookup         BLOB PRIMARY KEY NOT NULL,
    sealed_address BLOB NOT NULL,
    invited_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX invitations_by_expiry ON invitations (expires_at);
