//! What was stored once can be read for ever: layout 1, as commands that make it, and the same is written today.
//!
//! Each line is a command, with bytes that are not plain as `\xhh`; `TIME` stands for the server's.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod common;

use common::server::Ordinary;
use common::{key, random};
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Name, Query, Revision, Storage, Value};
use omemo_storage_redis::{RedisOptions, RedisStorage};
use redis::{Client, Connection, cmd};

const LAYOUT_1: &str = include_str!("golden/v1.txt");

/// What the keys in the dump begin with.
const PREFIX: &str = "golden:";

fn accounts() -> [AccountId; 2] {
    ["romeo@montague.lit", "100%{juliet}é@capulet.lit"].map(|name| AccountId::new(name).unwrap())
}

fn id(number: u8) -> CommitId {
    CommitId::from_bytes([number; 16])
}

/// What is there at the end: whose, where, by which commit, and what.
fn contents() -> Vec<(AccountId, Key, u8, &'static [u8])> {
    let [romeo, juliet] = accounts();
    let contact = "contact/juliet@capulet.lit";
    vec![
        (romeo.clone(), key(contact, "contact"), 1, b"identity"),
        (romeo, key(contact, "session/1"), 2, b"\0later\r\n\xff"),
        (juliet, key("own {%", "räume  : }"), 3, b""),
    ]
}

/// A part of the server, and a connection to look at it.
struct Part {
    connection: Connection,
    prefix: String,
    storage: RedisStorage,
    _server: Ordinary,
}

impl Part {
    /// With what a dump tells.
    async fn with(dump: &str) -> Self {
        let server = Ordinary::durable();
        let prefix = format!("golden-{:x}", random());
        let client = Client::open(server.url.as_str()).unwrap();
        let mut connection = client.get_connection().unwrap();
        let (seconds, _): (u64, u64) = cmd("TIME").query(&mut connection).unwrap();
        for line in dump.lines() {
            let line = line.replace(PREFIX, &format!("{prefix}:"));
            let line = line.replace("TIME", &format!("{seconds}000"));
            let mut words = line.split(' ').map(unescaped);
            let mut command = redis::Cmd::new();
            command.arg(words.next().unwrap());
            command.arg(words.collect::<Vec<_>>());
            let _: redis::Value = command.query(&mut connection).unwrap();
        }
        let options = RedisOptions::new(&server.url).unwrap().prefix(&prefix);
        Self {
            connection,
            storage: options.open().await.unwrap(),
            prefix,
            _server: server,
        }
    }

    fn keys(&mut self) -> Vec<String> {
        let pattern = format!("{}:*", self.prefix);
        let mut keys: Vec<String> = cmd("KEYS").arg(pattern).query(&mut self.connection).unwrap();
        keys.sort();
        keys
    }

    fn ask<T: redis::FromRedisValue>(&mut self, question: &[&str]) -> T {
        let mut command = cmd(question[0]);
        command.arg(&question[1..]);
        command.query(&mut self.connection).unwrap()
    }

