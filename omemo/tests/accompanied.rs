//! What an application writes together with a commit: all of both or none, once.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use common::{Device, open, open_on, text};
use omemo::blocking::wait;
use omemo::local::{Delivery, Server};
use omemo::{
    Companion, Content, DecryptFailure, Decrypted, EncryptRequest, Error, ErrorKind, IncomingMessage,
    Namespace, Transactional,
};
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Storage, Value};
use omemo_storage_sqlite::SqliteStorage;
use sqlx::{Row, SqliteConnection};
use tempfile::TempDir;

type Juliet = Device<SqliteStorage>;

/// Writes the plaintext into the application's table.
fn keep<'t>(transaction: &'t mut SqliteConnection, decrypted: &Decrypted) -> Companion<'t> {
    let Content::Plaintext(plaintext) = &decrypted.content else {
        panic!("no plaintext: {decrypted:?}");
    };
    let plaintext = plaintext.to_vec();
    Box::pin(async move {
        let insert = sqlx::query("INSERT INTO history (envelope) VALUES (?)").bind(plaintext);
        insert.execute(transaction).await?;
        Ok(())
    })
}

/// Writes, and fails then.
fn fail<'t>(transaction: &'t mut SqliteConnection, decrypted: &Decrypted) -> Companion<'t> {
    let kept = keep(transaction, decrypted);
    Box::pin(async move {
        kept.await?;
        Err("the application has thought better of it".into())
    })
}

/// A device on a file that has a table of the application besides.
fn juliet(server: &Server, directory: &TempDir) -> Juliet {
    let storage = wait(SqliteStorage::open(file(directory))).unwrap();
    let device = open_on(server, "juliet@capulet.lit", "phone", storage);
    sql(directory, "CREATE TABLE history (envelope BLOB NOT NULL) STRICT");
    device
}

fn file(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("omemo.db")
}

/// Runs a statement on a connection of its own; the first column of each row.
fn sql(directory: &TempDir, statement: &'static str) -> Vec<Vec<u8>> {
    use sqlx::Connection;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let url = format!("sqlite:{}", file(directory).display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let rows = sqlx::query(statement).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    })
}

fn history(directory: &TempDir) -> Vec<String> {
    let rows = sql(directory, "SELECT envelope FROM history ORDER BY rowid");
    rows.into_iter()
        .map(|row| String::from_utf8(row).unwrap())
        .collect()
}

/// The messages that have arrived.
fn arrived(device: &Juliet) -> Vec<IncomingMessage> {
    let deliveries = std::iter::from_fn(|| device.connection.receive());
    deliveries
        .filter_map(|delivery| match delivery {
            Delivery::Message(message) => Some(message),
            _ => None,
        })
        .collect()
}

#[test]
fn plaintext_is_kept_with_the_step_of_the_ratchet() {
    let (server, directory) = (Server::new(), TempDir::new().unwrap());
    let (romeo, juliet) = (
        open(&server, "romeo@montague.lit", "phone"),
        juliet(&server, &directory),
    );
    for word in ["But,", "soft!", "what", "light"] {
        romeo.send(&[&juliet.jid], word);
    }
    for message in arrived(&juliet) {
        let decrypted = wait(juliet.client.decrypt_in(message.clone(), keep)).unwrap();
        assert_eq!(history(&directory).last().cloned(), text(&decrypted));
        // The key is used up, and nothing is written a second time.
        let again = wait(juliet.client.decrypt_in(message, keep)).unwrap_err();
        assert!(
            matches!(again, Error::Decrypt(DecryptFailure::AlreadyDecrypted)),
            "{again:?}"
        );
    }
    assert_eq!(history(&directory), ["But,", "soft!", "what", "light"]);
}

#[test]
fn failure_takes_the_step_of_the_ratchet_back() {
    let (server, directory) = (Server::new(), TempDir::new().unwrap());
    let (romeo, juliet) = (
        open(&server, "romeo@montague.lit", "phone"),
        juliet(&server, &directory),
    );
    romeo.send(&[&juliet.jid], "But, soft!");
    let [message] = &arrived(&juliet)[..] else {
        panic!("one message")
    };
    for _ in 0..3 {
        let failed = wait(juliet.client.decrypt_in(message.clone(), fail)).unwrap_err();
        let Error::Storage(failed) = &failed else {
            panic!("{failed:?}")
        };
        assert_eq!(failed.kind(), ErrorKind::Companion);
        assert!(history(&directory).is_empty());
    }
    wait(juliet.client.decrypt_in(message.clone(), keep)).unwrap();
    assert_eq!(history(&directory), ["But, soft!"]);
}

/// Each time one await further: the row and the step of the ratchet are both there or neither, and the same call goes on.
#[test]
fn dropped_at_any_await() {
    let (server, directory) = (Server::new(), TempDir::new().unwrap());
    let (romeo, juliet) = (
        open(&server, "romeo@montague.lit", "phone"),
        juliet(&server, &directory),
    );
    let mut dropped = 0;
    for polls in 0.. {
        romeo.send(&[&juliet.jid], &polls.to_string());
        let [message] = &arrived(&juliet)[..] else {
            panic!("one message")
        };
        let ended = {
            let mut future = pin!(juliet.client.decrypt_in(message.clone(), keep));
            let mut context = Context::from_waker(Waker::noop());
            (0..polls).any(|_| {
                // The work goes on in a thread of SQLite's, so each poll is given time to find it further.
                std::thread::sleep(std::time::Duration::from_micros(150));
                matches!(future.as_mut().poll(&mut context), Poll::Ready(Ok(_)))
            })
        };
        if !ended {
            dropped += 1;
            let decrypted = wait(juliet.client.decrypt_in(message.clone(), keep)).unwrap();
            assert_eq!(text(&decrypted), Some(polls.to_string()));
        }
        let expected: Vec<_> = (0..=polls).map(|number| number.to_string()).collect();
        assert_eq!(history(&directory), expected);
        if ended {
            break;
        }
    }
    assert!(dropped > 5, "it was dropped at {dropped} awaits only");
}

#[test]
fn message_is_kept_with_its_keys() {
    let (server, directory) = (Server::new(), TempDir::new().unwrap());
    let (romeo, juliet) = (
        open(&server, "romeo@montague.lit", "phone"),
        juliet(&server, &directory),
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
                let data = encrypted
                    .messages
                    .iter()
                    .map(|message| message.recipients.len())
                    .sum::<usize>();
                Box::pin(async move {
                    let insert = sqlx::query("INSERT INTO history (envelope) VALUES (?)")
                        .bind(vec![b'0' + data as u8]);
                    insert.execute(transaction).await?;
                    Ok(())
                })
            }),
    )
    .unwrap();
    assert_eq!(history(&directory), ["1"]);
    assert_eq!(encrypted.encrypted_to.len(), 1);
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
