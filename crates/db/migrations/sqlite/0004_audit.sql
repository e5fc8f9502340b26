-- The audit log. Personal fields are sealed under a key of their person; the chain covers the sealed form.

-- In the order in which things happened; a number is never given twice.
CREATE TABLE audit_events (
    n       INTEGER PRIMARY KEY AUTOINCREMENT CHECK (n >= 1),
    id      BLOB NOT NULL UNIQUE,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    actor   BLOB NOT NULL,
    owner   BLOB,
    file_id BLOB,
    other   BLOB,
    sealed  BLOB NOT NULL
) STRICT;
CREATE INDEX audit_events_by_actor ON audit_events (actor, n);
CREATE INDEX audit_events_by_owner ON audit_events (owner, n) WHERE owner IS NOT NULL AND owner <> actor;

-- The hash chain. A batch holds the events above the last of the batch before it, up to its own last.
CREATE TABLE audit_batches (
    seq       INTEGER PRIMARY KEY NOT NULL CHECK (seq >= 1),
    last_n    INTEGER NOT NULL UNIQUE,
    count     INTEGER NOT NULL CHECK (count >= 1),
    last_time INTEGER NOT NULL,
    digest    BLOB NOT NULL,
    head      BLOB NOT NULL,
    signature BLOB NOT NULL,
    -- 32 octets an event, so that a check can name the row that was changed.
    leaves    BLOB NOT NULL
) STRICT;

-- Nothing in this program changes the log; a mistake that would is stopped here.
CREATE TRIGGER audit_events_stay BEFORE DELETE ON audit_events
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_events_are_final BEFORE UPDATE ON audit_events
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_batches_stay BEFORE DELETE ON audit_batches
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_batches_are_final BEFORE UPDATE ON audit_batches
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;

-- Erasure deletes the key; what it sealed stays in the log and can be read by nobody.
CREATE TABLE audit_keys (
    user_id BLOB PRIMARY KEY NOT NULL,
    sealed  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What recipients signed when they first opened a file; forgotten with the file.
CREATE TABLE receipts (
    file_id   BLOB NOT NULL REFERENCES files (file_id),
    user_id   BLOB NOT NULL,
    opened    INTEGER NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (file_id, user_id)
) STRICT, WITHOUT ROWID;