    /// The commands that make what is there.
    fn dump(&mut self) -> String {
        let mut lines = Vec::new();
        for key in self.keys() {
            let shown = escaped(key.replace(&format!("{}:", self.prefix), PREFIX).as_bytes());
            let kind: String = self.ask(&["TYPE", &key]);
            let mut entries: Vec<String> = match kind.as_str() {
                "string" => {
                    let value: Vec<u8> = self.ask(&["GET", &key]);
                    vec![format!("SET {shown} {}", escaped(&value))]
                }
                "set" => {
                    let members: Vec<Vec<u8>> = self.ask(&["SMEMBERS", &key]);
                    let lines = members
                        .iter()
                        .map(|member| format!("SADD {shown} {}", escaped(member)));
                    lines.collect()
                }
                "hash" => {
                    let fields: Vec<(Vec<u8>, Vec<u8>)> = self.ask(&["HGETALL", &key]);
                    let lines = fields
                        .iter()
                        .map(|(field, value)| format!("HSET {shown} {} {}", escaped(field), escaped(value)));
                    lines.collect()
                }
                "zset" => {
                    let members: Vec<(Vec<u8>, f64)> = self.ask(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]);
                    let lines = members.iter().map(|(member, score)| {
                        // What is no time is 0.
                        let score = if *score > 0.0 { "TIME" } else { "0" };
                        format!("ZADD {shown} {score} {}", escaped(member))
                    });
                    lines.collect()
                }
                other => panic!("{key} is a {other}"),
            };
            entries.sort();
            lines.append(&mut entries);
        }
        lines.join("\n") + "\n"
    }

    /// Writes what is in the dump.
    async fn write(&self) {
        let [romeo, juliet] = accounts();
        let contents = contents();
        let value = |n: usize| Value::from(contents[n].3.to_vec());
        let place = |n: usize| contents[n].1.clone();
        let mut first = Batch::new(id(1));
        first.put(place(0), None, value(0));
        first.put(place(1), None, Value::from(b"first".to_vec()));
        first.put(key("own", "account"), None, value(2));
        let mut second = Batch::new(id(2));
        second.put(place(1), Some(id(1).into()), value(1));
        second.delete(key("own", "account"), Some(id(1).into()));
        let mut third = Batch::new(id(3));
        third.put(place(2), None, value(2));
        for (account, batch) in [(&romeo, first), (&romeo, second), (&juliet, third)] {
            let committed = self.storage.commit(account, &batch).await.unwrap();
            assert_eq!(committed, Committed::Applied);
        }
    }
}

fn escaped(bytes: &[u8]) -> String {
    let escape = |byte: &u8| match byte {
        b'!'..=b'~' if *byte != b'\\' => char::from(*byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    };
    bytes.iter().map(escape).collect()
}

fn unescaped(word: &str) -> Vec<u8> {
    let mut parts = word.split("\\x");
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        let (byte, plain) = part.split_at(2);
        bytes.push(u8::from_str_radix(byte, 16).unwrap());
        bytes.extend_from_slice(plain.as_bytes());
    }
    bytes
}

#[tokio::test]
async fn layout_1_is_read() {
    let part = Part::with(LAYOUT_1).await;
    for (account, place, commit, value) in contents() {
        let mut by_name = Query::new();
        by_name.records.insert(place.clone());
        let mut by_partition = Query::new();
        by_partition
            .partitions
            .insert(Name::new(place.partition.as_str()).unwrap());
        for query in [by_name, by_partition] {
            let found = part.storage.load(&account, &query).await.unwrap();
            let record = &found.records[&place];
            assert_eq!(record.value.as_bytes(), value);
            assert_eq!(record.revision, Revision::from(id(commit)));
        }
        let listed = part.storage.records(&account, None, 10).await.unwrap().entries;
        assert!(
            listed
                .iter()
                .any(|info| info.key == place && info.bytes == value.len())
        );
    }
    let mut listed = part.storage.accounts(None, 10).await.unwrap().entries;
    listed.sort();
    let mut expected = accounts();
    expected.sort();
    assert_eq!(listed, expected);
}

/// Its commits are known, and what is there can be written over and purged.
#[tokio::test]
async fn layout_1_is_gone_on_with() {
    let mut part = Part::with(LAYOUT_1).await;
    let before = part.dump();
    for (account, place, commit, _) in contents() {
        let mut resent = Batch::new(id(commit));
        resent.put(place, Some(id(9).into()), Value::from(b"again".to_vec()));
        let committed = part.storage.commit(&account, &resent).await.unwrap();
        assert_eq!(committed, Committed::Applied);
    }
    assert_eq!(part.dump(), before);
    for (n, (account, place, commit, _)) in contents().into_iter().enumerate() {
        let mut next = Batch::new(id(10 + n as u8));
        next.put(place, Some(id(commit).into()), Value::from(b"next".to_vec()));
        let committed = part.storage.commit(&account, &next).await.unwrap();
        assert_eq!(committed, Committed::Applied);
    }
    for account in accounts() {
        part.storage.purge(&account).await.unwrap();
    }
    assert_eq!(part.keys(), [format!("{}:schema", part.prefix)]);
}

#[tokio::test]
async fn layout_1_is_what_is_written() {
    let mut part = Part::with("").await;
    part.write().await;
    let written = part.dump();
    for account in accounts() {
        part.storage.purge(&account).await.unwrap();
    }
    assert_eq!(written, LAYOUT_1, "{written}");
}
