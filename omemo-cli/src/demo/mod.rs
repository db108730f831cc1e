//! `omemo demo`: a conversation in this process, each device on a database file of its own.

mod cast;
mod counts;
mod device;
mod letter;
mod person;
mod scenes;
mod stage;
mod wire;

use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::Path;

use crate::failure::Failure;
use cast::Role;
use stage::Stage;

/// Plays the demo with its files in `dir`, or in a temporary directory that is removed at the end.
pub(crate) fn run(dir: Option<&Path>, out: &mut impl Write) -> Result<(), Failure> {
    let Some(dir) = dir else {
        let temporary = tempfile::tempdir()
            .map_err(|error| Failure::because("no temporary directory can be made", error))?;
        return play(temporary.path(), "a temporary directory", out);
    };
    claim(dir)?;
    play(dir, dir.display(), out)?;
    writeln!(out, "\nThe files are kept. To look at them:\n")?;
    let file = dir.join(Role::JulietPhone.file());
    for command in ["inspect", "fingerprint"] {
        writeln!(out, "   omemo {command} sqlite:{}", file.display())?;
    }
    Ok(())
}

/// Takes a directory that is new or empty. What the devices of an earlier demo had published is gone with its server, so
/// its files are of no use to another one.
fn claim(dir: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::because(dir.display(), error);
    fs::create_dir_all(dir).map_err(failed)?;
    if fs::read_dir(dir).map_err(failed)?.next().is_some() {
        return Err(Failure::new(format!(
            "{} is not empty, and the demo begins with new devices; give it a new directory",
            dir.display()
        )));
    }
    Ok(())
}

fn play(dir: &Path, called: impl Display, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "Romeo and Juliet talk through a server in this process.")?;
    writeln!(
        out,
        "Each device keeps its keys in a file of its own in {called}.\n"
    )?;
    let mut stage = Stage::new(dir, out)?;
    scenes::play(&mut stage)?;
    stage.curtain()
}
