//! Processes that share the data, and die.

use std::env;
use std::io::{BufRead, BufReader, Write, stdout};
use std::process::{Child, Command, Stdio};
use std::thread;

use omemo_storage::blocking::wait;
use omemo_storage::{Committed, Storage};

use super::tenant::{Tenant, batch, key, readable, text};
use crate::storage::Factory;

/// Names the account to the processes that are started.
const ACCOUNT: &str = "OMEMO_CONFORMANCE_ACCOUNT";
/// What a process says when a commit was applied.
const APPLIED: &str = "conformance: applied";
/// How many records each commit writes, all with the same value.
const RECORDS: usize = 20;
const WRITERS: usize = 3;
const ROUNDS: usize = 4;

/// What the process of [`Factory::writer`] does: commits over and over, and prints a line for each commit that was
/// applied. The suite reads the lines and kills it.
///
/// # Panics
///
/// If the suite has not started this process, or nobody reads its output any more, or the storage fails.
pub fn write_until_killed<S: Storage>(storage: &S) -> ! {
    let account = env::var(ACCOUNT).expect("the suite starts this process and names an account");
    let tenant = Tenant::named(storage, &account);
    loop {
        if wait(raise(&tenant)) == Committed::Applied {
            writeln!(stdout(), "{APPLIED}").expect("the suite reads what is printed");
        }
    }
}

/// Adds one to the value that all records have.
async fn raise<S: Storage>(tenant: &Tenant<'_, S>) -> Committed {
    let records = tenant.partition("p").await;
    let raised = value(
        &records
            .values()
            .map(|record| readable(&record.value))
            .collect::<Vec<_>>(),
    ) + 1;
    let mut batch = batch();
    for item in 0..RECORDS {
        let key = key("p", &item.to_string());
        let expected = records.get(&key).map(|record| record.revision);
        batch.put(key, expected, text(&raised.to_string()));
    }
    tenant.commit(&batch).await
}

/// The value that all records have; 0 where there are none.
fn value(values: &[String]) -> usize {
    let Some(first) = values.first() else { return 0 };
    assert_eq!(values.len(), RECORDS, "a commit was torn");
    assert!(
        values.iter().all(|value| value == first),
        "a commit was torn: {values:?}"
    );
    first.parse().unwrap()
}

/// Three processes write the same records and are killed (`SIGKILL`) at any time, four times over: every commit that was
/// acknowledged is there, each is there whole or not at all, and whoever opens the data next can go on.
pub async fn killed_processes_lose_nothing_acknowledged<F: Factory>(factory: &F) {
    let handle = factory.open().await.unwrap();
    let tenant = Tenant::new(&handle);
    assert_eq!(raise(&tenant).await, Committed::Applied);
    let account = tenant.account.clone();
    drop(handle);
    let (mut acknowledged, mut possible) = (1, 1);
    for round in 0..ROUNDS {
        let acknowledgements = run_and_kill(|| factory.writer(), account.as_str(), 5 + 7 * round);
        acknowledged += acknowledgements;
        possible += acknowledgements + WRITERS;

        let handle = factory.open().await.unwrap();
        let tenant = Tenant::named(&handle, account.as_str());
        let records = tenant.partition("p").await;
        let found = value(
            &records
                .values()
                .map(|record| readable(&record.value))
                .collect::<Vec<_>>(),
        );
        assert!(
            (acknowledged..=possible).contains(&found),
            "{acknowledged} to {possible} commits were made, {found} are there"
        );
        while raise(&tenant).await == Committed::Conflict {}
        acknowledged += 1;
        possible += 1;
    }
}

/// Starts writers, kills each when it has acknowledged a number of commits, and tells how many all have acknowledged.
fn run_and_kill(writer: impl Fn() -> Command, account: &str, commits: usize) -> usize {
    let writers: Vec<Child> = (0..WRITERS)
        .map(|_| {
            let mut command = writer();
            command
                .env(ACCOUNT, account)
                .stdout(Stdio::piped())
                .stdin(Stdio::null());
            command.spawn().expect("the factory's writer starts")
        })
        .collect();
    let acknowledged = writers
        .into_iter()
        .map(|writer| thread::spawn(move || read_and_kill(writer, commits)));
    let acknowledged: Vec<_> = acknowledged.collect();
    acknowledged
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum()
}

fn read_and_kill(mut writer: Child, commits: usize) -> usize {
    let mut acknowledged = 0;
    for line in BufReader::new(writer.stdout.take().unwrap()).lines() {
        if line.unwrap().contains(APPLIED) {
            acknowledged += 1;
            if acknowledged == commits {
                writer.kill().unwrap();
            }
        }
    }
    let status = writer.wait().unwrap();
    assert!(
        acknowledged >= commits,
        "a writer ended by itself ({status}) after {acknowledged} commits"
    );
    acknowledged
}
