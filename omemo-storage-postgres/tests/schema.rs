//! What the database looks like from the inside.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{Schema, account, batch, connect, connect_options, creation, key, pool, put, text, value};
use omemo_storage::{AccountId, Batch, CommitId, Committed, ErrorKind, MAX_NAME, Name, Query, Storage};
use omemo_storage_postgres::{PostgresOptions, PostgresStorage};
use sqlx::{AssertSqlSafe, Executor, Row};

/// A name that no compression makes shorter.
fn longest_name() -> String {
    let mut name = String::new();
    while name.len() < MAX_NAME {
        name.push_str(&format!("{:016x}", common::random()));
    }
    name
}

/// Tables and functions of the application may be there too.
#[tokio::test]
async fn every_name_is_prefixed() {
    let schema = Schema::new();
    schema.options().hash_partitions(3).open().await.unwrap();
    for (catalogue, name) in [("pg_class", "relname"), ("pg_proc", "proname")] {
        let namespace = if catalogue == "pg_class" {
            "relnamespace"
        } else {
            "pronamespace"
        };
        let named = format!("{catalogue} WHERE {namespace} = '$'::regnamespace");
        assert!(schema.count(&named).await > 0);
        let strange = format!("{named} AND {name} NOT LIKE 'omemo\\_%'");
        assert_eq!(schema.count(&strange).await, 0);
    }
}

/// Also where it is created, and whoever comes first.
#[tokio::test]
async fn many_may_open_a_new_database_at_once() {
    for _ in 0..5 {
        let schema = Schema::new();
        let openings: Vec<_> = (0..8)
            .map(|_| tokio::spawn(schema.options().connections(1).open()))
            .collect();
        for opening in openings {
            opening.await.unwrap().unwrap();
        }
        assert_eq!(schema.count("$.omemo_schema").await, 3);
        put(&schema.open().await, &key("p", "i"), None, "value").await;
    }
}

/// A migration that fails leaves nothing behind.
#[tokio::test]
async fn migration_is_all_or_nothing() {
    let schema = Schema::new();
    schema
        .execute("CREATE SCHEMA $; CREATE FUNCTION $.omemo_purge(text, boolean) RETURNS boolean LANGUAGE sql AS 'SELECT true'")
        .await;
    let error = schema.options().open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    assert_eq!(
        schema
            .count("pg_class WHERE relnamespace = '$'::regnamespace")
            .await,
        0
    );
    schema.execute("DROP FUNCTION $.omemo_purge").await;
    put(&schema.open().await, &key("p", "i"), None, "value").await;
}

#[tokio::test]
async fn any_schema_will_do() {
    let mut schema = Schema::new();
    let tail = schema.name.split_off("omemo_test_".len());
    schema.name = format!("\"a \\\"\"'%s{{schema}}{tail}\"");
    let name = schema.name.trim_matches('"').replace("\"\"", "\"");
    let options = PostgresOptions::new(&common::url()).unwrap().schema(&name);
    let storage = options.clone().hash_partitions(2).open().await.unwrap();
    put(&storage, &key("p", "i"), None, "value").await;
    let storage = options.pgbouncer().open().await.unwrap();
    assert_eq!(
        value(&storage, &key("p", "i")).await.unwrap().as_deref(),
        Some("value")
    );
    storage.purge(&account()).await.unwrap();
}

/// Unless told, the schema is that of the connection.
#[tokio::test]
async fn schema_is_the_first_of_the_search_path() {
    let schema = Schema::new();
    schema.execute("CREATE SCHEMA $").await;
    let path = connect_options().options([("search_path", &schema.name)]);
    let storage = PostgresStorage::from_pool(pool(path)).await.unwrap();
    put(&storage, &key("p", "i"), None, "value").await;
    assert_eq!(schema.count("$.omemo_record").await, 1);
}

/// The same account in two schemas is two accounts, also to the locks.
#[tokio::test]
async fn schemas_do_not_disturb_one_another() {
    let schemas = [Schema::new(), Schema::new()];
    let storages = [schemas[0].open().await, schemas[1].open().await];
    let mut connection = connect().await;
    let mut transaction = sqlx::Connection::begin(&mut connection).await.unwrap();
    let first = creation(&key("p", "i"), "first");
    let committed = storages[0].commit_in(&mut transaction, &account(), &first).await;
    assert_eq!(committed.unwrap(), Committed::Applied);
    put(&storages[1], &key("p", "i"), None, "second").await;
    transaction.commit().await.unwrap();
    assert_eq!(
        value(&storages[0], &key("p", "i")).await.unwrap().as_deref(),
        Some("first")
    );
}

