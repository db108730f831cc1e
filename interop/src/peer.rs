//! The process in which the devices of python-omemo live.

use std::path::Path;

use omemo::{BareJid, DeviceId};
use omemo_xml::Format;
use serde_json::{Value, json};

use crate::environment::Python;
use crate::message::Address;
use crate::process::{Deadline, Process};
use crate::server::Server;

/// The process, reached by lines of JSON. It answers one command at a time.
#[derive(Debug)]
pub struct Peer {
    process: Process,
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
        let peer = Self {
            process: Process::start(python.command().arg(script)),
            commands: 0,
            server: server.clone(),
        };
        let hello = peer.line(Deadline::of_command(), "to start");
        assert!(hello.get("ready").is_some(), "unexpected greeting {hello}");
        peer
    }

    /// Gives a command and serves what the peer asks for until it is done.
    pub fn command(&mut self, name: &str, device: &str, mut arguments: Value) -> Result<Value, PeerError> {
        self.commands += 1;
        arguments["id"] = self.commands.into();
        arguments["cmd"] = name.into();
        arguments["device"] = device.into();
        self.process.write(&arguments.to_string());
        let end = Deadline::of_command();
        loop {
            let line = self.line(end, name);
            if let Some(call) = line.get("call") {
                let mut answer = match self.serve(&line) {
                    Ok(value) => json!({ "ok": value }),
                    Err(error) => json!({ "error": error }),
                };
                answer["call"] = call.clone();
                self.process.write(&answer.to_string());
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
        let namespace = || {
            let named = |format: &&Format| call["namespace"] == format.namespace().as_str();
            let format = Format::ALL.iter().find(named);
            format
                .map(|format| format.namespace())
                .ok_or("no known namespace")
        };
        let server = &self.server;
        match call["op"].as_str() {
            Some("upload_bundle") => {
                server.set_bundle(&namespace()?, &jid("jid")?, device()?, Some(text(&call["xml"])));
            }
            Some("delete_bundle") => server.set_bundle(&namespace()?, &jid("jid")?, device()?, None),
            Some("upload_device_list") => {
                server.set_device_list(&namespace()?, &jid("jid")?, &text(&call["xml"]));
            }
            Some("download_bundle") => {
                return Ok(server.bundle(&namespace()?, &jid("jid")?, device()?).into());
            }
            Some("download_device_list") => {
                return Ok(server.device_list(&namespace()?, &jid("jid")?).into());
            }
            Some("send_message") => {
                let from = Address::new(&jid("jid")?, &text(&call["device"]));
                server.send(&from, &[jid("to")?], text(&call["xml"]));
            }
            _ => return Err(format!("unknown call {call}")),
        }
        Ok(Value::Null)
    }

    fn line(&self, end: Deadline, what: &str) -> Value {
        let line = self.process.line(end, what);
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the peer wrote no JSON: {error}: {line}"))
    }

    /// What the process has written to its standard error.
    pub fn errors(&self) -> String {
        self.process.errors()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
