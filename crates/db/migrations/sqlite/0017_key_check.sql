-- One row: a value that follows from the keys of the servers that may use this database, so that another's is noticed.
CREATE TABLE key_check (
    id    INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    value BLOB NOT NULL
) STRICT;
