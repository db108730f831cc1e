-- Each migration that was applied; the highest version is the schema's.
CREATE TABLE omemo_schema (
    version INTEGER PRIMARY KEY,
    applied_at INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

-- A table with rowids: the index then holds the names alone, which makes it half as deep to search and to write.
CREATE TABLE omemo_record (
    account TEXT NOT NULL,
    partition TEXT NOT NULL,
    item TEXT NOT NULL,
    revision BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (account, partition, item)
) STRICT;

-- The ids of commits, to answer those that are sent again.
CREATE TABLE omemo_commit (
    account TEXT NOT NULL,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;

-- A commit is one INSERT into this view: one statement, and therefore one transaction that nobody can leave open.
-- It begins with the write lock, so that nothing can change between the expectations and the writes.
--
-- `expected`, `put` and `deleted` are JSON objects (or NULL) with an entry for each record. Its key is the partition;
-- its value begins with fields of fixed width and ends with the item:
--
--   expected  32 characters: the revision in hex, or anything else where there must be no record
--   put       10 characters: where in `bytes` the value begins, counted from 1; 7 characters: its length
--   deleted   nothing
CREATE VIEW omemo_batch (account, id, expected, put, deleted, bytes) AS
SELECT NULL, NULL, NULL, NULL, NULL, NULL WHERE FALSE;

CREATE TRIGGER omemo_batch_apply INSTEAD OF INSERT ON omemo_batch
WHEN NOT EXISTS (SELECT 1 FROM omemo_commit WHERE account = NEW.account AND id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'omemo: conflict')
    FROM json_each(NEW.expected) AS expected
    LEFT JOIN omemo_record AS record
        ON record.account = NEW.account
        AND record.partition = expected.key
        AND record.item = substr(expected.value, 33)
    WHERE record.revision IS NOT unhex(substr(expected.value, 1, 32));

    INSERT INTO omemo_record (account, partition, item, revision, value)
    SELECT NEW.account, put.key, substr(put.value, 18), NEW.id,
        -- Of no bytes at all, a part is NULL.
        ifnull(substr(NEW.bytes, substr(put.value, 1, 10), substr(put.value, 11, 7)), x'')
    FROM json_each(NEW.put) AS put
    WHERE TRUE
    ON CONFLICT DO UPDATE SET revision = excluded.revision, value = excluded.value;

    DELETE FROM omemo_record
    WHERE rowid IN (
        SELECT record.rowid
        FROM json_each(NEW.deleted) AS deleted
        CROSS JOIN omemo_record AS record
            ON record.account = NEW.account
            AND record.partition = deleted.key
            AND record.item = deleted.value
    );

    INSERT INTO omemo_commit (account, id, at) VALUES (NEW.account, NEW.id, unixepoch());

    -- One commit in sixteen looks at the ids that follow its own, and forgets those that are old. Ids are random, so
    -- that all have their turn, and the table keeps to about the commits of the last ten minutes.
    DELETE FROM omemo_commit
    WHERE substr(NEW.id, 16) < x'10'
        AND account = NEW.account
        AND id IN (
            SELECT id FROM omemo_commit
            WHERE account = NEW.account AND id > NEW.id
            ORDER BY id
            LIMIT 64
        )
        AND at < unixepoch() - 600;
END;

-- One INSERT here removes an account.
CREATE VIEW omemo_purge (account) AS
SELECT NULL WHERE FALSE;

CREATE TRIGGER omemo_purge_apply INSTEAD OF INSERT ON omemo_purge
BEGIN
    DELETE FROM omemo_record WHERE account = NEW.account;
    DELETE FROM omemo_commit WHERE account = NEW.account;
END;
