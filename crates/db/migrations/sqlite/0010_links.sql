-- Ways in for whoever has a secret that the server never sees: what is kept opens nothing and cannot be guessed against
-- without that secret.
CREATE TABLE links (
    link_id       BLOB PRIMARY KEY NOT NULL,
    file_id       BLOB NOT NULL REFERENCES files (file_id),
    -- Proofs are checked by it.
    public_key    BLOB NOT NULL,
    bytes         BLOB NOT NULL,
    created_at    INTEGER NOT NULL,
    -- NULL: as long as the file.
    expires_at    INTEGER,
    -- NULL: no limit of its own.
    max_downloads INTEGER,
    downloads     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX links_by_file ON links (file_id);

CREATE TABLE link_downloads (
    link_id     BLOB NOT NULL REFERENCES links (link_id) ON DELETE CASCADE,
    download_id BLOB NOT NULL,
    first_at    INTEGER NOT NULL,
    PRIMARY KEY (link_id, download_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_downloads_by_time ON link_downloads (first_at);

-- Nonces that were used, until their time would have ended anyway.
CREATE TABLE link_nonces (
    nonce   BLOB PRIMARY KEY NOT NULL,
    ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX link_nonces_by_end ON link_nonces (ends_at);

-- Wrong proofs, by a keyed hash of the link id; the same for links that there are not.
CREATE TABLE link_guesses (
    bucket   BLOB PRIMARY KEY NOT NULL,
    failures INTEGER NOT NULL,
    next_at  INTEGER NOT NULL,
    ends_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX link_guesses_by_end ON link_guesses (ends_at);
