-- A value has its lengths before it, so that a load joins what it has found without computing anything of it, and whoever
-- reads the joined bytes finds their way.
--
-- `framed` begins with the length of the partition in 2 bytes, that of the item in 2 bytes, and that of the value in 4
-- bytes, the highest first; then comes the value. Under another name than before, so that an older program that has the
-- database open meanwhile fails, and neither misreads it nor writes what has no lengths.
ALTER TABLE omemo_record RENAME COLUMN value TO framed;

-- Of texts and blobs that are joined, a text results.
UPDATE omemo_record
SET framed = CAST(
    unhex(printf('%04x%04x%08x', octet_length(partition), octet_length(item), octet_length(framed))) || framed AS BLOB
);

-- As before, but that the parts of `framed_bytes` have the lengths before the values; `changed_at` and `added_at` say how
-- long both are together.
DROP VIEW omemo_batch;

CREATE VIEW omemo_batch
    (account, id, expected, revisions, changed, changed_at, added, added_at, framed_bytes, deleted, last) AS
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE FALSE;

CREATE TRIGGER omemo_batch_apply INSTEAD OF INSERT ON omemo_batch
WHEN NOT EXISTS (SELECT 1 FROM omemo_commit WHERE account = NEW.account AND id = NEW.id)
BEGIN
    INSERT INTO omemo_record (account, partition, item, revision, framed)
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

    INSERT INTO omemo_record (account, partition, item, revision, framed)
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
    WHERE ifnull(NEW.last, 0) + changes() <> ifnull((SELECT max(rowid) FROM omemo_record), 0);

    SELECT RAISE(ABORT, 'omemo: conflict')
    FROM json_each(NEW.expected) AS expected
    LEFT JOIN omemo_record AS record
        ON record.account = NEW.account
        AND record.partition = expected.key
        AND record.item = expected.value
    WHERE record.revision IS NOT nullif(substr(NEW.revisions, expected.rowid * 16 + 1, 16), x'');

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
