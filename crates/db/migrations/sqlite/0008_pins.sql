-- The record of pins that a person's devices share, sealed on them.
CREATE TABLE pin_records (
    user_id   BLOB PRIMARY KEY NOT NULL REFERENCES accounts (user_id),
    version   INTEGER NOT NULL CHECK (version >= 1),
    record    BLOB NOT NULL,
    stored_at INTEGER NOT NULL
) STRICT;
