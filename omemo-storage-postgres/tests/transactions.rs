//! A batch and the caller's own writes in one transaction.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::proxy::{Cut, Proxy};
use common::{Schema, account, batch, connect, connect_options, creation, key, put, text, value};
use omemo_storage::{AccountId, Committed, ErrorKind, MAX_VALUE, Storage, Value};
use omemo_storage_postgres::PostgresOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, Executor, PgConnection};

/// Beside the storage's tables, one of the application's.
async fn with_messages() -> (Schema, omemo_storage_postgres::PostgresStorage) {
    let schema = Schema::new();
    let storage = schema.open().await;
    schema.execute("CREATE TABLE $.message (body text)").await;
    (schema, storage)
}

async fn write_message(schema: &Schema, connection: &mut PgConnection) {
    connection
        .execute(schema.sql("INSERT INTO $.message VALUES ('hi')"))
        .await
        .unwrap();
}

#[tokio::test]
async fn both_take_effect_or_none() {
    let (schema, storage) = with_messages().await;
    let mut connection = connect().await;
    for commits in [false, true] {
        let mut transaction = connection.begin().await.unwrap();
        write_message(&schema, &mut transaction).await;
        let creation = creation(&key("p", "i"), "value");
        let committed = storage.commit_in(&mut transaction, &account(), &creation).await;
        assert_eq!(committed.unwrap(), Committed::Applied);
        // Not before the transaction ends.
        assert_eq!(value(&storage, &key("p", "i")).await.unwrap(), None);
        if commits {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        assert_eq!(value(&storage, &key("p", "i")).await.unwrap().is_some(), commits);
        assert_eq!(schema.count("$.message").await, i64::from(commits));
    }
}

/// On a conflict the transaction is the caller's to roll back.
#[tokio::test]
async fn conflict_writes_nothing() {
    let (schema, storage) = with_messages().await;
    put(&storage, &key("p", "i"), None, "in the way").await;
    let mut connection = connect().await;
    let mut transaction = connection.begin().await.unwrap();
    write_message(&schema, &mut transaction).await;
    let mut late = creation(&key("p", "i"), "value");
    late.put(key("p", "j"), None, text("value"));
    let committed = storage.commit_in(&mut transaction, &account(), &late).await;
    assert_eq!(committed.unwrap(), Committed::Conflict);
    transaction.rollback().await.unwrap();
    assert_eq!(schema.count("$.message").await, 0);
    assert_eq!(value(&storage, &key("p", "j")).await.unwrap(), None);
    assert_eq!(schema.count("$.omemo_commit").await, 1);
}

/// The id is remembered with the batch: not after a rollback, always after a commit.
#[tokio::test]
async fn resent_batch_is_applied_once() {
    let (_schema, storage) = with_messages().await;
    let mut connection = connect().await;
    let create = creation(&key("p", "i"), "value");
    let mut transaction = connection.begin().await.unwrap();
    let committed = storage.commit_in(&mut transaction, &account(), &create).await;
    assert_eq!(committed.unwrap(), Committed::Applied);
    transaction.rollback().await.unwrap();

    let mut transaction = connection.begin().await.unwrap();
    let committed = storage.commit_in(&mut transaction, &account(), &create).await;
    assert_eq!(committed.unwrap(), Committed::Applied);
    transaction.commit().await.unwrap();
    put(&storage, &key("p", "i"), Some(create.id().into()), "later").await;

    let mut transaction = connection.begin().await.unwrap();
    let committed = storage.commit_in(&mut transaction, &account(), &create).await;
    assert_eq!(committed.unwrap(), Committed::Applied);
    transaction.commit().await.unwrap();
    assert_eq!(
        value(&storage, &key("p", "i")).await.unwrap().as_deref(),
        Some("later")
    );
}

/// Two batches of one account in one transaction: the second sees the first.
#[tokio::test]
async fn batches_of_one_transaction_follow_each_other() {
    let (_schema, storage) = with_messages().await;
    let mut connection = connect().await;
    let mut transaction = connection.begin().await.unwrap();
    let create = creation(&key("p", "i"), "first");
    let mut replace = batch();
    replace.put(key("p", "i"), Some(create.id().into()), text("second"));
    for batch in [&create, &replace] {
        let committed = storage.commit_in(&mut transaction, &account(), batch).await;
        assert_eq!(committed.unwrap(), Committed::Applied);
    }
    transaction.commit().await.unwrap();
    assert_eq!(
        value(&storage, &key("p", "i")).await.unwrap().as_deref(),
        Some("second")
    );
}

/// What was committed while it waited for the account, the batch is judged by: though its transaction is older.
#[tokio::test]
async fn transaction_that_waits_is_judged_by_what_it_waited_for() {
    let (_schema, storage) = with_messages().await;
    let [mut first, mut second] = [connect().await, connect().await];
    let mut winner = first.begin().await.unwrap();
    let mut loser = second.begin().await.unwrap();
    // A transaction has its first view of things from here.
    loser.execute("SELECT count(*) FROM pg_class").await.unwrap();
    let create = creation(&key("p", "i"), "winner");
    let committed = storage.commit_in(&mut winner, &account(), &create).await;
    assert_eq!(committed.unwrap(), Committed::Applied);
    let late = {
        let storage = storage.clone();
        let (account, late) = (account(), creation(&key("p", "i"), "loser"));
        async move { storage.commit_in(&mut loser, &account, &late).await }
    };
    let wins = async {
        tokio::task::yield_now().await;
        winner.commit().await.unwrap();
    };
    let (late, ()) = tokio::join!(late, wins);
    assert_eq!(late.unwrap(), Committed::Conflict);
}

#[tokio::test]
async fn other_isolation_is_refused() {
    let (_schema, storage) = with_messages().await;
    let mut connection = connect().await;
    for isolation in ["REPEATABLE READ", "SERIALIZABLE"] {
        let begin = sqlx::AssertSqlSafe(format!("BEGIN ISOLATION LEVEL {isolation}"));
        let mut transaction = connection.begin_with(begin).await.unwrap();
        let creation = creation(&key("p", "i"), "value");
        let refused = storage
            .commit_in(&mut transaction, &account(), &creation)
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misconfigured);
        assert!(refused.to_string().contains("isolation"), "{refused}");
        transaction.rollback().await.unwrap();
    }
}

