//! The process in which the devices of python-omemo live.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use omemo::{BareJid, DeviceId};
use serde_json::{Value, json};

use crate::environment::Python;
use crate::message::Address;
use crate::server::Server;

/// How long a command may take, all that it asks for meanwhile included.
const COMMAND: Duration = Duration::from_secs(60);

/// How long the process may take to end once its input is closed.
const GOODBYE: Duration = Duration::from_secs(5);

/// The process, reached by lines of JSON. It answers one command at a time.
#[derive(Debug)]
pub struct Peer {
    process: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Arc<Mutex<String>>,
    commands: u64,
    server: Server,
}

/// A command that failed in python-omemo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerError {
    /// The class of the exception.
    pub class: String,
    /// The class of what caused it.
    pub cause: Option<String>,
    /// What it says.
    pub text: String,
}

impl Peer {
    /// Starts the process.
    pub fn start(python: &Python, server: &Server) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python-omemo/peer.py");
        let mut process = python
            .command()
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the peer starts");
        let output = process.stdout.take().expect("its output is piped");
        let errors = process.stderr.take().expect("its errors are piped");
        let peer = Self {
            input: process.stdin.take(),
            process,
            lines: lines(output),
            errors: gather(errors),
            commands: 0,
            server: server.clone(),
        };
        let hello = peer.line(Instant::now() + COMMAND, "to start");
        assert!(hello.get("ready").is_some(), "unexpected greeting {hello}");
        peer
    }

    /// Gives a command and serves what the peer asks for until it is done.
    pub fn command(&mut self, name: &str, device: &str, mut arguments: Value) -> Result<Value, PeerError> {
        self.commands += 1;
        arguments["id"] = self.commands.into();
        arguments["cmd"] = name.into();
        arguments["device"] = device.into();
        self.write(&arguments);
        let end = Instant::now() + COMMAND;
        loop {
            let line = self.line(end, name);
            if let Some(call) = line.get("call") {
                let mut answer = match self.serve(&line) {
                    Ok(value) => json!({ "ok": value }),
                    Err(error) => json!({ "error": error }),
                };
                answer["call"] = call.clone();
                self.write(&answer);
                continue;
            }
            assert_eq!(line["id"], self.commands, "an answer to another command: {line}");
            return match line.get("error") {
                None => Ok(line["ok"].clone()),
                Some(error) => Err(PeerError {
                    class: text(&error["class"]),
                    cause: error["cause"].as_str().map(str::to_owned),
                    text: text(&error["text"]),
                }),
            };
        }
    }

    /// Does what the peer asks its server for.
    fn serve(&self, call: &Value) -> Result<Value, String> {
        let jid =
            |field: &str| BareJid::new(&text(&call[field])).map_err(|error| format!("{field}: {error}"));
        let device = || {
            let id = call["device_id"].as_u64().and_then(|id| u32::try_from(id).ok());
            id.map(DeviceId::new).ok_or("no device id")
        };
        let server = &self.server;
        match call["op"].as_str() {
            Some("upload_bundle") => server.set_bundle(&jid("jid")?, device()?, Some(text(&call["xml"]))),
            Some("delete_bundle") => server.set_bundle(&jid("jid")?, device()?, None),
            Some("upload_device_list") => server.set_device_list(&jid("jid")?, &text(&call["xml"])),
            Some("download_bundle") => return Ok(server.bundle(&jid("jid")?, device()?).into()),
            Some("download_device_list") => return Ok(server.device_list(&jid("jid")?).into()),
            Some("send_message") => {
                let from = Address::new(&jid("jid")?, &text(&call["device"]));
                server.send(&from, &[jid("to")?], text(&call["xml"]));
            }
            _ => return Err(format!("unknown call {call}")),
        }
        Ok(Value::Null)
    }

    fn write(&mut self, message: &Value) {
        let input = self.input.as_mut().expect("its input is open");
        let written = writeln!(input, "{message}").and_then(|()| input.flush());
        if let Err(error) = written {
            panic!("the peer cannot be written to: {error}\n{}", self.errors());
        }
    }

    fn line(&self, end: Instant, what: &str) -> Value {
        let rest = end.saturating_duration_since(Instant::now());
        let line = match self.lines.recv_timeout(rest) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                panic!(
                    "the peer took longer than {COMMAND:?} ({what})\n{}",
                    self.errors()
                )
            }
            Err(RecvTimeoutError::Disconnected) => panic!("the peer died ({what})\n{}", self.errors()),
        };
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the peer wrote no JSON: {error}: {line}"))
    }

    /// What the process has written to its standard error.
    pub fn errors(&self) -> String {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.input = None;
        let end = Instant::now() + GOODBYE;
        while Instant::now() < end {
            match self.process.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
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
