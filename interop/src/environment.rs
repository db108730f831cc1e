//! The Python environment of the peer: made on first use, made anew when its requirements have changed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long one step of making the environment may take; wheels may have to be downloaded.
const STEP: Duration = Duration::from_secs(300);

/// How often a step is looked after.
const GLANCE: Duration = Duration::from_millis(20);

/// A virtual environment that holds python-omemo.
#[derive(Clone, Debug)]
pub struct Python {
    interpreter: PathBuf,
}

impl Python {
    /// Makes the environment below `directory`, unless it is there already. Processes that ask at the same time wait for
    /// each other. There is no way around: without `python3` or with a failing installation the test fails.
    pub fn prepare(directory: &Path) -> Self {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("python-omemo");
        let requirements = sources.join("requirements.txt");
        let environment = directory.join("python-omemo");
        fs::create_dir_all(directory).expect("the directory for the environment can be made");

        let lock = File::create(directory.join("python-omemo.lock")).expect("the lock can be made");
        lock.lock().expect("the environment can be locked");
        let version = run(directory, Command::new("python3").arg("--version"));
        let wanted = fs::read_to_string(&requirements).expect("the requirements can be read") + &version;
        let stamp = environment.join("made-from.txt");
        let python = Self {
            interpreter: environment.join("bin").join("python"),
        };
        if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) {
            return python;
        }
        let mut venv = Command::new("python3");
        run(directory, venv.args(["-m", "venv", "--clear"]).arg(&environment));
        let mut install = python.pip(&["install", "--no-deps", "--no-input", "--requirement"]);
        run(directory, install.arg(&requirements));
        run(directory, &mut python.pip(&["check"]));
        fs::write(&stamp, wanted).expect("the stamp can be written");
        python
    }

    fn pip(&self, arguments: &[&str]) -> Command {
        let mut command = self.command();
        command
            .args(["-m", "pip", "--disable-pip-version-check"])
            .args(arguments);
        command
    }

    /// The interpreter, to be given what to run.
    pub(crate) fn command(&self) -> Command {
        Command::new(&self.interpreter)
    }
}

/// Runs a command to its end and returns what it prints.
fn run(directory: &Path, command: &mut Command) -> String {
    let log = directory.join("python-omemo.log");
    let output = File::create(&log).expect("the log can be made");
    let errors = output.try_clone().expect("the log can be shared");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .unwrap_or_else(|error| {
            panic!("this test needs python3 with venv; {command:?} did not start: {error}")
        });
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
    let printed = fs::read_to_string(&log).unwrap_or_default();
    match status {
        Some(status) if status.success() => printed,
        Some(status) => {
            panic!("this test needs python3 with venv; {command:?} ended with {status}:\n{printed}")
        }
        None => panic!("{command:?} took longer than {STEP:?}:\n{printed}"),
    }
}
