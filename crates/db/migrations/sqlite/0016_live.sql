-- What people are told of while they watch, and letters that wait. Triggers keep both, so that no statement can forget it
-- and what is told is committed with what happened.

-- In order; a number is never given twice. Ids alone. Kinds: 1 a file came into the list of the person, 2 changed there,
-- 3 left it; 4 an event of the audit log that concerns them; 5 a session of theirs ended (told to nobody, it wakes servers).
CREATE TABLE happenings (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id  BLOB NOT NULL,
    kind     INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 5),
    -- Of kind 4: the kind of the event.
    what     TEXT,
    file_id  BLOB,
    -- The triggers know no time; NULL until the next tidying dates it.
    noted_at INTEGER
) STRICT;
CREATE INDEX happenings_by_user ON happenings (user_id, seq);
CREATE INDEX happenings_by_time ON happenings (noted_at);

CREATE TRIGGER happenings_given AFTER INSERT ON grants WHEN NEW.listed_at IS NOT NULL
BEGIN
    INSERT INTO happenings (user_id, kind, file_id) VALUES (NEW.user_id, 1, NEW.file_id);
END;
CREATE TRIGGER happenings_granted AFTER UPDATE ON grants WHEN NEW.listed_at IS NOT NULL
BEGIN
    INSERT INTO happenings (user_id, kind, file_id)
        VALUES (NEW.user_id, CASE WHEN OLD.listed_at IS NULL THEN 1 ELSE 2 END, NEW.file_id);
END;
CREATE TRIGGER happenings_ended AFTER UPDATE ON grants WHEN NEW.listed_at IS NULL AND OLD.listed_at IS NOT NULL
BEGIN
    INSERT INTO happenings (user_id, kind, file_id) VALUES (OLD.user_id, 3, OLD.file_id);
END;
CREATE TRIGGER happenings_withdrawn AFTER DELETE ON grants WHEN OLD.listed_at IS NOT NULL
BEGIN
    INSERT INTO happenings (user_id, kind, file_id) VALUES (OLD.user_id, 3, OLD.file_id);
END;
CREATE TRIGGER happenings_of_file AFTER UPDATE OF manifest, expires_at, max_downloads ON files
WHEN OLD.state = 1 AND NEW.state = 1
BEGIN
    INSERT INTO happenings (user_id, kind, file_id)
        SELECT user_id, 2, file_id FROM grants WHERE file_id = NEW.file_id AND listed_at IS NOT NULL;
END;
CREATE TRIGGER happenings_of_log AFTER INSERT ON audit_events
BEGIN
    INSERT INTO happenings (user_id, kind, what, file_id) VALUES (NEW.actor, 4, NEW.kind, NEW.file_id);
    INSERT INTO happenings (user_id, kind, what, file_id)
        SELECT NEW.owner, 4, NEW.kind, NEW.file_id WHERE NEW.owner IS NOT NULL AND NEW.owner <> NEW.actor;
END;
CREATE TRIGGER happenings_of_sessions AFTER DELETE ON sessions
BEGIN
    INSERT INTO happenings (user_id, kind) VALUES (OLD.user_id, 5);
END;

-- Letters about files that others shared. Whoever has no row wants them and has none waiting.
CREATE TABLE notices (
    user_id       BLOB PRIMARY KEY NOT NULL,
    is_off        INTEGER NOT NULL DEFAULT 0 CHECK (is_off IN (0, 1)),
    -- When the first of what waits happened; NULL: nothing waits.
    waiting_since INTEGER,
    -- What waits: whether a file was shared, whether one came into a drop box.
    shared        INTEGER NOT NULL DEFAULT 0,
    arrived       INTEGER NOT NULL DEFAULT 0,
    -- When the last letter was claimed by a server.
    told_at       INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_waiting ON notices (waiting_since) WHERE waiting_since IS NOT NULL;

CREATE TRIGGER notices_of_shares AFTER INSERT ON audit_events
WHEN NEW.kind = 'file_shared' AND NEW.other IS NOT NULL AND NEW.other <> NEW.actor
BEGIN
    INSERT INTO notices (user_id, waiting_since, shared) VALUES (NEW.other, NEW.at, 1)
    ON CONFLICT (user_id) DO UPDATE SET waiting_since = COALESCE(waiting_since, excluded.waiting_since), shared = 1
        WHERE is_off = 0;
END;
CREATE TRIGGER notices_of_arrivals AFTER INSERT ON audit_events
WHEN NEW.kind = 'box_arrival' AND NEW.owner IS NOT NULL
BEGIN
    INSERT INTO notices (user_id, waiting_since, arrived) VALUES (NEW.owner, NEW.at, 1)
    ON CONFLICT (user_id) DO UPDATE SET waiting_since = COALESCE(waiting_since, excluded.waiting_since), arrived = 1
        WHERE is_off = 0;
END;
