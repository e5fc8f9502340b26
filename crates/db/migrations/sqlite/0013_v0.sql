-- Files of the documented API (v0). Each has its row in `files`, with a part_len of 0, which no upload can have, so that no
-- native request takes it for its own; and its octets are one part. So it is charged for, expires, is copied and is looked
-- after like every other.
CREATE TABLE v0_files (
    file_id     BLOB PRIMARY KEY NOT NULL REFERENCES files (file_id),
    -- Sealed by the server: what it is called; nonce, wrapped key and metadata. Empty once the file has expired.
    sealed_name BLOB NOT NULL,
    sealed      BLOB NOT NULL
) STRICT;

-- Who may fetch it besides its owner: addresses by their keyed hash, whether or not they have an account yet.
CREATE TABLE v0_readers (
    file_id BLOB NOT NULL REFERENCES v0_files (file_id) ON DELETE CASCADE,
    lookup  BLOB NOT NULL,
    PRIMARY KEY (file_id, lookup)
) STRICT, WITHOUT ROWID;
CREATE INDEX v0_readers_by_lookup ON v0_readers (lookup);
