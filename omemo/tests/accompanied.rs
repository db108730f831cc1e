//! What an application writes together with a commit: all of both or none, once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod common;
#[path = "../../omemo-storage-postgres/tests/common/mod.rs"]
mod postgres;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::polling::poll_often;
use common::{Device, arrived, is_repeated, open, open_on, text};
use omemo::blocking::wait;
use omemo::local::Server;
use omemo::{
    Companion, Content, Decrypted, EncryptRequest, Encrypted, Error, ErrorKind, Namespace, Transactional,
};
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Storage, Value};
use omemo_storage_postgres::PostgresStorage;
use omemo_storage_sqlite::SqliteStorage;
use postgres::Schema;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};
use tempfile::TempDir;

type Juliet = Device<SqliteStorage>;

/// Where a device has its storage, and the application a table besides.
trait Database: Sized + Sync {
    type Storage: Transactional;

    fn create() -> Self;

    /// Opens the storage, and creates the table.
    fn open(&self) -> Self::Storage;

    /// Writes a row into the table.
    fn insert<'t>(&self, transaction: &'t mut Transaction<Self>, envelope: Vec<u8>) -> Companion<'t>;

    /// The rows, in the order in which they were written.
    fn rows(&self) -> Vec<Vec<u8>>;
}

type Transaction<D> = <<D as Database>::Storage as Transactional>::Transaction;

impl Database for TempDir {
    type Storage = SqliteStorage;

    fn create() -> Self {
        Self::new().unwrap()
    }

    fn open(&self) -> SqliteStorage {
        let storage = wait(SqliteStorage::open(file(self))).unwrap();
        sql(self, "CREATE TABLE history (envelope BLOB NOT NULL) STRICT");
        storage
    }

    fn insert<'t>(&self, transaction: &'t mut SqliteConnection, envelope: Vec<u8>) -> Companion<'t> {
        Box::pin(async move {
            let insert = sqlx::query("INSERT INTO history (envelope) VALUES (?)").bind(envelope);
            insert.execute(transaction).await?;
            Ok(())
        })
    }

    fn rows(&self) -> Vec<Vec<u8>> {
        sql(self, "SELECT envelope FROM history ORDER BY rowid")
    }
}

impl Database for Schema {
    type Storage = PostgresStorage;

    fn create() -> Self {
        Self::new()
    }

    fn open(&self) -> PostgresStorage {
        // Says what to do if there is no server.
        on_tokio(async { postgres::connect().await.close().await.unwrap() });
        let storage = wait(self.options().open()).unwrap();
        on_tokio(self.execute("CREATE TABLE $.history (number serial, envelope bytea NOT NULL)"));
        storage
    }

    fn insert<'t>(&self, transaction: &'t mut PgConnection, envelope: Vec<u8>) -> Companion<'t> {
        let insert = format!("INSERT INTO {}.history (envelope) VALUES ($1)", self.name);
        Box::pin(async move {
            let insert = sqlx::query(AssertSqlSafe(insert)).bind(envelope);
            insert.execute(transaction).await?;
            Ok(())
        })
    }

    fn rows(&self) -> Vec<Vec<u8>> {
        on_tokio(async {
            let mut connection = postgres::connect().await;
            let select = self.sql("SELECT envelope FROM $.history ORDER BY number");
            let rows = sqlx::query_scalar(select).fetch_all(&mut connection).await;
            connection.close().await.unwrap();
            rows.unwrap()
        })
    }
}

/// Writes the plaintext into the application's table.
fn keep<D: Database>(
    database: &D,
) -> impl for<'t> FnMut(&'t mut Transaction<D>, &Decrypted) -> Companion<'t> + Send {
    move |transaction, decrypted| {
        let Some(Content::Plaintext(plaintext)) = decrypted.as_received().map(|received| &received.content)
        else {
            panic!("no plaintext: {decrypted:?}");
        };
        database.insert(transaction, plaintext.to_vec())
    }
}

/// Writes, and fails then.
fn fail<D: Database>(
    database: &D,
) -> impl for<'t> FnMut(&'t mut Transaction<D>, &Decrypted) -> Companion<'t> + Send {
    let mut keep = keep(database);
    move |transaction, decrypted| {
        let kept = keep(transaction, decrypted);
        Box::pin(async move {
            kept.await?;
            Err("the application has thought better of it".into())
        })
    }
}

/// A device on a database that has a table of the application besides.
fn juliet<D: Database>(server: &Server, database: &D) -> Device<D::Storage> {
    open_on(server, "juliet@capulet.lit", "phone", database.open())
}

fn file(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("omemo.db")
}

