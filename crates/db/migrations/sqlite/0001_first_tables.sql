-- Times are unix seconds. Ids and hashes are octets. Nothing here is a name, an address or a code in clear.

CREATE TABLE accounts (
    user_id        BLOB PRIMARY KEY NOT NULL,
    lookup         BLOB NOT NULL UNIQUE,
    sealed_address BLOB NOT NULL,
    created_at     INTEGER NOT NULL,
    -- What files and open uploads are charged for; kept in the transactions that change them.
    charged_bytes  INTEGER NOT NULL DEFAULT 0 CHECK (charged_bytes >= 0)
) STRICT;

CREATE TABLE codes (
    lookup         BLOB PRIMARY KEY NOT NULL,
    -- NULL once it was right.
    mac            BLOB,
    expires_at     INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,
    sends          INTEGER NOT NULL,
    window_ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE limit_windows (
    bucket  BLOB PRIMARY KEY NOT NULL,
    hits    INTEGER NOT NULL,
    ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX limit_windows_by_end ON limit_windows (ends_at);

CREATE TABLE sessions (
    sid        BLOB PRIMARY KEY NOT NULL,
    user_id    BLOB NOT NULL REFERENCES accounts (user_id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    hash       BLOB PRIMARY KEY NOT NULL,
    sid        BLOB NOT NULL REFERENCES sessions (sid) ON DELETE CASCADE,
    used       INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (sid);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

CREATE TABLE bundles (
    user_id    BLOB NOT NULL REFERENCES accounts (user_id),
    seq        INTEGER NOT NULL CHECK (seq >= 1),
    hash       BLOB NOT NULL,
    root_id    BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    bundle     BLOB NOT NULL,
    PRIMARY KEY (user_id, seq)
) STRICT;

-- One row per file id ever used: an open upload (0), a living file (1), ended (2), or an expired file of which
-- those who could see it are still told so (3). A row never goes away, so an id is never used again.
CREATE TABLE files (
    file_id         BLOB PRIMARY KEY NOT NULL,
    owner           BLOB NOT NULL REFERENCES accounts (user_id),
    state           INTEGER NOT NULL CHECK (state IN (0, 1, 2, 3)),
    part_len        INTEGER NOT NULL,
    declared_len    INTEGER,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    received_bytes  INTEGER NOT NULL DEFAULT 0,
    received_parts  INTEGER NOT NULL DEFAULT 0,
    stored_bytes    INTEGER NOT NULL DEFAULT 0,
    stored_parts    INTEGER NOT NULL DEFAULT 0,
    charged_bytes   INTEGER NOT NULL DEFAULT 0,
    -- From here on: since the upload was finished.
    finished_at     INTEGER,
    downloads       INTEGER NOT NULL DEFAULT 0,
    max_downloads   INTEGER,
    revision        INTEGER,
    body_len        INTEGER,
    body_root       BLOB,
    content_id      BLOB,
    author_root     BLOB,
    manifest_digest BLOB,
    request_digest  BLOB,
    leaves_blob     TEXT UNIQUE,
    manifest        BLOB
) STRICT;
CREATE INDEX files_by_owner ON files (owner, state, created_at);
CREATE INDEX files_due ON files (expires_at) WHERE state < 2;
CREATE INDEX files_expired ON files (expires_at) WHERE state = 3;

CREATE TABLE parts (
    file_id  BLOB NOT NULL REFERENCES files (file_id),
    n        INTEGER NOT NULL,
    len      INTEGER NOT NULL,
    is_final INTEGER NOT NULL,
    node     BLOB NOT NULL,
    blob     TEXT NOT NULL UNIQUE,
    PRIMARY KEY (file_id, n)
) STRICT;

-- Leaves of open uploads; a finished one has them in a blob.
CREATE TABLE part_leaves (
    file_id BLOB NOT NULL REFERENCES files (file_id),
    n       INTEGER NOT NULL,
    leaves  BLOB NOT NULL,
    PRIMARY KEY (file_id, n)
) STRICT;

CREATE TABLE grants (
    file_id      BLOB NOT NULL REFERENCES files (file_id),
    user_id      BLOB NOT NULL REFERENCES accounts (user_id),
    -- NULL while the upload is open and after the file expired: then it is in nobody's list.
    listed_at    INTEGER,
    recipient_id BLOB NOT NULL,
    bytes        BLOB NOT NULL,
    PRIMARY KEY (file_id, user_id)
) STRICT;
CREATE INDEX grants_listed ON grants (user_id, listed_at, file_id);

CREATE TABLE members (
    bundle_id BLOB NOT NULL REFERENCES files (file_id),
    member_id BLOB NOT NULL REFERENCES files (file_id),
    PRIMARY KEY (member_id, bundle_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_bundle ON members (bundle_id);

CREATE TABLE tickets (
    file_id     BLOB NOT NULL REFERENCES files (file_id),
    user_id     BLOB NOT NULL,
    download_id BLOB NOT NULL,
    first_at    INTEGER NOT NULL,
    PRIMARY KEY (file_id, user_id, download_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tickets_by_time ON tickets (first_at);

CREATE TABLE doomed_blobs (
    blob      TEXT PRIMARY KEY NOT NULL,
    doomed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX doomed_blobs_by_time ON doomed_blobs (doomed_at);

CREATE TABLE leases (
    job        TEXT PRIMARY KEY NOT NULL,
    holder     TEXT NOT NULL,
    token      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
