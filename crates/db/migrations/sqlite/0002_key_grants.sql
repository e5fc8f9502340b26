-- Grants for bare keys: of nobody's account, and in nobody's list. Who names file id and recipient id may fetch.
CREATE TABLE key_grants (
    file_id      BLOB NOT NULL REFERENCES files (file_id),
    recipient_id BLOB NOT NULL,
    -- Empty after the file expired: then it is only known that there was one.
    bytes        BLOB NOT NULL,
    PRIMARY KEY (file_id, recipient_id)
) STRICT;
