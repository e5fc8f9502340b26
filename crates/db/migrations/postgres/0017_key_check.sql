-- One row: a value that follows from the keys of the servers that may use this database, so that another's is noticed.
CREATE TABLE key_check (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    value BYTEA NOT NULL
);

-- One row while rows of another database are being moved into this one, and where that was cut off: no server uses it then.
CREATE TABLE moving (
    id BIGINT PRIMARY KEY CHECK (id = 1)
);
