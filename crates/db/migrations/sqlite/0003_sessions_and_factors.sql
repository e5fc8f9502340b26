-- What a person is shown of their sessions, and the second factor.

ALTER TABLE sessions ADD COLUMN last_used_at INTEGER NOT NULL DEFAULT 0;
-- What the client called itself.
ALTER TABLE sessions ADD COLUMN client TEXT NOT NULL DEFAULT '';
-- 1: opened with a second factor.
ALTER TABLE sessions ADD COLUMN strong INTEGER NOT NULL DEFAULT 0 CHECK (strong IN (0, 1));
UPDATE sessions SET last_used_at = created_at;

-- Since when a used token is used: for a short while its successor may be asked for again.
ALTER TABLE refresh_tokens ADD COLUMN used_at INTEGER;

-- One authenticator app per person; the secret is sealed by the server.
CREATE TABLE totp (
    user_id       BLOB PRIMARY KEY NOT NULL REFERENCES accounts (user_id),
    sealed_secret BLOB NOT NULL,
    -- 0 until a first right code shows that the app has it.
    confirmed     INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    -- The step of the newest code that was used: neither it nor an older one is good again.
    last_step     INTEGER NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE backup_codes (
    user_id BLOB NOT NULL REFERENCES accounts (user_id),
    mac     BLOB NOT NULL,
    PRIMARY KEY (user_id, mac)
) STRICT, WITHOUT ROWID;

-- Sign-ins that have proved the mailbox and still lack the second factor.
CREATE TABLE half_sign_ins (
    hash       BLOB PRIMARY KEY NOT NULL,
    user_id    BLOB NOT NULL REFERENCES accounts (user_id),
    attempts   INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX half_sign_ins_by_expiry ON half_sign_ins (expires_at);
