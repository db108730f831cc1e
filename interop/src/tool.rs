//! Running the programs that make a peer.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long one step may take; packages may have to be downloaded.
const STEP: Duration = Duration::from_secs(300);

/// How often a step is looked after.
const GLANCE: Duration = Duration::from_millis(10);

/// What a test needs of the machine: without it the test fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs(pub(crate) &'static str);

impl Needs {
    /// Runs a command to its end and returns what it prints, which also stands in `log`.
    pub(crate) fn run(self, log: &Path, command: &mut Command) -> String {
        let Self(needed) = self;
        let output = File::create(log).expect("the log can be made");
        let errors = output.try_clone().expect("the log can be shared");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("this test needs {needed}; {command:?} did not start: {error}"));
        let end = Instant::now() + STEP;
        let status = loop {
            match child.try_wait().expect("a child can be waited for") {
                Some(status) => break Some(status),
                None if Instant::now() >= end => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break None;
                }
                None => thread::sleep(GLANCE),
            }
        };
        let printed = fs::read_to_string(log).unwrap_or_default();
        match status {
            Some(status) if status.success() => printed,
            Some(status) => panic!("this test needs {needed}; {command:?} ended with {status}:\n{printed}"),
            None => panic!("{command:?} took longer than {STEP:?}:\n{printed}"),
        }
    }
}

/// Holds a lock file as long as it lives: processes that prepare the same thing wait for each other.
pub(crate) fn lock(path: &Path) -> File {
    let lock = File::create(path).expect("the lock can be made");
    lock.lock().expect("the lock can be taken");
    lock
}
