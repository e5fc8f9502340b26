-- One row: since when this database knows every blob. Older blobs that no row names may belong to another database, and stay. One
-- that was there before this table knows them since its first account.
CREATE TABLE birth (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    at BIGINT NOT NULL
);
INSERT INTO birth (id, at) SELECT 1, created_at FROM accounts ORDER BY created_at LIMIT 1;
