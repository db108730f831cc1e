-- To set parameters of the planner for one call of a function costs more than much else in a small commit. On connections of
-- the storage's own it is done once, so `omemo_own_...` are for those: they have `plan_cache_mode = force_generic_plan`,
-- `enable_seqscan = off` and `jit = off`. On another they are right too, only slower. What decides whether a commit is
-- durable and serializable is looked at in each: behind a pooler, somebody else may have changed it.

CREATE FUNCTION {schema}.omemo_own_load(
    of_account text,
    whole_partitions text[],
    partitions text[],
    items text[]
) RETURNS TABLE (in_partition text, in_item text, in_revision bytea, in_value bytea)
LANGUAGE plpgsql STABLE ROWS 10
AS $omemo$
BEGIN
    IF row_security_active({record}::regclass) THEN
        PERFORM set_config('omemo.account', of_account, true);
    END IF;
    IF whole_partitions IS NOT NULL THEN
        RETURN QUERY
        SELECT record.*
        FROM unnest(whole_partitions) AS wanted (partition)
        CROSS JOIN LATERAL (
            SELECT coalesce(full_partition, stored.partition), coalesce(full_item, item), revision, value
            FROM {schema}.omemo_record AS stored
            WHERE account = of_account AND stored.partition = wanted.partition
            OFFSET 0
        ) AS record;
    END IF;
    IF items IS NOT NULL THEN
        RETURN QUERY
        SELECT record.*
        FROM unnest(partitions, items) AS wanted (partition, item)
        CROSS JOIN LATERAL (
            SELECT coalesce(full_partition, stored.partition), coalesce(full_item, stored.item), revision, value
            FROM {schema}.omemo_record AS stored
            WHERE account = of_account AND stored.partition = wanted.partition AND stored.item = wanted.item
            OFFSET 0
        ) AS record;
    END IF;
END
$omemo$;

-- What raises a conflict within `omemo_own_commit`, which takes back what it has written.
CREATE FUNCTION {schema}.omemo_conflict() RETURNS trigger
LANGUAGE plpgsql
AS $omemo$
BEGIN
    RAISE EXCEPTION 'omemo: conflict' USING ERRCODE = 'OM002';
END
$omemo$;

-- A revision has 16 bytes; one of a record that ought to be there, a byte more: see below.
CREATE TRIGGER omemo_gone AFTER INSERT ON {schema}.omemo_record
    FOR EACH ROW WHEN (octet_length(NEW.revision) > 16)
    EXECUTE FUNCTION {schema}.omemo_conflict();

