-- On connections of the application's, a commit must not become a part of a transaction that somebody has left open there:
-- it would be answered as applied, and be lost or undone with that. A procedure can commit, and only where it is called in no
-- transaction; elsewhere that is an error (2D000), and nothing was written. Here there is nothing to be committed yet.

CREATE PROCEDURE {schema}.omemo_commit_alone(
    INOUT applied boolean,
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
)
LANGUAGE plpgsql
AS $omemo$
BEGIN
    COMMIT;
    applied := {schema}.omemo_commit(
        of_account, account_in_full, commit_id, partitions, items, expected, puts, partitions_in_full, items_in_full,
        kept_partitions, kept_items, kept_expected, deletes, durable
    );
END
$omemo$;

CREATE PROCEDURE {schema}.omemo_purge_alone(INOUT purged boolean, of_account text, durable boolean)
LANGUAGE plpgsql
AS $omemo$
BEGIN
    COMMIT;
    purged := {schema}.omemo_purge(of_account, durable);
END
$omemo$;

-- Commits rely on this trigger, also in a session that fires none of the ordinary ones (`session_replication_role`).
ALTER TABLE {schema}.omemo_record ENABLE ALWAYS TRIGGER omemo_gone;

INSERT INTO {schema}.omemo_schema (version) VALUES (3);