/// Names are there to be read; of long ones the beginning, where they are searched for.
#[tokio::test]
async fn names_are_readable() {
    let schema = Schema::new();
    let storage = schema.open().await;
    let [account, partition, item] = [(); 3].map(|()| longest_name());
    let (account, key) = (AccountId::new(&account).unwrap(), key(&partition, &item));
    put(&storage, &common::key("p", "i"), None, "value").await;
    let creation = creation(&key, "value");
    assert_eq!(
        storage.commit(&account, &creation).await.unwrap(),
        Committed::Applied
    );

    let short = "$.omemo_record WHERE account = 'romeo@montague.lit' AND partition = 'p' AND item = 'i' \
        AND num_nonnulls(full_account, full_partition, full_item) = 0";
    assert_eq!(schema.count(short).await, 1);
    let long = format!(
        "$.omemo_record WHERE full_account = '{account}' AND full_partition = '{partition}' AND full_item = '{item}' \
         AND starts_with(full_account, left(account, 512)) AND octet_length(account) < 600"
    );
    assert_eq!(schema.count(&long).await, 1);

    let listed = storage.accounts(None, 10).await.unwrap().entries;
    assert!(listed.contains(&account));
    let listed = storage.records(&account, None, 10).await.unwrap().entries;
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].key, listed[0].bytes), (&key, 5));
    let mut query = Query::new();
    query.partitions.insert(Name::new(&partition).unwrap());
    let loaded = storage.load(&account, &query).await.unwrap().records;
    assert_eq!(loaded.keys().collect::<Vec<_>>(), [&key]);
}

/// Of two names with a beginning of any length in common, each is itself.
#[tokio::test]
async fn long_names_that_begin_alike_are_told_apart() {
    let schema = Schema::new();
    let storage = schema.open().await;
    let mut create = batch();
    for length in [511, 512, 513, 600, MAX_NAME] {
        for last in ["a", "b"] {
            let name = format!("{}{last}", "n".repeat(length - 1));
            create.put(key("p", &name), None, text(&name));
            create.put(key(&name, "i"), None, text(&name));
        }
    }
    assert_eq!(
        storage.commit(&account(), &create).await.unwrap(),
        Committed::Applied
    );
    for (key, _) in create.stakes() {
        let name = if key.item.as_str() == "i" {
            &key.partition
        } else {
            &key.item
        };
        let read = value(&storage, key).await.unwrap();
        assert_eq!(read.as_deref(), Some(name.as_str()));
    }
}

/// Ids of commits are forgotten once they are old, of this account only.
#[tokio::test]
async fn old_commits_are_forgotten() {
    let schema = Schema::new();
    let storage = schema.open().await;
    for (who, age) in [(account().as_str(), 13), (account().as_str(), 11), ("other", 13)] {
        let insert = format!(
            "INSERT INTO $.omemo_commit SELECT '{who}', decode(md5('{age}' || n), 'hex'), \
             now() - interval '{age} minutes' FROM generate_series(1, 300) AS n"
        );
        schema.execute(&insert).await;
    }
    for n in 0..1_000_u128 {
        // Spread over all ids, as random ones are.
        let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let batch = Batch::new(CommitId::from_bytes(id.to_be_bytes()));
        assert_eq!(
            storage.commit(&account(), &batch).await.unwrap(),
            Committed::Applied
        );
    }
    let old = "$.omemo_commit WHERE account <> 'other' AND at < now() - interval '12 minutes'";
    assert!(schema.count(old).await < 15);
    let recent = "$.omemo_commit WHERE account <> 'other' AND at > now() - interval '12 minutes'";
    assert_eq!(schema.count(recent).await, 1_300);
    assert_eq!(schema.count("$.omemo_commit WHERE account = 'other'").await, 300);
}

