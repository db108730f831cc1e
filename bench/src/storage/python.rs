//! python-omemo, in a process of its own that times itself; see `python_omemo.py`.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::environment;
use crate::measure::Failure;

pub(super) struct PythonOmemo {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// The statement that values are written with.
#[derive(Clone, Copy)]
pub(super) enum Write {
    /// Spares the disk where a value stays the same.
    Upsert,
    /// Writes each time.
    Replace,
}

/// What a message took.
pub(super) struct Message {
    pub(super) ns: u64,
    pub(super) commits: u64,
}

impl PythonOmemo {
    /// Starts it, its environment in `directory`; it has sessions with so many devices then.
    pub(super) fn start(
        directory: &Path,
        databases: &Path,
        devices: usize,
        plaintext: usize,
    ) -> Result<Self, Failure> {
        let interpreter = environment::interpreter(directory)?;
        let mut process = Command::new(interpreter)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python_omemo.py"))
            .arg(databases.join("python-omemo.db"))
            .args([devices.to_string(), plaintext.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let mut peer = Self {
            process,
            input,
            output: BufReader::new(output.ok_or("its output is not piped")?),
        };
        peer.answer()?;
        Ok(peer)
    }

    /// Lets it encrypt a message to all its devices.
    pub(super) fn message(&mut self, write: Write) -> Result<Message, Failure> {
        let input = self.input.as_mut().ok_or("its input is closed")?;
        input.write_all(match write {
            Write::Upsert => b"upsert\n",
            Write::Replace => b"replace\n",
        })?;
        let answer = self.answer()?;
        let number = |name: &str| {
            let number = answer.get(name).and_then(Value::as_u64);
            number.ok_or_else(|| format!("python-omemo did not say {name}"))
        };
        Ok(Message {
            ns: number("ns")?,
            commits: number("commits")?,
        })
    }

    fn answer(&mut self) -> Result<Value, Failure> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(format!("python-omemo has ended: {}", self.process.wait()?).into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for PythonOmemo {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.input.take());
        let _ = self.process.wait();
    }
}
