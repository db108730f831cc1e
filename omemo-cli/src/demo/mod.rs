//! `omemo demo`: a conversation in this process, each device on a database file of its own.

mod cast;
mod counts;
mod device;
mod letter;
mod person;
mod scenes;
mod stage;
mod wire;

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::failure::Failure;
use cast::Role;
use stage::Stage;

/// Plays the demo with its files in `dir`, or in a temporary directory that is removed at the end.
pub(crate) fn run(dir: Option<&Path>, out: &mut impl Write) -> Result<(), Failure> {
    match dir {
        Some(dir) => {
            claim(dir)?;
            writeln!(out, "Romeo and Juliet talk through a server in this process.")?;
            writeln!(
                out,
                "Each device keeps its keys in a file of its own in {}.\n",
                dir.display()
            )?;
            play(dir, out)?;
            writeln!(out, "\nThe files are kept. To look at them:\n")?;
            let file = dir.join(Role::JulietPhone.file());
            writeln!(out, "   omemo inspect sqlite:{}", file.display())?;
            writeln!(out, "   omemo fingerprint sqlite:{}", file.display())?;
        }
        None => {
            let dir = tempfile::tempdir()
                .map_err(|error| Failure::because("no temporary directory can be made", error))?;
            writeln!(out, "Romeo and Juliet talk through a server in this process.")?;
            writeln!(
                out,
                "Each device keeps its keys in a file of its own in a temporary directory.\n"
            )?;
            play(dir.path(), out)?;
        }
    }
    Ok(())
}

/// Takes a directory that is new or empty. What the devices of an earlier demo had published is gone with its server, so
/// that its files are of no use to another one.
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

fn play(dir: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let mut stage = Stage::new(dir, out)?;
    scenes::play(&mut stage)?;
    stage.curtain()
}
