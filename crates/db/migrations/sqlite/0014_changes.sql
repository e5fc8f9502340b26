-- What changed in whose list, in order. One row for each file of each person: a later change takes the place of the
-- earlier one, under a higher number, and no number is ever given twice. Triggers keep it, so that no statement can forget it.
CREATE TABLE changes (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id BLOB NOT NULL,
    file_id BLOB NOT NULL,
    -- NULL while the file is in the list; 0 once it has left it, until the purge notes when.
    gone_at INTEGER
) STRICT;
CREATE UNIQUE INDEX changes_by_file ON changes (user_id, file_id);
CREATE INDEX changes_by_user ON changes (user_id, seq);
CREATE INDEX changes_gone ON changes (gone_at) WHERE gone_at IS NOT NULL;

INSERT INTO changes (user_id, file_id)
SELECT user_id, file_id FROM grants WHERE listed_at IS NOT NULL ORDER BY listed_at, file_id;

CREATE TRIGGER changes_shared AFTER INSERT ON grants WHEN NEW.listed_at IS NOT NULL
BEGIN
    DELETE FROM changes WHERE user_id = NEW.user_id AND file_id = NEW.file_id;
    INSERT INTO changes (user_id, file_id) VALUES (NEW.user_id, NEW.file_id);
END;

CREATE TRIGGER changes_granted AFTER UPDATE ON grants WHEN NEW.listed_at IS NOT NULL
BEGIN
    DELETE FROM changes WHERE user_id = NEW.user_id AND file_id = NEW.file_id;
    INSERT INTO changes (user_id, file_id) VALUES (NEW.user_id, NEW.file_id);
END;

CREATE TRIGGER changes_ended AFTER UPDATE ON grants WHEN NEW.listed_at IS NULL AND OLD.listed_at IS NOT NULL
BEGIN
    DELETE FROM changes WHERE user_id = OLD.user_id AND file_id = OLD.file_id;
    INSERT INTO changes (user_id, file_id, gone_at) VALUES (OLD.user_id, OLD.file_id, 0);
END;

CREATE TRIGGER changes_withdrawn AFTER DELETE ON grants WHEN OLD.listed_at IS NOT NULL
BEGIN
    DELETE FROM changes WHERE user_id = OLD.user_id AND file_id = OLD.file_id;
    INSERT INTO changes (user_id, file_id, gone_at) VALUES (OLD.user_id, OLD.file_id, 0);
END;

-- A new revision, another end, another limit: for everybody who has the file.
CREATE TRIGGER changes_of_file AFTER UPDATE OF manifest, expires_at, max_downloads ON files
WHEN OLD.state = 1 AND NEW.state = 1
BEGIN
    DELETE FROM changes WHERE file_id = NEW.file_id
        AND user_id IN (SELECT user_id FROM grants WHERE file_id = NEW.file_id AND listed_at IS NOT NULL);
    INSERT INTO changes (user_id, file_id)
        SELECT user_id, file_id FROM grants WHERE file_id = NEW.file_id AND listed_at IS NOT NULL;
END;

-- A download: for its author; for the others only where a limit makes it matter, and bounds how often this happens.
CREATE TRIGGER changes_of_downloads AFTER UPDATE OF downloads ON files
WHEN OLD.state = 1 AND NEW.state = 1 AND NEW.downloads <> OLD.downloads
BEGIN
    DELETE FROM changes WHERE file_id = NEW.file_id AND user_id IN (
        SELECT user_id FROM grants WHERE file_id = NEW.file_id AND listed_at IS NOT NULL
            AND (user_id = NEW.owner OR NEW.max_downloads IS NOT NULL));
    INSERT INTO changes (user_id, file_id)
        SELECT user_id, file_id FROM grants WHERE file_id = NEW.file_id AND listed_at IS NOT NULL
            AND (user_id = NEW.owner OR NEW.max_downloads IS NOT NULL);
END;
