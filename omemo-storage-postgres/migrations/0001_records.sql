-- Each migration that was applied; the highest version is the schema's.
CREATE TABLE {schema}.omemo_schema (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- An entry of an index has at most 2,704 bytes, so `account`, `partition` and `item` hold a name of more than 512 bytes
-- as its beginning and the hash of all of it; `full_...` then has the whole name, and is NULL where that is the same.
CREATE TABLE {schema}.omemo_record (
    account text COLLATE "C" NOT NULL,
    partition text COLLATE "C" NOT NULL,
    item text COLLATE "C" NOT NULL,
    revision bytea NOT NULL,
    value bytea NOT NULL,
    full_account text,
    full_partition text,
    full_item text,
    PRIMARY KEY (account, partition, item)
) {partitioning};

-- Values are encrypted or random for the most part: to compress them is a waste of time.
ALTER TABLE {schema}.omemo_record ALTER COLUMN value SET STORAGE EXTERNAL;

-- The ids of commits, to answer those that are sent again.
CREATE TABLE {schema}.omemo_commit (
    account text COLLATE "C" NOT NULL,
    id bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, id)
) {partitioning};

-- Space is left in each page, so that a replaced record finds room beside its former self and no index has to change.
DO $omemo$
DECLARE
    partitions constant integer := {partitions};
BEGIN
    IF partitions = 0 THEN
        ALTER TABLE {schema}.omemo_record SET (fillfactor = 80);
    END IF;
    FOR n IN 0 .. partitions - 1 LOOP
        EXECUTE format(
            'CREATE TABLE %1$s.omemo_record_%2$s PARTITION OF %1$s.omemo_record '
            'FOR VALUES WITH (MODULUS %3$s, REMAINDER %2$s) WITH (fillfactor = 80)', {quoted_schema}, n, partitions);
        EXECUTE format(
            'CREATE TABLE %1$s.omemo_commit_%2$s PARTITION OF %1$s.omemo_commit '
            'FOR VALUES WITH (MODULUS %3$s, REMAINDER %2$s)', {quoted_schema}, n, partitions);
    END LOOP;
END
$omemo$;

-- In force once row-level security is enabled, for every role but the tables' owner. The functions below set the
-- account for their transaction.
CREATE POLICY omemo_account ON {schema}.omemo_record
    USING (account = current_setting('omemo.account', true));
CREATE POLICY omemo_account ON {schema}.omemo_commit
    USING (account = current_setting('omemo.account', true));

-- The functions are planned once a connection, for any parameters, and never to read a table from end to end: the
-- tables may have been empty then. A subquery in a condition, or with OFFSET 0, is searched anew for each element of the
-- lists.

-- Makes the transaction fit to write the account, as far as it can be made so.
CREATE FUNCTION {schema}.omemo_set_up(of_account text, durable boolean) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $omemo$
BEGIN
    -- Only there does each statement see what was committed before it: the check what was committed before the lock.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'omemo: the transaction is not read committed' USING ERRCODE = 'OM001';
    END IF;
    IF durable AND current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    PERFORM set_config('omemo.account', of_account, true);
END
$omemo$;

CREATE FUNCTION {schema}.omemo_load(
    of_account text,
    whole_partitions text[],
    partitions text[],
    items text[]
) RETURNS TABLE (in_partition text, in_item text, in_revision bytea, in_value bytea)
LANGUAGE plpgsql STABLE ROWS 10
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
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

