//! The Python environment of the peer: made on first use, made anew when its requirements have changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tool::{Needs, lock};

const NEEDS: Needs = Needs("python3 (3.10 or newer) with venv: apt-get install python3 python3-venv");

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

        let _lock = lock(&directory.join("python-omemo.lock"));
        let log = directory.join("python-omemo.log");
        let version = NEEDS.run(&log, Command::new("python3").arg("--version"));
        let wanted = fs::read_to_string(&requirements).expect("the requirements can be read") + &version;
        let stamp = environment.join("made-from.txt");
        let python = Self {
            interpreter: environment.join("bin").join("python"),
        };
        if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) {
            return python;
        }
        let mut venv = Command::new("python3");
        NEEDS.run(&log, venv.args(["-m", "venv", "--clear"]).arg(&environment));
        let mut install = python.pip(&["install", "--no-deps", "--no-input", "--requirement"]);
        NEEDS.run(&log, install.arg(&requirements));
        NEEDS.run(&log, &mut python.pip(&["check"]));
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