-- The first lists have an element for each record that is put: `expected` has NULL for one that must not be there.
-- `kept_...` are of the records that are relied on beside them, which `deletes` says whether to delete. Lists that would be
-- empty, or all NULL or false, are NULL themselves.
--
-- Each record is searched for once: the upsert puts a value only in place of the revision that is relied on. It is told that
-- revision, and one more byte, as the one to insert, so where the record has gone, a row comes in by which the trigger
-- tells. Where one has come, or has changed, fewer rows are written than there are records. Then all is taken back,
-- without an error that the server would write to its log.
CREATE FUNCTION {schema}.omemo_own_commit(
    of_account text,
    account_in_full text,
    commit_id bytea,
    partitions text[],
    items text[],
    expected bytea[],
    puts bytea[],
    partitions_in_full text[],
    items_in_full text[],
    kept_partitions text[],
    kept_items text[],
    kept_expected bytea[],
    deletes boolean[],
    durable boolean
) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $omemo$
DECLARE
    is_new boolean := false;
    written bigint;
    doomed record;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed'
        OR durable AND current_setting('synchronous_commit') = 'off'
    THEN
        PERFORM {schema}.omemo_set_up(of_account, durable);
    END IF;
    IF row_security_active({record}::regclass) THEN
        PERFORM set_config('omemo.account', of_account, true);
    END IF;

    -- Row locks cannot protect the absence of a record, so the account is locked, before anything is read. 64 bits of hash:
    -- once in a blue moon another account, or an advisory lock of the application, has the same and waits without need.
    -- (It is never NULL: as a condition, the call costs no statement of its own.)
    IF pg_advisory_xact_lock(hashtextextended(of_account, {seed})) IS NULL THEN
        RETURN NULL;
    END IF;

    BEGIN
        -- What was applied before is not applied again, though its expectations may hold once more.
        INSERT INTO {schema}.omemo_commit (account, id) VALUES (of_account, commit_id);
        is_new := true;

        IF partitions IS NOT NULL THEN
            INSERT INTO {schema}.omemo_record AS stored (
                account, partition, item, revision, value, full_account, full_partition, full_item
            )
            SELECT of_account, stake.partition, stake.item, coalesce(stake.revision || decode('00', 'hex'), commit_id),
                stake.value, account_in_full, stake.full_partition, stake.full_item
            FROM (
                SELECT unnest(partitions), unnest(items), unnest(expected), unnest(puts), unnest(partitions_in_full),
                    unnest(items_in_full)
            ) AS stake (partition, item, revision, value, full_partition, full_item)
            ON CONFLICT (account, partition, item)
                DO UPDATE SET revision = commit_id, value = excluded.value
                WHERE stored.revision || decode('00', 'hex') = excluded.revision;
            GET DIAGNOSTICS written = ROW_COUNT;
            IF written <> cardinality(partitions) THEN
                RAISE EXCEPTION 'omemo: conflict' USING ERRCODE = 'OM002';
            END IF;
        END IF;

        IF kept_partitions IS NOT NULL AND EXISTS (
            SELECT 1
            FROM (SELECT unnest(kept_partitions), unnest(kept_items), unnest(kept_expected))
                AS stake (partition, item, revision)
            WHERE stake.revision IS DISTINCT FROM (
                SELECT stored.revision
                FROM {schema}.omemo_record AS stored
                WHERE stored.account = of_account
                    AND stored.partition = stake.partition
                    AND stored.item = stake.item
            )
        ) THEN
            RAISE EXCEPTION 'omemo: conflict' USING ERRCODE = 'OM002';
        END IF;
    EXCEPTION
        WHEN SQLSTATE 'OM002' THEN
            RETURN false;
        WHEN unique_violation THEN
            -- Of the id, unless somebody writes who does not take the lock.
            RETURN NOT is_new;
    END;

    IF deletes IS NOT NULL THEN
        -- Partition by partition: joined to the list, the account's records might all be read.
        FOR doomed IN
            SELECT listed.partition, array_agg(listed.item) AS items
            FROM (SELECT unnest(kept_partitions), unnest(kept_items), unnest(deletes))
                AS listed (partition, item, deleted)
            WHERE listed.deleted
            GROUP BY listed.partition
        LOOP
            DELETE FROM {schema}.omemo_record AS stored
            WHERE stored.account = of_account
                AND stored.partition = doomed.partition
                AND stored.item = ANY (doomed.items);
        END LOOP;
    END IF;

    -- One commit in sixteen looks at the ids that follow its own, and forgets those that are old. Ids are random, so
    -- that all have their turn, and the table keeps to about the commits of the last minutes.
    IF get_byte(commit_id, 15) < 16 THEN
        DELETE FROM {schema}.omemo_commit
        WHERE account = of_account
            AND id = ANY (ARRAY(
                SELECT id
                FROM {schema}.omemo_commit
                WHERE account = of_account AND id > commit_id
                ORDER BY id
                LIMIT 64
            ))
            AND at < clock_timestamp() - interval '12 minutes';
    END IF;
    RETURN true;
END
$omemo$;

-- The same on any other connection. Its namesake with fewer arguments is for processes of the version before, which may
-- still be running.
CREATE FUNCTION {schema}.omemo_commit(
    of_account text,
    account_in_full text,
    commit_id bytea,
    partitions text[],
    items text[],
    expected bytea[],
    puts bytea[],
    partitions_in_full text[],
    items_in_full text[],
    kept_partitions text[],
    kept_items text[],
    kept_expected bytea[],
    deletes boolean[],
    durable boolean
) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
AS $omemo$
BEGIN
    RETURN {schema}.omemo_own_commit(
        of_account, account_in_full, commit_id, partitions, items, expected, puts, partitions_in_full, items_in_full,
        kept_partitions, kept_items, kept_expected, deletes, durable
    );
END
$omemo$;

INSERT INTO {schema}.omemo_schema (version) VALUES (2);
