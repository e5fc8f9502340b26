-- Places that people without an account may send files into. What the owner says in words is sealed in the description.
CREATE TABLE boxes (
    box_id      BLOB PRIMARY KEY NOT NULL,
    owner       BLOB NOT NULL REFERENCES accounts (user_id),
    description BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    -- NULL: any number.
    max_files   INTEGER,
    -- Octets of the longest sealed body; NULL: what the server takes.
    max_body    INTEGER,
    -- Files that came, whatever became of them.
    arrivals    INTEGER NOT NULL DEFAULT 0,
    closed_at   INTEGER
) STRICT;
CREATE INDEX boxes_by_owner ON boxes (owner, created_at);
CREATE INDEX boxes_by_end ON boxes (expires_at);

-- The box that a file is for, and whose box that is. A file outlives its box.
ALTER TABLE files ADD COLUMN box_id BLOB;
ALTER TABLE files ADD COLUMN box_owner BLOB;
-- What a visitor without an account shows for an upload, hashed; the owner of the box is the owner of such a file.
ALTER TABLE files ADD COLUMN visitor_key BLOB;
CREATE INDEX files_by_box ON files (box_id, state) WHERE box_id IS NOT NULL;