/// Runs a statement on a connection of its own; the first column of each row.
fn sql(directory: &TempDir, statement: &'static str) -> Vec<Vec<u8>> {
    on_tokio(async {
        let url = format!("sqlite:{}", file(directory).display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let rows = sqlx::query(statement).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    })
}

/// For connections beside those of the storage, which have no runtime of their own.
fn on_tokio<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn history(database: &impl Database) -> Vec<String> {
    let rows = database.rows().into_iter();
    rows.map(|row| String::from_utf8(row).unwrap()).collect()
}

#[test]
fn plaintext_is_kept_with_the_step_of_the_ratchet_on_sqlite() {
    plaintext_is_kept_with_the_step_of_the_ratchet::<TempDir>();
}

#[test]
fn plaintext_is_kept_with_the_step_of_the_ratchet_on_postgresql() {
    plaintext_is_kept_with_the_step_of_the_ratchet::<Schema>();
}

fn plaintext_is_kept_with_the_step_of_the_ratchet<D: Database>() {
    let (server, database) = (Server::new(), D::create());
    let (romeo, juliet) = (
        open(&server, "romeo@montague.lit", "phone"),
        juliet(&server, &database),
    );
    for word in ["But,", "soft!", "what", "light"] {
        romeo.send(&[&juliet.jid], word);
    }
    for message in arrived(&juliet) {
        let decrypted = wait(juliet.client.decrypt_in(message.clone(), keep(&database))).unwrap();
        assert_eq!(history(&database).last().cloned(), text(&decrypted));
        // The key is used up, and nothing is written a second time.
        let again = wait(juliet.client.decrypt_in(message, keep(&database)));
        assert!(is_repeated(&again), "{again:?}");
    }
    assert_eq!(history(&database), ["But,", "soft!", "what", "light"]);
}

/// That it was read before shows only after another load, and is validated by a commit, which nothing goes along with.
#[test]
fn nothing_is_kept_of_a_message_that_is_repeated_between_others() {
    let (server, directory) = (Server::new(), TempDir::new().unwrap());
    let (romeo, juliet) = (
        open(&server, "romeo@montague.lit", "phone"),
        juliet(&server, &directory),
    );
    romeo.send(&[&juliet.jid], "hello");
    for message in arrived(&juliet) {
        let _ = juliet.decrypt(message).unwrap();
    }
    juliet.flush();
    romeo.receive();
    for word in ["But,", "soft!", "what"] {
        romeo.send(&[&juliet.jid], word);
    }
    let words = arrived(&juliet);
    for word in [&words[0], &words[2]] {
        assert!(
            wait(juliet.client.decrypt_in(word.clone(), keep(&directory)))
                .unwrap()
                .received()
                .is_some()
        );
    }
    let again = wait(juliet.client.decrypt_in(words[2].clone(), keep(&directory)));
    assert!(is_repeated(&again), "{again:?}");
    assert_eq!(history(&directory), ["But,", "what"]);
}

#[test]
fn failure_takes_the_step_of_the_ratchet_back_on_sqlite() {
    failure_takes_the_step_of_the_ratchet_back::<TempDir>();
}

#[test]
fn failure_takes_the_step_of_the_ratchet_back_on_postgresql() {
    failure_takes_the_step_of_the_ratchet_back::<Schema>();
}

fn failure_takes_the_step_of_the_ratchet_back<D: Database>() {
    let (server, database) = (Server::new(), D::create());
    let (romeo, juliet) = (
        open(&server, "romeo@montague.lit", "phone"),
        juliet(&server, &database),
    );
    romeo.send(&[&juliet.jid], "But, soft!");
    let [message] = &arrived(&juliet)[..] else {
        panic!("one message")
    };
    for _ in 0..3 {
        let failed = wait(juliet.client.decrypt_in(message.clone(), fail(&database))).unwrap_err();
        let Error::Storage(failed) = &failed else {
            panic!("{failed:?}")
        };
        assert_eq!(failed.kind(), ErrorKind::Companion);
        assert!(history(&database).is_empty());
    }
    let _ = wait(juliet.client.decrypt_in(message.clone(), keep(&database))).unwrap();
    assert_eq!(history(&database), ["But, soft!"]);
}

/// Each time one await further: the row and the step of the ratchet are both there or neither, and the same call goes on.
/// How many awaits there are depends on how quickly SQLite's thread answers, so all is done again until there were many.
#[test]
fn dropped_at_any_await() {
    let (server, directory) = (Server::new(), TempDir::new().unwrap());
    let (romeo, juliet) = (
        open(&server, "romeo@montague.lit", "phone"),
        juliet(&server, &directory),
    );
    let mut dropped_at = BTreeSet::new();
    let mut sent = Vec::new();
    for _ in 0..200 {
        for polls in 0.. {
            sent.push(sent.len().to_string());
            let text_sent = sent.last().unwrap();
            romeo.send(&[&juliet.jid], text_sent);
            let [message] = &arrived(&juliet)[..] else {
                panic!("one message")
            };
            let polled = poll_often(juliet.client.decrypt_in(message.clone(), keep(&directory)), polls);
            let ended = polled.map(Result::unwrap).is_some();
            if !ended {
                dropped_at.insert(polls);
                let decrypted = wait(juliet.client.decrypt_in(message.clone(), keep(&directory))).unwrap();
                assert_eq!(text(&decrypted).as_ref(), Some(text_sent));
            }
            assert_eq!(history(&directory), sent);
            if ended {
                break;
            }
        }
        if dropped_at.len() > 5 {
            return;
        }
    }
    panic!("it was dropped at {} awaits only", dropped_at.len());
}

/// What is there with a row is not handed out to another call, and what is not there is: once it is, in either way.
#[test]
fn dropped_and_read_by_another_call() {
    let (server, directory) = (Server::new(), TempDir::new().unwrap());
    let (romeo, juliet) = (
        open(&server, "romeo@montague.lit", "phone"),
        juliet(&server, &directory),
    );
    let mut outcomes = BTreeSet::new();
    for round in 0..40 {
        for polls in 0.. {
            let said = format!("{round} {polls}");
            romeo.send(&[&juliet.jid], &said);
            let message = arrived(&juliet).remove(0);
            let polled = poll_often(juliet.client.decrypt_in(message.clone(), keep(&directory)), polls);
            let ended = polled.map(Result::unwrap).is_some();
            let page = wait(juliet.client.decrypt_many(vec![message.clone()])).unwrap();
            let handed_out = text(page[0].as_ref().unwrap()).is_some();
            assert_ne!(history(&directory).contains(&said), handed_out, "{said}");
            outcomes.insert(handed_out);
            // The same call goes on, and does nothing a second time.
            let _ = wait(juliet.client.decrypt_in(message, keep(&directory))).unwrap();
            let rows = history(&directory).into_iter().filter(|row| *row == said);
            assert_eq!(rows.count(), usize::from(!handed_out), "{said}");
            if ended {
                break;
            }
        }
    }
    assert_eq!(outcomes.len(), 2, "both ways were seen");
}

/// What a dropped call without writes has read is handed out, though without a row.
#[test]
fn dropped_without_writes_and_read_with_them() {
    let (server, directory) = (Server::new(), TempDir::new().unwrap());
    let (romeo, juliet) = (
        open(&server, "romeo@montague.lit", "phone"),
        juliet(&server, &directory),
    );
    let mut rows = BTreeSet::new();
    for round in 0..40 {
        for polls in 0.. {
            let said = format!("{round} {polls}");
            romeo.send(&[&juliet.jid], &said);
            let message = arrived(&juliet).remove(0);
            if poll_often(juliet.client.decrypt(message.clone()), polls).is_some() {
                break;
            }
            let read = wait(juliet.client.decrypt_in(message, keep(&directory))).unwrap();
            assert_eq!(text(&read), Some(said.clone()));
            rows.insert(history(&directory).contains(&said));
        }
    }
    assert_eq!(rows.len(), 2, "both ways were seen");
}

#[test]
fn message_is_kept_with_its_keys_on_sqlite() {
    message_is_kept_with_its_keys::<TempDir>();
}

#[test]
fn message_is_kept_with_its_keys_on_postgresql() {
    message_is_kept_with_its_keys::<Schema>();
}

fn message_is_kept_with_its_keys<D: Database>() {
    let (server, database) = (Server::new(), D::create());
    let (romeo, juliet) = (
        open(&server, "romeo@montague.lit", "phone"),
        juliet(&server, &database),
    );
    let request = |text: &str| {
        EncryptRequest::new(
            vec![romeo.jid.clone()],
            Namespace::OMEMO_2,
            text.as_bytes().to_vec(),
        )
    };
    let encrypted = wait(
        juliet
            .client
            .encrypt_in(request("Ay me!"), |transaction, encrypted| {
                let Encrypted::Complete(outgoing) = encrypted else {
                    panic!("{encrypted:?}")
                };
                let data = outgoing
                    .messages
                    .iter()
                    .map(|message| message.recipients.len())
                    .sum::<usize>();
                database.insert(transaction, vec![b'0' + data as u8])
            }),
    )
    .unwrap();
    assert_eq!(history(&database), ["1"]);
    assert_eq!(encrypted.complete().unwrap().encrypted_to.len(), 1);
}

/// What was lost is only the answer: sent again, the batch is there, and so is what went with it.
#[test]
fn resent_batch_takes_nothing_along() {
    let directory = TempDir::new().unwrap();
    let storage = wait(SqliteStorage::open(file(&directory))).unwrap();
    sql(&directory, "CREATE TABLE history (envelope BLOB NOT NULL) STRICT");
    let account = AccountId::new("juliet@capulet.lit").unwrap();
    let key = Key::new("p", "i").unwrap();
    let mut batch = Batch::new(CommitId::from_bytes([1; 16]));
    batch.put(key.clone(), None, Value::from(b"value".to_vec()));
    fn insert(transaction: &mut SqliteConnection) -> Companion<'_> {
        Box::pin(async move {
            let insert = sqlx::query("INSERT INTO history (envelope) VALUES (x'31')");
            insert.execute(transaction).await?;
            Ok(())
        })
    }
    for _ in 0..3 {
        assert_eq!(
            wait(storage.commit_with(&account, &batch, insert)).unwrap(),
            Committed::Applied
        );
        assert_eq!(history(&directory), ["1"]);
    }
    // On a conflict neither is written.
    let mut late = Batch::new(CommitId::from_bytes([2; 16]));
    late.put(key, None, Value::from(b"other".to_vec()));
    assert_eq!(
        wait(storage.commit_with(&account, &late, insert)).unwrap(),
        Committed::Conflict
    );
    assert_eq!(history(&directory), ["1"]);
    assert_eq!(
        wait(storage.commit(&account, &late)).unwrap(),
        Committed::Conflict
    );
}

