//! Why a command failed.

use std::fmt::{self, Display};
use std::io;
use std::process::ExitCode;

use omemo_storage::StorageError;

/// Why a command failed, in one line for a person.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was called wrongly.
    Usage(String),
    /// It could not be done.
    Failed(String),
    /// What it had to say could not be written.
    Output(io::Error),
}

impl Failure {
    /// Something could not be done.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// Something could not be done, and why.
    pub(crate) fn because(what: impl Display, error: impl Display) -> Self {
        Self::Failed(format!("{what}: {error}"))
    }

    /// Says what the failure is about.
    pub(crate) fn about(self, what: impl Display) -> Self {
        match self {
            Self::Failed(message) => Self::because(what, message),
            other => other,
        }
    }

    /// Tells the person, and what started the program.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            // Whoever reads has seen enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Self::Usage(_) => self.say(2),
            Self::Failed(_) | Self::Output(_) => self.say(1),
        }
    }

    fn say(&self, code: u8) -> ExitCode {
        eprintln!("omemo: {self}");
        ExitCode::from(code)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Failed(message) => f.write_str(message),
            Self::Output(error) => write!(f, "the output cannot be written: {error}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

macro_rules! failures {
    ($($error:ty),*) => {
        $(
            impl From<$error> for Failure {
                fn from(error: $error) -> Self {
                    Self::Failed(error.to_string())
                }
            }
        )*
    };
}

failures!(omemo::Error, omemo_xml::XmlError, StorageError);
