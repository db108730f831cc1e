-- A commit searches for each record once: a value is put where the record has the revision that the batch relied on, and
-- only what is not written is looked at beside that.
--
-- `expected`, `changed`, `added` and `deleted` are JSON objects (or NULL) with an entry for each record: its partition and
-- its item. What else belongs to an entry is found by the entry's number in blobs:
--
--   expected  what is relied on and not put. `revisions` has 16 bytes for each, those come first of which there must be a
--             record; of the rest there must be none
--   changed   what is put in place of a record. `changed_at` has for each 10 digits: where its part of `bytes` begins,
--             counted from 1; and 7 digits: the length of the value. The part is the revision that is relied on, in 16
--             bytes, and the value
--   added     what is put where there is no record. `added_at` is as `changed_at`, and the part the value alone
--   deleted   what is deleted; it is among `expected` too
--
-- `last` is the highest rowid there is. Where a record has gone that was to be changed, one is inserted instead, and the
-- highest rowid is another than it should be.
--
-- What is put comes first, since SQLite copies what it inserts if it has read from the table before. Whatever fails
-- takes everything back.
DROP VIEW omemo_batch;

CREATE VIEW omemo_batch
    (account, id, expected, revisions, changed, changed_at, added, added_at, bytes, deleted, last) AS
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE FALSE;

CREATE TRIGGER omemo_batch_apply INSTEAD OF INSERT ON omemo_batch
WHEN NOT EXISTS (SELECT 1 FROM omemo_commit WHERE account = NEW.account AND id = NEW.id)
BEGIN
    INSERT INTO omemo_record (account, partition, item, revision, value)
    SELECT NEW.account, changed.key, changed.value,
        substr(NEW.bytes, substr(NEW.changed_at, changed.rowid * 17 + 1, 10), 16),
        -- Of no bytes at all, a part is NULL.
        ifnull(
            substr(
                NEW.bytes,
                substr(NEW.changed_at, changed.rowid * 17 + 1, 10) + 16,
                substr(NEW.changed_at, changed.rowid * 17 + 11, 7)
            ),
            x''
        )
    FROM json_each(NEW.changed) AS changed
    WHERE TRUE
    ON CONFLICT DO UPDATE SET revision = NEW.id, value = excluded.value
    WHERE revision = excluded.revision OR RAISE(ABORT, 'omemo: conflict');

    INSERT INTO omemo_record (account, partition, item, revision, value)
    SELECT NEW.account, added.key, added.value, NEW.id,
        ifnull(
            substr(
                NEW.bytes,
                substr(NEW.added_at, added.rowid * 17 + 1, 10),
                substr(NEW.added_at, added.rowid * 17 + 11, 7)
            ),
            x''
        )
    FROM json_each(NEW.added) AS added
    WHERE TRUE
    ON CONFLICT DO UPDATE SET value = RAISE(ABORT, 'omemo: conflict');

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
