-- The same tables as SQLite's after its migration 16, table by table and column by column; what they are is said there.
-- Here are the words of this engine, and what it does otherwise.

-- Numbers of rows that are read on from a number, in the order of commits and without a hole: whoever takes one holds the
-- row here until the transaction ends. A sequence would not do: its numbers become visible in any order, and a reader
-- who goes on behind the highest would never see what is committed later under a lower one.
CREATE TABLE numbers (
    name TEXT COLLATE "C" PRIMARY KEY,
    last BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO numbers (name, last) VALUES ('audit_events', 0), ('changes', 0), ('happenings', 0);

CREATE FUNCTION next_number(which TEXT) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
    taken BIGINT;
BEGIN
    UPDATE numbers SET last = last + 1 WHERE name = which RETURNING last INTO STRICT taken;
    RETURN taken;
END $$;

CREATE TABLE accounts (
    user_id        BYTEA PRIMARY KEY,
    lookup         BYTEA NOT NULL UNIQUE,
    sealed_address BYTEA NOT NULL,
    created_at     BIGINT NOT NULL,
    -- What files and open uploads are charged for; kept in the transactions that change them.
    charged_bytes  BIGINT NOT NULL DEFAULT 0 CHECK (charged_bytes >= 0),
    suspended_at BIGINT,
    quota_bytes BIGINT CHECK (quota_bytes >= 0),
    erased_at BIGINT
);

CREATE TABLE codes (
    lookup         BYTEA PRIMARY KEY,
    -- NULL once it was right.
    mac            BYTEA,
    expires_at     BIGINT NOT NULL,
    attempts       BIGINT NOT NULL,
    sends          BIGINT NOT NULL,
    window_ends_at BIGINT NOT NULL
);

CREATE TABLE limit_windows (
    bucket  BYTEA PRIMARY KEY,
    hits    BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);
CREATE INDEX limit_windows_by_end ON limit_windows (ends_at);

CREATE TABLE sessions (
    sid        BYTEA PRIMARY KEY,
    user_id    BYTEA NOT NULL REFERENCES accounts (user_id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL DEFAULT 0,
    client TEXT COLLATE "C" NOT NULL DEFAULT '',
    strong BIGINT NOT NULL DEFAULT 0 CHECK (strong IN (0, 1))
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    hash       BYTEA PRIMARY KEY,
    sid        BYTEA NOT NULL REFERENCES sessions (sid) ON DELETE CASCADE,
    used       BIGINT NOT NULL DEFAULT 0,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (sid);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

CREATE TABLE bundles (
    user_id    BYTEA NOT NULL REFERENCES accounts (user_id),
    seq        BIGINT NOT NULL CHECK (seq >= 1),
    hash       BYTEA NOT NULL,
    root_id    BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    bundle     BYTEA NOT NULL,
    PRIMARY KEY (user_id, seq)
);

CREATE TABLE files (
    file_id         BYTEA PRIMARY KEY,
    owner           BYTEA NOT NULL REFERENCES accounts (user_id),
    state           BIGINT NOT NULL CHECK (state IN (0, 1, 2, 3)),
    part_len        BIGINT NOT NULL,
    declared_len    BIGINT,
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    received_bytes  BIGINT NOT NULL DEFAULT 0,
    received_parts  BIGINT NOT NULL DEFAULT 0,
    stored_bytes    BIGINT NOT NULL DEFAULT 0,
    stored_parts    BIGINT NOT NULL DEFAULT 0,
    charged_bytes   BIGINT NOT NULL DEFAULT 0,
    -- From here on: since the upload was finished.
    finished_at     BIGINT,
    downloads       BIGINT NOT NULL DEFAULT 0,
    max_downloads   BIGINT,
    revision        BIGINT,
    body_len        BIGINT,
    body_root       BYTEA,
    content_id      BYTEA,
    author_root     BYTEA,
    manifest_digest BYTEA,
    request_digest  BYTEA,
    leaves_blob     TEXT COLLATE "C" UNIQUE,
    manifest        BYTEA,
    box_id BYTEA,
    box_owner BYTEA,
    visitor_key BYTEA,
    is_member BIGINT NOT NULL DEFAULT 0 CHECK (is_member IN (0, 1)),
    ticket_round BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX files_by_owner ON files (owner, state, created_at);
CREATE INDEX files_due ON files (expires_at) WHERE state < 2;
CREATE INDEX files_expired ON files (expires_at) WHERE state = 3;

CREATE TABLE parts (
    file_id  BYTEA NOT NULL REFERENCES files (file_id),
    n        BIGINT NOT NULL,
    len      BIGINT NOT NULL,
    is_final BIGINT NOT NULL,
    node     BYTEA NOT NULL,
    blob     TEXT COLLATE "C" NOT NULL UNIQUE,
    PRIMARY KEY (file_id, n)
);

CREATE TABLE part_leaves (
    file_id BYTEA NOT NULL REFERENCES files (file_id),
    n       BIGINT NOT NULL,
    leaves  BYTEA NOT NULL,
    PRIMARY KEY (file_id, n)
);

CREATE TABLE grants (
    file_id      BYTEA NOT NULL REFERENCES files (file_id),
    user_id      BYTEA NOT NULL REFERENCES accounts (user_id),
    -- NULL while the upload is open and after the file expired: then it is in nobody's list.
    listed_at    BIGINT,
    recipient_id BYTEA NOT NULL,
    bytes        BYTEA NOT NULL,
    given_by BYTEA,
    downloads BIGINT NOT NULL DEFAULT 0,
    fetched_at BIGINT,
    PRIMARY KEY (file_id, user_id)
);
CREATE INDEX grants_listed ON grants (user_id, listed_at, file_id);

CREATE TABLE members (
    bundle_id BYTEA NOT NULL REFERENCES files (file_id),
    member_id BYTEA NOT NULL REFERENCES files (file_id),
    PRIMARY KEY (member_id, bundle_id)
);
CREATE INDEX members_by_bundle ON members (bundle_id);

CREATE TABLE tickets (
    file_id     BYTEA NOT NULL REFERENCES files (file_id),
    user_id     BYTEA NOT NULL,
    download_id BYTEA NOT NULL,
    first_at    BIGINT NOT NULL,
    PRIMARY KEY (file_id, user_id, download_id)
);
CREATE INDEX tickets_by_time ON tickets (first_at);

CREATE TABLE doomed_blobs (
    blob      TEXT COLLATE "C" PRIMARY KEY,
    doomed_at BIGINT NOT NULL
);
CREATE INDEX doomed_blobs_by_time ON doomed_blobs (doomed_at);

CREATE TABLE leases (
    job        TEXT COLLATE "C" PRIMARY KEY,
    holder     TEXT COLLATE "C" NOT NULL,
    token      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE key_grants (
    file_id      BYTEA NOT NULL REFERENCES files (file_id),
    recipient_id BYTEA NOT NULL,
    -- Empty after the file expired: then it is only known that there was one.
    bytes        BYTEA NOT NULL,
    PRIMARY KEY (file_id, recipient_id)
);

CREATE TABLE totp (
    user_id       BYTEA PRIMARY KEY REFERENCES accounts (user_id),
    sealed_secret BYTEA NOT NULL,
    -- 0 until a first right code shows that the app has it.
    confirmed     BIGINT NOT NULL CHECK (confirmed IN (0, 1)),
    -- The step of the newest code that was used: neither it nor an older one is good again.
    last_step     BIGINT NOT NULL DEFAULT 0,
    created_at    BIGINT NOT NULL
);

CREATE TABLE backup_codes (
    user_id BYTEA NOT NULL REFERENCES accounts (user_id),
    mac     BYTEA NOT NULL,
    PRIMARY KEY (user_id, mac)
);

CREATE TABLE half_sign_ins (
    hash       BYTEA PRIMARY KEY,
    user_id    BYTEA NOT NULL REFERENCES accounts (user_id),
    attempts   BIGINT NOT NULL DEFAULT 0,
    expires_at BIGINT NOT NULL
);
CREATE INDEX half_sign_ins_by_expiry ON half_sign_ins (expires_at);

CREATE TABLE audit_events (
    n       BIGINT PRIMARY KEY DEFAULT next_number('audit_events') CHECK (n >= 1),
    id      BYTEA NOT NULL UNIQUE,
    at      BIGINT NOT NULL,
    kind    TEXT COLLATE "C" NOT NULL,
    actor   BYTEA NOT NULL,
    owner   BYTEA,
    file_id BYTEA,
    other   BYTEA,
    sealed  BYTEA NOT NULL
);
CREATE INDEX audit_events_by_actor ON audit_events (actor, n);
CREATE INDEX audit_events_by_owner ON audit_events (owner, n) WHERE owner IS NOT NULL AND owner <> actor;

CREATE TABLE audit_batches (
    seq       BIGINT PRIMARY KEY CHECK (seq >= 1),
    last_n    BIGINT NOT NULL UNIQUE,
    count     BIGINT NOT NULL CHECK (count >= 1),
    last_time BIGINT NOT NULL,
    digest    BYTEA NOT NULL,
    head      BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    -- 32 octets an event, so that a check can name the row that was changed.
    leaves    BYTEA NOT NULL
);

CREATE TABLE audit_keys (
    user_id BYTEA PRIMARY KEY,
    sealed  BYTEA NOT NULL
);

CREATE TABLE receipts (
    file_id   BYTEA NOT NULL REFERENCES files (file_id),
    user_id   BYTEA NOT NULL,
    opened    BIGINT NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (file_id, user_id)
);

CREATE TABLE vaults (
    user_id   BYTEA PRIMARY KEY REFERENCES accounts (user_id),
    version   BIGINT NOT NULL,
    vault     BYTEA,
    stored_at BIGINT NOT NULL
);

CREATE TABLE invitations (
    lookup         BYTEA PRIMARY KEY,
    sealed_address BYTEA NOT NULL,
    invited_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL
);
CREATE INDEX invitations_by_expiry ON invitations (expires_at);

CREATE TABLE passkeys (
    passkey_id   BYTEA PRIMARY KEY,
    user_id      BYTEA NOT NULL REFERENCES accounts (user_id) ON DELETE CASCADE,
    -- A keyed hash of the credential's id: no authenticator belongs to two people.
    credential   BYTEA NOT NULL UNIQUE,
    sealed       BYTEA NOT NULL,
    sealed_name  BYTEA NOT NULL,
    -- What the authenticator counted when it was last shown; 0 before, and for one that does not count.
    counter      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX passkeys_by_user ON passkeys (user_id);

CREATE TABLE ceremonies (
    hash       BYTEA PRIMARY KEY,
    sealed     BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX ceremonies_by_expiry ON ceremonies (expires_at);

CREATE TABLE pin_records (
    user_id   BYTEA PRIMARY KEY REFERENCES accounts (user_id),
    version   BIGINT NOT NULL CHECK (version >= 1),
    record    BYTEA NOT NULL,
    stored_at BIGINT NOT NULL
);

CREATE TABLE key_resets (
    user_id     BYTEA PRIMARY KEY REFERENCES accounts (user_id),
    bundle_hash BYTEA NOT NULL,
    begun_at    BIGINT NOT NULL,
    due_at      BIGINT NOT NULL
);

CREATE TABLE links (
    link_id       BYTEA PRIMARY KEY,
    file_id       BYTEA NOT NULL REFERENCES files (file_id),
    -- Proofs are checked by it.
    public_key    BYTEA NOT NULL,
    bytes         BYTEA NOT NULL,
    created_at    BIGINT NOT NULL,
    -- NULL: as long as the file.
    expires_at    BIGINT,
    -- NULL: no limit of its own.
    max_downloads BIGINT,
    downloads     BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX links_by_file ON links (file_id);

CREATE TABLE link_downloads (
    link_id     BYTEA NOT NULL REFERENCES links (link_id) ON DELETE CASCADE,
    download_id BYTEA NOT NULL,
    first_at    BIGINT NOT NULL,
    PRIMARY KEY (link_id, download_id)
);
CREATE INDEX link_downloads_by_time ON link_downloads (first_at);

CREATE TABLE link_nonces (
    nonce   BYTEA PRIMARY KEY,
    ends_at BIGINT NOT NULL
);
CREATE INDEX link_nonces_by_end ON link_nonces (ends_at);

CREATE TABLE link_guesses (
    bucket   BYTEA PRIMARY KEY,
    failures BIGINT NOT NULL,
    next_at  BIGINT NOT NULL,
    ends_at  BIGINT NOT NULL
);
CREATE INDEX link_guesses_by_end ON link_guesses (ends_at);

CREATE TABLE boxes (
    box_id      BYTEA PRIMARY KEY,
    owner       BYTEA NOT NULL REFERENCES accounts (user_id),
    description BYTEA NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    -- NULL: any number.
    max_files   BIGINT,
    -- Octets of the longest sealed body; NULL: what the server takes.
    max_body    BIGINT,
    -- Files that came, whatever became of them.
    arrivals    BIGINT NOT NULL DEFAULT 0,
    closed_at   BIGINT
);
CREATE INDEX boxes_by_owner ON boxes (owner, created_at);
CREATE INDEX boxes_by_end ON boxes (expires_at);
CREATE INDEX files_by_box ON files (box_id, state) WHERE box_id IS NOT NULL;
CREATE UNIQUE INDEX members_once ON members (member_id);

CREATE TABLE v0_files (
    file_id     BYTEA PRIMARY KEY REFERENCES files (file_id),
    -- Sealed by the server: what it is called; nonce, wrapped key and metadata. Empty once the file has expired.
    sealed_name BYTEA NOT NULL,
    sealed      BYTEA NOT NULL
);

CREATE TABLE v0_readers (
    file_id BYTEA NOT NULL REFERENCES v0_files (file_id) ON DELETE CASCADE,
    lookup  BYTEA NOT NULL,
    PRIMARY KEY (file_id, lookup)
);
CREATE INDEX v0_readers_by_lookup ON v0_readers (lookup);

CREATE TABLE changes (
    seq     BIGINT PRIMARY KEY DEFAULT next_number('changes'),
    user_id BYTEA NOT NULL,
    file_id BYTEA NOT NULL,
    -- NULL while the file is in the list; 0 once it has left it, until the purge notes when.
    gone_at BIGINT
);
CREATE UNIQUE INDEX changes_by_file ON changes (user_id, file_id);
CREATE INDEX changes_by_user ON changes (user_id, seq);
CREATE INDEX changes_gone ON changes (gone_at) WHERE gone_at IS NOT NULL;

CREATE TABLE happenings (
    seq      BIGINT PRIMARY KEY DEFAULT next_number('happenings'),
    user_id  BYTEA NOT NULL,
    kind     BIGINT NOT NULL CHECK (kind BETWEEN 1 AND 5),
    -- Of kind 4: the kind of the event.
    what     TEXT COLLATE "C",
    file_id  BYTEA,
    -- The triggers know no time; NULL until the next tidying dates it.
    noted_at BIGINT
);
CREATE INDEX happenings_by_user ON happenings (user_id, seq);
CREATE INDEX happenings_by_time ON happenings (noted_at);

CREATE TABLE notices (
    user_id       BYTEA PRIMARY KEY,
    is_off        BIGINT NOT NULL DEFAULT 0 CHECK (is_off IN (0, 1)),
    -- When the first of what waits happened; NULL: nothing waits.
    waiting_since BIGINT,
    -- What waits: whether a file was shared, whether one came into a drop box.
    shared        BIGINT NOT NULL DEFAULT 0,
    arrived       BIGINT NOT NULL DEFAULT 0,
    -- When the last letter was claimed by a server.
    told_at       BIGINT
);
CREATE INDEX notices_waiting ON notices (waiting_since) WHERE waiting_since IS NOT NULL;

-- Nothing in this program changes the log; a mistake that would is stopped here.
CREATE FUNCTION only_grows() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows';
END $$;
CREATE TRIGGER audit_events_stay BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION only_grows();
CREATE TRIGGER audit_events_remain BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION only_grows();
CREATE TRIGGER audit_batches_stay BEFORE UPDATE OR DELETE ON audit_batches
    FOR EACH ROW EXECUTE FUNCTION only_grows();
CREATE TRIGGER audit_batches_remain BEFORE TRUNCATE ON audit_batches
    FOR EACH STATEMENT EXECUTE FUNCTION only_grows();

-- A file came into the list of a person, or changed there.
CREATE FUNCTION note_listed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM changes WHERE user_id = NEW.user_id AND file_id = NEW.file_id;
    INSERT INTO changes (user_id, file_id) VALUES (NEW.user_id, NEW.file_id);
    INSERT INTO happenings (user_id, kind, file_id) VALUES (NEW.user_id,
        CASE WHEN TG_OP = 'UPDATE' AND OLD.listed_at IS NOT NULL THEN 2 ELSE 1 END, NEW.file_id);
    RETURN NULL;
END $$;
CREATE TRIGGER lists_given AFTER INSERT ON grants
    FOR EACH ROW WHEN (NEW.listed_at IS NOT NULL) EXECUTE FUNCTION note_listed();
CREATE TRIGGER lists_granted AFTER UPDATE ON grants
    FOR EACH ROW WHEN (NEW.listed_at IS NOT NULL) EXECUTE FUNCTION note_listed();

-- It left that list.
CREATE FUNCTION note_gone() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM changes WHERE user_id = OLD.user_id AND file_id = OLD.file_id;
    INSERT INTO changes (user_id, file_id, gone_at) VALUES (OLD.user_id, OLD.file_id, 0);
    INSERT INTO happenings (user_id, kind, file_id) VALUES (OLD.user_id, 3, OLD.file_id);
    RETURN NULL;
END $$;
CREATE TRIGGER lists_ended AFTER UPDATE ON grants
    FOR EACH ROW WHEN (NEW.listed_at IS NULL AND OLD.listed_at IS NOT NULL) EXECUTE FUNCTION note_gone();
CREATE TRIGGER lists_withdrawn AFTER DELETE ON grants
    FOR EACH ROW WHEN (OLD.listed_at IS NOT NULL) EXECUTE FUNCTION note_gone();

-- A new revision, another end, another limit: for everybody who has the file.
CREATE FUNCTION note_file() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM changes WHERE file_id = NEW.file_id
        AND user_id IN (SELECT user_id FROM grants WHERE file_id = NEW.file_id AND listed_at IS NOT NULL);
    INSERT INTO changes (user_id, file_id)
        SELECT user_id, file_id FROM grants WHERE file_id = NEW.file_id AND listed_at IS NOT NULL;
    INSERT INTO happenings (user_id, kind, file_id)
        SELECT user_id, 2, file_id FROM grants WHERE file_id = NEW.file_id AND listed_at IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER lists_of_file AFTER UPDATE OF manifest, expires_at, max_downloads ON files
    FOR EACH ROW WHEN (OLD.state = 1 AND NEW.state = 1) EXECUTE FUNCTION note_file();

-- A download: for its author; for the others only where a limit makes it matter, and bounds how often this happens.
CREATE FUNCTION note_downloads() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM changes WHERE file_id = NEW.file_id AND user_id IN (
        SELECT user_id FROM grants WHERE file_id = NEW.file_id AND listed_at IS NOT NULL
            AND (user_id = NEW.owner OR NEW.max_downloads IS NOT NULL));
    INSERT INTO changes (user_id, file_id)
        SELECT user_id, file_id FROM grants WHERE file_id = NEW.file_id AND listed_at IS NOT NULL
            AND (user_id = NEW.owner OR NEW.max_downloads IS NOT NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER lists_of_downloads AFTER UPDATE OF downloads ON files
    FOR EACH ROW WHEN (OLD.state = 1 AND NEW.state = 1 AND NEW.downloads <> OLD.downloads)
    EXECUTE FUNCTION note_downloads();

-- What is told of the log, and letters that begin to wait.
CREATE FUNCTION note_event() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO happenings (user_id, kind, what, file_id) VALUES (NEW.actor, 4, NEW.kind, NEW.file_id);
    IF NEW.owner <> NEW.actor THEN
        INSERT INTO happenings (user_id, kind, what, file_id) VALUES (NEW.owner, 4, NEW.kind, NEW.file_id);
    END IF;
    IF NEW.kind = 'file_shared' AND NEW.other <> NEW.actor THEN
        INSERT INTO notices (user_id, waiting_since, shared) VALUES (NEW.other, NEW.at, 1)
        ON CONFLICT (user_id) DO UPDATE SET shared = 1,
            waiting_since = COALESCE(notices.waiting_since, excluded.waiting_since) WHERE notices.is_off = 0;
    END IF;
    IF NEW.kind = 'box_arrival' AND NEW.owner IS NOT NULL THEN
        INSERT INTO notices (user_id, waiting_since, arrived) VALUES (NEW.owner, NEW.at, 1)
        ON CONFLICT (user_id) DO UPDATE SET arrived = 1,
            waiting_since = COALESCE(notices.waiting_since, excluded.waiting_since) WHERE notices.is_off = 0;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER happenings_of_log AFTER INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION note_event();

CREATE FUNCTION note_session() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO happenings (user_id, kind) VALUES (OLD.user_id, 5);
    RETURN NULL;
END $$;
CREATE TRIGGER happenings_of_sessions AFTER DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION note_session();
