//! A server that keeps the keys of many accounts: 10,000 of them on one PostgreSQL or Redis, served by several processes
//! of several tasks each, any of which may serve any account; the processes are replaced one by one while they work.
//!
//! ```text
//! cargo run --release -p omemo --example multi_tenant -- postgres://user@host/database
//! cargo run --release -p omemo --example multi_tenant -- redis://host --accounts 1000 --seconds 20
//! cargo run --release -p omemo --example multi_tenant -- redis-cluster://host --wait-for-replicas 1
//! ```
//!
//! First each process opens its share of the accounts, in pairs that get to know each other. Then they serve: a task takes
//! any pair, has the one write and the other read, and goes on to the next. Halfway every process hands over to a new one:
//! it is told to stop, ends what it has in hand, and reports. Nothing is agreed on between processes, since every
//! commit states what it relied on. At the end as many messages must have been read as were written, and the metrics must have
//! counted them.
//!
//! `worker` is what a process does, `metrics` what it counts of what the library tells by `tracing`.

mod metrics;
mod options;
mod worker;

use std::error::Error;
use std::io::Read;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use options::{Options, Role};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("multi_tenant: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let options = Options::from_arguments(std::env::args().skip(1))?;
    match options.role {
        Role::Parent => supervise(&options),
        Role::Opener(share) => on_tokio(worker::open_accounts(&options, share)),
        Role::Server => on_tokio(worker::serve(&options)),
    }
}

fn on_tokio(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Starts the processes, replaces each halfway, stops them, and adds up what they report.
fn supervise(options: &Options) -> Result<(), Failure> {
    let begun = Instant::now();
    let openers = (0..options.processes).map(|share| Process::start(options, &format!("opener:{share}")));
    for opener in openers.collect::<Result<Vec<_>, _>>()? {
        opener.end()?;
    }
    println!(
        "{} accounts open after {:.1} s",
        options.accounts,
        begun.elapsed().as_secs_f64()
    );

    let half = Duration::from_secs(options.seconds) / 2;
    let start = || Process::start(options, "server");
    let mut serving = (0..options.processes)
        .map(|_| start())
        .collect::<Result<Vec<_>, _>>()?;
    let mut reports = Vec::new();
    thread::sleep(half);
    for process in &mut serving {
        let old = std::mem::replace(process, start()?);
        reports.push(old.end()?);
    }
    thread::sleep(half);
    for process in serving {
        reports.push(process.end()?);
    }

    let (mut written, mut read, mut encrypted) = (0, 0, 0);
    for report in &reports {
        print!("{report}");
        written += number(report, "written")?;
        read += number(report, "read")?;
        // A process that wrote nothing has no such operation to report.
        encrypted += number(report, "encrypt").unwrap_or_default();
    }
    let rate = read as f64 / options.seconds as f64;
    println!(
        "{} processes, each replaced once: {written} messages written, {read} read, {rate:.0} a second",
        options.processes
    );
    if written != read || read == 0 {
        return Err(format!("{written} messages were written and {read} read").into());
    }
    // Each message is one operation at least.
    if encrypted < written {
        return Err(format!("{written} messages were written, of which the metrics have {encrypted}").into());
    }
    Ok(())
}

/// The number that stands before a word.
fn number(report: &str, word: &str) -> Result<u64, Failure> {
    let words: Vec<&str> = report.split_whitespace().collect();
    let found = words.windows(2).find_map(|pair| match pair {
        [number, is] if is.trim_end_matches(',') == word => number.parse().ok(),
        _ => None,
    });
    found.ok_or_else(|| format!("a process did not report how much was {word}").into())
}

/// This program again, in another role. Its standard input is open as long as it is to work.
struct Process(Child);

impl Process {
    fn start(options: &Options, role: &str) -> Result<Self, Failure> {
        let child = Command::new(std::env::current_exe()?)
            .args(options.for_role(role))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    /// Tells it to stop; what it has reported when it has ended.
    fn end(mut self) -> Result<String, Failure> {
        drop(self.0.stdin.take());
        let mut report = String::new();
        if let Some(mut output) = self.0.stdout.take() {
            output.read_to_string(&mut report)?;
        }
        let status = self.0.wait()?;
        if status.success() {
            Ok(report)
        } else {
            Err(format!("a process has failed: {status}").into())
        }
    }
}