/// Encrypts, and writes the plaintext into the application's table with it.
async fn encrypt_with_row(juliet: &Juliet, request: Arc<EncryptRequest>, said: &str) -> Encrypted {
    let encrypted = juliet.client.encrypt_in(request, |transaction, _| {
        let row = said.as_bytes().to_vec();
        Box::pin(async move {
            let insert = sqlx::query("INSERT INTO history (envelope) VALUES (?)").bind(row);
            insert.execute(transaction).await?;
            Ok(())
        })
    });
    encrypted.await.unwrap()
}

/// Says something to Romeo by calls that are dropped, twenty times at each await: what is said, and the request for it. Then
/// `check` has to bring it to its end.
fn drop_everywhere<T>(
    juliet: &Juliet,
    romeo: &Device,
    call: impl AsyncFn(Arc<EncryptRequest>, &str) -> T,
    check: impl Fn(Arc<EncryptRequest>, &str),
) {
    juliet.send(&[&romeo.jid], "hello");
    let mut dropped = 0;
    for round in 0..20 {
        for polls in 0.. {
            let said = format!("{round} {polls}");
            let plaintext = said.as_bytes().to_vec();
            let request = Arc::new(EncryptRequest::new(
                vec![romeo.jid.clone()],
                Namespace::OMEMO_2,
                plaintext,
            ));
            if poll_often(call(Arc::clone(&request), &said), polls).is_some() {
                break;
            }
            check(request, &said);
            dropped += 1;
        }
    }
    assert!(dropped > 20, "{dropped}");
}

