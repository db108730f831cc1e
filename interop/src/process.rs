//! A process that is spoken to by lines.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a command may take, all that it asks for meanwhile included.
const COMMAND: Duration = Duration::from_secs(60);

/// How long the process may take to end once its input is closed.
const GOODBYE: Duration = Duration::from_secs(5);

/// A process that takes lines and answers by lines. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Arc<Mutex<String>>,
}

/// Until when a command must have been answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// As long from now as a command may take.
    pub(crate) fn of_command() -> Self {
        Self(Instant::now() + COMMAND)
    }
}

impl Process {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let output = child.stdout.take().expect("its output is piped");
        let errors = child.stderr.take().expect("its errors are piped");
        Self {
            input: child.stdin.take(),
            child,
            lines: lines(output),
            errors: gather(errors),
        }
    }

    /// Writes a line.
    pub(crate) fn write(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input is open");
        let written = input
            .write_all(line.as_bytes())
            .and_then(|()| input.write_all(b"\n"))
            .and_then(|()| input.flush());
        if let Err(error) = written {
            panic!("the peer cannot be written to: {error}\n{}", self.errors());
        }
    }

    /// Waits for a line; `what` says what for.
    pub(crate) fn line(&self, Deadline(end): Deadline, what: &str) -> String {
        let rest = end.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(rest) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                panic!(
                    "the peer took longer than {COMMAND:?} ({what})\n{}",
                    self.errors()
                )
            }
            Err(RecvTimeoutError::Disconnected) => panic!("the peer died ({what})\n{}", self.errors()),
        }
    }

    /// What it has written to its standard error.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.input = None;
        let end = Instant::now() + GOODBYE;
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines on a thread of its own, so that each can be waited for with a deadline.
fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Gathers what is written on a thread of its own, so that the process is never held up.
fn gather(errors: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let gathered = Arc::new(Mutex::new(String::new()));
    let shared = Arc::clone(&gathered);
    thread::spawn(move || {
        for line in BufReader::new(errors).lines().map_while(Result::ok) {
            let mut gathered = shared.lock().unwrap_or_else(PoisonError::into_inner);
            gathered.push_str(&line);
            gathered.push('\n');
        }
    });
    gathered
}