/// Not even the ids of its commits are left of a purged account.
#[tokio::test]
async fn purge_leaves_nothing() {
    let schema = Schema::new();
    let storage = schema.open().await;
    put(&storage, &key("p", "i"), None, "value").await;
    storage.purge(&account()).await.unwrap();
    storage.purge(&AccountId::new("nobody").unwrap()).await.unwrap();
    assert_eq!(schema.count("$.omemo_record").await, 0);
    assert_eq!(schema.count("$.omemo_commit").await, 0);
}

/// A role that may not create anything may use what is there, and not bring it up to date.
#[tokio::test]
async fn role_that_owns_nothing() {
    let mut schema = Schema::new();
    schema.open().await;
    let url = schema.role().await;
    let options = PostgresOptions::new(&url).unwrap();
    let storage = options.clone().schema(&schema.name).open().await.unwrap();
    put(&storage, &key("p", "i"), None, "value").await;
    assert_eq!(storage.accounts(None, 10).await.unwrap().entries, [account()]);
    storage.purge(&account()).await.unwrap();

    let error = options.schema("omemo_test_new").open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    assert!(error.to_string().contains("not permitted"), "{error}");
}

/// Behind row-level security, who is not the owner sees one account, whatever he asks.
#[tokio::test]
async fn rows_are_secured() {
    let mut schema = Schema::new();
    let owner = schema.options().row_security().open().await.unwrap();
    let other = AccountId::new("juliet@capulet.lit").unwrap();
    put(&owner, &key("p", "i"), None, "romeo's").await;
    let hers = creation(&key("p", "i"), "juliet's");
    assert_eq!(owner.commit(&other, &hers).await.unwrap(), Committed::Applied);

    let url = schema.role().await;
    let role = pool(url.parse().unwrap());
    let count = |set: &str| {
        schema
            .sql(&format!("{set}; SELECT count(*) FROM $.omemo_record"))
            .0
    };
    for (set, visible) in [
        ("SELECT 1", 0),
        ("SET omemo.account = 'romeo@montague.lit'", 1),
        ("SET omemo.account = 'juliet@capulet.lit'", 1),
        ("SET omemo.account = 'nobody'", 0),
    ] {
        let mut connection = role.acquire().await.unwrap();
        let rows = sqlx::raw_sql(AssertSqlSafe(count(set)))
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        assert_eq!(rows.last().unwrap().get::<i64, _>(0), visible, "{set}");
        connection.close().await.unwrap();
    }
    let insert = "SET omemo.account = 'juliet@capulet.lit'; INSERT INTO $.omemo_record VALUES ('romeo@montague.lit', 'p', 'j', '', '')";
    let refused = role.execute(schema.sql(insert)).await.unwrap_err();
    assert!(refused.to_string().contains("row-level security"), "{refused}");

    let storage = PostgresOptions::from_pool(role.clone())
        .schema(&schema.name)
        .open()
        .await
        .unwrap();
    put(&storage, &key("p", "j"), None, "romeo's").await;
    // What the storage has set ends with its transaction.
    let mut connection = role.acquire().await.unwrap();
    let after = sqlx::raw_sql(schema.sql("SELECT count(*) FROM $.omemo_commit"));
    assert_eq!(
        after.fetch_one(&mut *connection).await.unwrap().get::<i64, _>(0),
        0
    );
}

/// Only the owner may put it in force; if it is, any role may ask for it.
#[tokio::test]
async fn row_security_is_not_promised_in_vain() {
    let mut schema = Schema::new();
    schema.open().await;
    let url = schema.role().await;
    let options = PostgresOptions::new(&url)
        .unwrap()
        .schema(&schema.name)
        .row_security();
    let error = options.clone().open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    schema.options().row_security().open().await.unwrap();
    options.open().await.unwrap();
}

/// Tables keep the partitions they were created with.
#[tokio::test]
async fn partitions_are_for_good() {
    let schema = Schema::new();
    let storage = schema.options().hash_partitions(4).open().await.unwrap();
    put(&storage, &key("p", "i"), None, "value").await;
    schema.open().await;
    schema.options().hash_partitions(4).open().await.unwrap();
    let error = schema.options().hash_partitions(8).open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.to_string().contains("4 partitions, not 8"), "{error}");
    let too_many = Schema::new().options().hash_partitions(1_025).open().await;
    assert_eq!(too_many.unwrap_err().kind(), ErrorKind::Misconfigured);
}