/// One of two transactions that wait for each other ends with a conflict, and the other goes on.
#[tokio::test]
async fn deadlock_is_a_conflict() {
    let (_schema, storage) = with_messages().await;
    let [mut first, mut second] = [connect().await, connect().await];
    let accounts = ["romeo@montague.lit", "juliet@capulet.lit"].map(|name| AccountId::new(name).unwrap());
    let mut ours = first.begin().await.unwrap();
    let mut theirs = second.begin().await.unwrap();
    for (transaction, account) in [(&mut ours, &accounts[0]), (&mut theirs, &accounts[1])] {
        let committed = storage
            .commit_in(&mut *transaction, account, &creation(&key("p", "i"), "value"))
            .await;
        assert_eq!(committed.unwrap(), Committed::Applied);
    }
    let [a, b] = [
        creation(&key("p", "j"), "value"),
        creation(&key("p", "j"), "value"),
    ];
    let ours = async {
        let committed = storage.commit_in(&mut ours, &accounts[1], &a).await.unwrap();
        ours.rollback().await.unwrap();
        committed
    };
    let theirs = async {
        let committed = storage.commit_in(&mut theirs, &accounts[0], &b).await.unwrap();
        theirs.rollback().await.unwrap();
        committed
    };
    let outcomes = tokio::join!(ours, theirs);
    assert!(
        matches!(
            outcomes,
            (Committed::Applied, Committed::Conflict) | (Committed::Conflict, Committed::Applied)
        ),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn bounds_hold_here_too() {
    let (_schema, storage) = with_messages().await;
    let mut connection = connect().await;
    let mut transaction = connection.begin().await.unwrap();
    let mut large = batch();
    large.put(key("p", "i"), None, Value::from(vec![0; MAX_VALUE + 1]));
    let refused = storage
        .commit_in(&mut transaction, &account(), &large)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
}

/// Somebody has begun a transaction on a connection of the application's pool, and given it back. What is answered as
/// applied is so all the same.
#[tokio::test]
async fn transaction_that_somebody_has_left_open() {
    let (schema, _) = with_messages().await;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(connect_options());
    let options = PostgresOptions::from_pool(pool.clone()).schema(&schema.name);
    let storage = options.open().await.unwrap();
    for left in ["BEGIN", "BEGIN; SELECT count(*) FROM pg_class"] {
        let create = creation(&key("p", left), "value");
        pool.execute(left).await.unwrap();
        let error = storage.commit(&account(), &create).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        // That connection was closed.
        let committed = storage.commit(&account(), &create).await;
        assert_eq!(committed.unwrap(), Committed::Applied);
        assert_eq!(schema.count("$.omemo_record").await, 1, "{left}");

        pool.execute(left).await.unwrap();
        let error = storage.purge(&account()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        storage.purge(&account()).await.unwrap();
        assert_eq!(schema.count("$.omemo_record").await, 0, "{left}");
    }
    pool.execute("BEGIN; SELECT 1 / 0").await.unwrap_err();
    let error = value(&storage, &key("p", "i")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(value(&storage, &key("p", "i")).await.unwrap(), None);
}

/// What was done in a transaction that is lost with its connection has not taken effect, and that is certain.
#[tokio::test]
async fn lost_transaction_is_undone() {
    let (_schema, storage) = with_messages().await;
    let proxy = Proxy::start();
    for cut in [Cut::BeforeRequest, Cut::WithinRequest, Cut::BeforeAnswer] {
        let mut connection = PgConnection::connect(&proxy.url()).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        let creation = creation(&key("p", "i"), "value");
        proxy.plan(cut);
        let error = storage
            .commit_in(&mut transaction, &account(), &creation)
            .await
            .unwrap_err();
        assert!(proxy.has_cut());
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        drop(transaction);
        assert_eq!(value(&storage, &key("p", "i")).await.unwrap(), None);
    }
}