/// A dropped call is taken up by one of its own kind alone: the row that goes with a message is there when that is handed out.
#[test]
fn dropped_without_writes_and_encrypted_with_them() {
    let (server, directory) = (Server::new(), TempDir::new().unwrap());
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = juliet(&server, &directory);
    let alone = async |request, _: &str| juliet.client.encrypt(request).await;
    drop_everywhere(&juliet, &romeo, alone, |request, said| {
        let encrypted = wait(encrypt_with_row(&juliet, request, said));
        assert!(encrypted.complete().is_ok());
        assert!(history(&directory).iter().any(|row| row == said), "{said}");
    });
}

/// A call whose row is there is not made again, whatever is decided meanwhile.
#[test]
fn the_row_of_a_dropped_call_is_written_once_though_a_device_list_has_come() {
    let (server, directory) = (Server::new(), TempDir::new().unwrap());
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = juliet(&server, &directory);
    let with_row = async |request, said: &str| encrypt_with_row(&juliet, request, said).await;
    drop_everywhere(&juliet, &romeo, with_row, |request, said| {
        let refresh = juliet
            .client
            .refresh_device_list(Namespace::OMEMO_2, romeo.jid.clone());
        assert!(wait(refresh).is_ok());
        let encrypted = wait(encrypt_with_row(&juliet, request, said));
        assert!(encrypted.complete().is_ok());
        let rows = history(&directory).into_iter().filter(|row| row == said);
        assert_eq!(rows.count(), 1, "{said}");
    });
}
