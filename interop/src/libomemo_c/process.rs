//! The process in which the devices of libomemo-c live.

use std::path::Path;
use std::process::Command;

use omemo::Namespace;

use super::program;
use crate::process::{Deadline, Process};

/// The process, reached by lines of words.
#[derive(Debug)]
pub struct Libomemo {
    process: Process,
}

/// The error code of libomemo-c for a command that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(pub(super) i32);

impl Code {
    /// A message key was used before (`SG_ERR_DUPLICATE_MESSAGE`).
    pub(super) const DUPLICATE: Self = Self(-1001);

    /// Its name in `signal_protocol.h`, for those that tests meet.
    pub(super) fn name(self) -> String {
        let name = match self.0 {
            -1001 => "SG_ERR_DUPLICATE_MESSAGE",
            -1002 => "SG_ERR_INVALID_KEY",
            -1003 => "SG_ERR_INVALID_KEY_ID",
            -1004 => "SG_ERR_INVALID_MAC",
            -1005 => "SG_ERR_INVALID_MESSAGE",
            -1006 => "SG_ERR_INVALID_VERSION",
            -1007 => "SG_ERR_LEGACY_MESSAGE",
            -1008 => "SG_ERR_NO_SESSION",
            -1100 => "SG_ERR_INVALID_PROTO_BUF",
            other => return other.to_string(),
        };
        name.to_owned()
    }
}

impl Libomemo {
    /// Builds the program below `directory` if need be, and starts it.
    pub fn start(directory: &Path) -> Self {
        let process = Process::start(&mut Command::new(program::build(directory)));
        let hello = process.line(Deadline::of_command(), "to start");
        assert_eq!(hello, "ready", "unexpected greeting");
        Self { process }
    }

    /// Gives a command, and returns the words of the answer.
    pub(super) fn command(&mut self, words: &[&str]) -> Result<Vec<String>, Code> {
        self.process.write(&words.join(" "));
        let answer = self.process.line(Deadline::of_command(), words[0]);
        let mut words = answer.split(' ').map(str::to_owned);
        match words.next().as_deref() {
            Some("ok") => Ok(words.collect()),
            Some("error") => {
                let code = words.next().and_then(|code| code.parse().ok());
                Err(Code(code.unwrap_or_else(|| panic!("no error code: {answer}"))))
            }
            _ => panic!("the peer answered {answer}"),
        }
    }

    /// What the process has written to its standard error.
    pub(super) fn errors(&self) -> String {
        self.process.errors()
    }
}

/// The number that libomemo-c gives to a protocol.
pub(super) fn version(namespace: &Namespace) -> &'static str {
    match namespace.as_str() {
        "urn:xmpp:omemo:2" => "4",
        "eu.siacs.conversations.axolotl" => "3",
        other => panic!("libomemo-c does not know {other}"),
    }
}
