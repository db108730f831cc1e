//! The Python environment of the peer: made on first use, made anew when its requirements have changed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::measure::Failure;

/// Makes the environment below `directory`, unless it is there already. Its interpreter.
pub(super) fn interpreter(directory: &Path) -> Result<PathBuf, Failure> {
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/python-omemo/requirements.txt");
    let environment = directory.join("python-omemo");
    let interpreter = environment.join("bin").join("python");

    let lock = File::create(directory.join("python-omemo.lock"))?;
    lock.lock()?;
    let version = run(Command::new("python3").arg("--version"))?;
    let wanted = fs::read_to_string(&requirements)? + &version;
    let stamp = environment.join("made-from.txt");
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) {
        return Ok(interpreter);
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&environment))?;
    run(pip(&interpreter)
        .args(["install", "--no-deps", "--no-input", "--requirement"])
        .arg(&requirements))?;
    run(pip(&interpreter).arg("check"))?;
    fs::write(&stamp, wanted)?;
    Ok(interpreter)
}

fn pip(interpreter: &Path) -> Command {
    let mut command = Command::new(interpreter);
    command.args(["-m", "pip", "--disable-pip-version-check"]);
    command
}

/// Runs a command to its end and returns what it prints.
fn run(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("python3 with venv is needed; {command:?} did not start: {error}"))?;
    if !output.status.success() {
        let (status, errors) = (output.status, String::from_utf8_lossy(&output.stderr));
        return Err(format!("python3 with venv is needed; {command:?} ended with {status}: {errors}").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
