-- A person who has lost their keys asks for new ones; it takes effect days later, so that whoever holds the old ones can
-- object.
CREATE TABLE key_resets (
    user_id     BLOB PRIMARY KEY NOT NULL REFERENCES accounts (user_id),
    bundle_hash BLOB NOT NULL,
    begun_at    INTEGER NOT NULL,
    due_at      INTEGER NOT NULL
) STRICT;

-- NULL: not erased. Of an erased account the bare row stays, so that the ids of its files are never used again.
ALTER TABLE accounts ADD COLUMN erased_at INTEGER;
