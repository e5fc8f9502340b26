-- Files that are part of a folder: in nobody's list, reached through their folder alone, and ending with it.

-- 1: made to be a member; before its folder appears it is nobody's but its owner's to finish.
ALTER TABLE files ADD COLUMN is_member INTEGER NOT NULL DEFAULT 0 CHECK (is_member IN (0, 1));
-- A file is in one folder. (Nothing was ever written to this table before.)
CREATE UNIQUE INDEX members_once ON members (member_id);