-- All lists have an element for each record of the batch. `puts` has NULL for a record that is not put, `expected` for
-- one that must not be there. A list that would be all NULL or false is NULL itself, except `expected` and `puts`.
CREATE FUNCTION {schema}.omemo_commit(
    of_account text,
    account_in_full text,
    commit_id bytea,
    partitions text[],
    items text[],
    expected bytea[],
    puts bytea[],
    deletes boolean[],
    partitions_in_full text[],
    items_in_full text[],
    durable boolean
) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
AS $omemo$
DECLARE
    doomed record;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed'
        OR durable AND current_setting('synchronous_commit') = 'off'
        OR row_security_active({record}::regclass)
    THEN
        PERFORM {schema}.omemo_set_up(of_account, durable);
    END IF;

    -- Row locks cannot protect the absence of a record, so the account is locked, before anything is read. 64 bits of hash:
    -- once in a blue moon another account, or an advisory lock of the application, has the same and waits without need.
    -- (It is never NULL: as a condition, the call costs no statement of its own.)
    IF pg_advisory_xact_lock(hashtextextended(of_account, {seed})) IS NULL THEN
        RETURN NULL;
    END IF;

    IF EXISTS (
        SELECT 1
        FROM (SELECT unnest(partitions), unnest(items), unnest(expected)) AS stake (partition, item, revision)
        WHERE stake.revision IS DISTINCT FROM (
            SELECT stored.revision
            FROM {schema}.omemo_record AS stored
            WHERE stored.account = of_account
                AND stored.partition = stake.partition
                AND stored.item = stake.item
        )
    ) THEN
        -- Unless it was applied before, and what it relied on has changed since.
        RETURN EXISTS (SELECT 1 FROM {schema}.omemo_commit WHERE account = of_account AND id = commit_id);
    END IF;

    -- What was applied before is not applied again, though its expectations hold once more.
    INSERT INTO {schema}.omemo_commit (account, id) VALUES (of_account, commit_id) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN TRUE;
    END IF;

    INSERT INTO {schema}.omemo_record (
        account, partition, item, revision, value, full_account, full_partition, full_item
    )
    SELECT of_account, stake.partition, stake.item, commit_id, stake.value,
        account_in_full, stake.full_partition, stake.full_item
    FROM (
        SELECT unnest(partitions), unnest(items), unnest(puts), unnest(partitions_in_full), unnest(items_in_full)
    ) AS stake (partition, item, value, full_partition, full_item)
    WHERE stake.value IS NOT NULL
    ON CONFLICT (account, partition, item)
        DO UPDATE SET revision = excluded.revision, value = excluded.value;

    IF deletes IS NOT NULL THEN
        -- Partition by partition: joined to the list, the account's records might all be read.
        FOR doomed IN
            SELECT listed.partition, array_agg(listed.item) AS items
            FROM (SELECT unnest(partitions), unnest(items), unnest(deletes)) AS listed (partition, item, deleted)
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
    RETURN TRUE;
END
$omemo$;

-- Whether a batch was applied before. Whoever asks has the account locked from then on, so it stays true.
CREATE FUNCTION {schema}.omemo_remembers(of_account text, commit_id bytea, durable boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
AS $omemo$
BEGIN
    PERFORM {schema}.omemo_set_up(of_account, durable);
    PERFORM pg_advisory_xact_lock(hashtextextended(of_account, {seed}));
    RETURN EXISTS (SELECT 1 FROM {schema}.omemo_commit WHERE account = of_account AND id = commit_id);
END
$omemo$;

CREATE FUNCTION {schema}.omemo_purge(of_account text, durable boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
AS $omemo$
BEGIN
    PERFORM {schema}.omemo_set_up(of_account, durable);
    PERFORM pg_advisory_xact_lock(hashtextextended(of_account, {seed}));
    DELETE FROM {schema}.omemo_record WHERE account = of_account;
    DELETE FROM {schema}.omemo_commit WHERE account = of_account;
    RETURN TRUE;
END
$omemo$;

CREATE FUNCTION {schema}.omemo_records(
    of_account text,
    after_partition text,
    after_item text,
    at_most bigint
) RETURNS TABLE (
    in_partition text, in_item text, in_revision bytea, bytes integer, key_partition text, key_item text
)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
AS $omemo$
BEGIN
    IF row_security_active({record}::regclass) THEN
        PERFORM set_config('omemo.account', of_account, true);
    END IF;
    RETURN QUERY
    SELECT coalesce(full_partition, partition), coalesce(full_item, item), revision, octet_length(value),
        partition, item
    FROM {schema}.omemo_record
    WHERE account = of_account AND (partition, item) > (after_partition, after_item)
    ORDER BY partition, item
    LIMIT at_most;
END
$omemo$;

-- Leaps from each account to the next in the index, without reading the records between. It runs as the owner of the
-- tables, whom row-level security does not bind: who may list accounts is who may execute it.
CREATE FUNCTION {schema}.omemo_accounts(after_account text, at_most bigint)
RETURNS TABLE (name text, key_account text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
AS $omemo$
BEGIN
    RETURN QUERY
    WITH RECURSIVE listed (account, full_account) AS (
        (
            SELECT record.account, record.full_account
            FROM {schema}.omemo_record AS record
            WHERE record.account > after_account
            ORDER BY record.account
            LIMIT 1
        )
        UNION ALL
        SELECT following.account, following.full_account
        FROM listed
        CROSS JOIN LATERAL (
            SELECT record.account, record.full_account
            FROM {schema}.omemo_record AS record
            WHERE record.account > listed.account
            ORDER BY record.account
            LIMIT 1
        ) AS following
    )
    SELECT coalesce(listed.full_account, listed.account), listed.account
    FROM listed
    LIMIT at_most;
END
$omemo$;
REVOKE EXECUTE ON FUNCTION {schema}.omemo_accounts(text, bigint) FROM PUBLIC;

INSERT INTO {schema}.omemo_schema (version) VALUES (1);
