-- A value has its lengths before it, so that a load joins what it has found without computing anything of it, and whoever
-- reads the joined bytes finds their way.
--
-- `framed` begins with the length of the partition in 2 bytes, that of the item in 2 bytes, and that of the value in 4
-- bytes, the highest first; then comes the value. In a new table, so that an older program that has the database open
-- meanwhile fails, and neither misreads it nor writes what has no lengths. The old one is not altered: SQLite would read
-- all views and triggers of the application's then, and refuse if one of them is broken.
CREATE TABLE omemo_framed (
    account TEXT NOT NULL,
    partition TEXT NOT NULL,
    item TEXT NOT NULL,
    revision BLOB NOT NULL,
    framed BLOB NOT NULL,
    PRIMARY KEY (account, partition, item)
) STRICT;

-- Of texts and blobs that are joined, a text results.
INSERT INTO omemo_framed (account, partition, item, revision, framed)
SELECT account, partition, item, revision, CAST(
    unhex(printf('%04x%04x%08x', octet_length(partition), octet_length(item), octet_length(value))) || value AS BLOB
)
FROM omemo_record;

DROP TRIGGER omemo_purge_apply;

DROP VIEW omemo_batch;

DROP TABLE omemo_record;

CREATE TRIGGER omemo_purge_apply INSTEAD OF INSERT ON omemo_purge
BEGIN
    DELETE FROM omemo_framed WHERE account = NEW.account;
    DELETE FROM omemo_commit WHERE account = NEW.account;
END;

-- A commit searches for each record once: a value is put where the record has the revision that the batch relied on, and
-- only what is not written is looked at beside that.
--
-- `expected`, `changed`, `added` and `deleted` are JSON objects (or NULL) with an entry for each record: its partition and
-- its item. What else belongs to an entry is found by the entry's number in blobs:
--
--   expected  what is relied on and not put. `revisions` has 16 bytes for each, those come first of which there must be a
--             record; of the rest there must be none
--   changed   what is put in place of a record. `changed_at` has for each 10 digits: where its part of `framed_bytes`
--             begins, counted from 1; and 7 digits: the length of the lengths and the value. The part is the revision that is
--             relied on, in 16 bytes, the lengths and the value
--   added     what is put where there is no record. `added_at` is as `changed_at`, and the part the lengths and the value
--   deleted   what is deleted; it is among `expected` too
--
-- `last` is the highest rowid there is. Where a record has gone that was to be changed, one is inserted instead, and the
-- highest rowid is another than it should be.
--
-- What is put comes first, since SQLite copies what it inserts if it has read from the table before. Whatever fails
-- takes everything back.
CREATE VIEW omemo_batch
    (account, id, expected, revisions, changed, changed_at, added, added_at, framed_bytes, deleted, last) AS
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE FALSE;

CREATE TRIGGER omemo_batch_apply INSTEAD OF INSERT ON omemo_batch
WHEN NOT EXISTS (SELECT 1 FROM omemo_commit WHERE account = NEW.account AND id = NEW.id)
BEGIN
    INSERT INTO omemo_framed (account, partition, item, revision, framed)
    SELECT NEW.account, changed.key, changed.value,
        substr(NEW.framed_bytes, substr(NEW.changed_at, changed.rowid * 17 + 1, 10), 16),
        substr(
            NEW.framed_bytes,
            substr(NEW.changed_at, changed.rowid * 17 + 1, 10) + 16,
            substr(NEW.changed_at, changed.rowid * 17 + 11, 7)
        )
    FROM json_each(NEW.changed) AS changed
    WHERE TRUE
    ON CONFLICT DO UPDATE SET revision = NEW.id, framed = excluded.framed
    WHERE revision = excluded.revision OR RAISE(ABORT, 'omemo: conflict');

    INSERT INTO omemo_framed (account, partition, item, revision, framed)
    SELECT NEW.account, added.key, added.value, NEW.id,
        substr(
            NEW.framed_bytes,
            substr(NEW.added_at, added.rowid * 17 + 1, 10),
            substr(NEW.added_at, added.rowid * 17 + 11, 7)
        )
    FROM json_each(NEW.added) AS added
    WHERE TRUE
    ON CONFLICT DO UPDATE SET framed = RAISE(ABORT, 'omemo: conflict');

    SELECT RAISE(ABORT, 'omemo: conflict')
    WHERE ifnull(NEW.last, 0) + changes() <> ifnull((SELECT max(rowid) FROM omemo_framed), 0);

    SELECT RAISE(ABORT, 'omemo: conflict')
    FROM json_each(NEW.expected) AS expected
    LEFT JOIN omemo_framed AS record
        ON record.account = NEW.account
        AND record.partition = expected.key
        AND record.item = expected.value
    WHERE record.revision IS NOT nullif(substr(NEW.revisions, expected.rowid * 16 + 1, 16), x'');

    DELETE FROM omemo_framed
    WHERE rowid IN (
        SELECT record.rowid
        FROM json_each(NEW.deleted) AS deleted
        CROSS JOIN omemo_framed AS record
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
