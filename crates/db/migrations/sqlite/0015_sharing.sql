-- What is done to a file after it was sent: passing it on, who fetched it, and ending every leave at once.

-- Who passed the file on; NULL: its owner gave it. What a recipient's own grant says since they wrapped it again does not change this.
ALTER TABLE grants ADD COLUMN given_by BLOB;
-- Downloads that this person began, and when the last of them did.
ALTER TABLE grants ADD COLUMN downloads INTEGER NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN fetched_at INTEGER;
-- Tickets of an earlier round are void: stopping a file's sharing begins a new one.
ALTER TABLE files ADD COLUMN ticket_round INTEGER NOT NULL DEFAULT 0;
