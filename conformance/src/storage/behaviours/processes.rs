//! Processes that share the data, and die.

use std::env;
use std::io::{BufRead, BufReader, Write, stdout};
use std::process::{Child, Command, Stdio};
use std::thread;

use omemo_storage::Storage;
use omemo_storage::blocking::wait;

use super::tenant::Tenant;
use super::together::{raise, raised};
use crate::storage::Factory;

/// Names the account to the processes that are started.
const ACCOUNT: &str = "OMEMO_CONFORMANCE_ACCOUNT";
/// What a process says when a commit was applied.
const APPLIED: &str = "conformance: applied";
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
        wait(raise(&tenant));
        writeln!(stdout(), "{APPLIED}").expect("the suite reads what is printed");
    }
}

/// Three processes write the same records and are killed (`SIGKILL`) at any time, four times over: every commit that was
/// acknowledged is there, each is there whole or not at all, and whoever opens the data next can go on.
pub async fn killed_processes_lose_nothing_acknowledged<F: Factory>(factory: &F) {
    let handle = factory.open().await.unwrap();
    let tenant = Tenant::new(&handle);
    raise(&tenant).await;
    let account = tenant.account.clone();
    drop(handle);
    let mut before = 1;
    for round in 0..ROUNDS {
        let acknowledged = run_and_kill(|| factory.writer(), account.as_str(), 5 + 7 * round);

        let handle = factory.open().await.unwrap();
        let tenant = Tenant::named(&handle, account.as_str());
        let found = raised(&tenant).await;
        // What was applied, and not told any more, may be there.
        let possible = before + acknowledged..=before + acknowledged + WRITERS;
        assert!(
            possible.contains(&found),
            "{found} commits are there, {possible:?} were made"
        );
        raise(&tenant).await;
        before = raised(&tenant).await;
        // A server may still be at work on what its clients can no longer hear of.
        let later = found + 1..=possible.end() + 1;
        assert!(
            later.contains(&before),
            "{before} commits are there, {later:?} were made"
        );
    }
}

/// Starts writers, kills each when it has acknowledged a number of commits, and tells how many all have acknowledged.
fn run_and_kill(writer: impl Fn() -> Command, account: &str, commits: usize) -> usize {
    let start = |_| {
        let mut command = writer();
        command
            .env(ACCOUNT, account)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let writer = command.spawn().expect("the factory's writer starts");
        thread::spawn(move || read_and_kill(writer, commits))
    };
    let writers: Vec<_> = (0..WRITERS).map(start).collect();
    writers.into_iter().map(|writer| writer.join().unwrap()).sum()
}

fn read_and_kill(mut writer: Child, commits: usize) -> usize {
    let mut acknowledged = 0;
    let mut complaints = String::new();
    for line in BufReader::new(writer.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains(APPLIED) {
            acknowledged += 1;
            if acknowledged == commits {
                writer.kill().unwrap();
            }
        } else {
            complaints.push_str(&line);
            complaints.push('\n');
        }
    }
    let status = writer.wait().unwrap();
    assert!(
        acknowledged >= commits,
        "a writer ended by itself ({status}) after {acknowledged} commits; it said: {complaints}"
    );
    acknowledged
}
