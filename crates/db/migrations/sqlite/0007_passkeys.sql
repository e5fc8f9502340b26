-- Passkeys, and the ceremonies (WebAuthn) by which they are added and shown. What is personal arrives sealed.

CREATE TABLE passkeys (
    passkey_id   BLOB PRIMARY KEY NOT NULL,
    user_id      BLOB NOT NULL REFERENCES accounts (user_id) ON DELETE CASCADE,
    -- A keyed hash of the credential's id: no authenticator belongs to two people.
    credential   BLOB NOT NULL UNIQUE,
    sealed       BLOB NOT NULL,
    sealed_name  BLOB NOT NULL,
    -- What the authenticator counted when it was last shown; 0 before, and for one that does not count.
    counter      INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX passkeys_by_user ON passkeys (user_id);

-- One row between the two requests of a ceremony.
CREATE TABLE ceremonies (
    hash       BLOB PRIMARY KEY NOT NULL,
    sealed     BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ceremonies_by_expiry ON ceremonies (expires_at);
