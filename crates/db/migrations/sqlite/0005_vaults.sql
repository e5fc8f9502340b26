-- Key files that people keep at the server, sealed on their devices. NULL once removed: the number stays, so that no
-- older one comes back.
CREATE TABLE vaults (
    user_id   BLOB PRIMARY KEY NOT NULL REFERENCES accounts (user_id),
    version   INTEGER NOT NULL,
    vault     BLOB,
    stored_at INTEGER NOT NULL
) STRICT;
