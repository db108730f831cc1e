//! Building the program.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tool::{Needs, lock};

const NEEDS: Needs = Needs(
    "a C compiler, pkg-config, libomemo-c and libcrypto: apt-get install build-essential pkg-config libomemo-c-dev \
     libssl-dev",
);

/// The libraries, by their names for pkg-config.
const LIBRARIES: [&str; 2] = ["libomemo-c", "libcrypto"];

/// Builds the program below `directory`, unless it is there already. There is no way around: where something is missing,
/// the test fails.
pub(super) fn build(directory: &Path) -> PathBuf {
    fs::create_dir_all(directory).expect("the directory for the program can be made");
    let _lock = lock(&directory.join("libomemo-c.lock"));
    let log = directory.join("libomemo-c.log");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("libomemo-c");
    let files = files(&sources);
    let versions = NEEDS.run(&log, pkg_config().arg("--modversion").args(LIBRARIES));
    let wanted = files.iter().fold(versions, |text, file| {
        text + &fs::read_to_string(file).expect("the sources can be read")
    });

    let program = directory.join("libomemo-c-peer");
    let stamp = directory.join("libomemo-c.made-from");
    if program.exists() && fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) {
        return program;
    }
    let flags = NEEDS.run(&log, pkg_config().args(["--cflags", "--libs"]).args(LIBRARIES));
    let units = files
        .iter()
        .filter(|file| file.extension() == Some(OsStr::new("c")));
    let mut compiler = Command::new("cc");
    compiler
        .args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-o"])
        .arg(&program)
        .args(units)
        .args(flags.split_ascii_whitespace());
    NEEDS.run(&log, &mut compiler);
    fs::write(&stamp, wanted).expect("the stamp can be written");
    program
}

fn pkg_config() -> Command {
    Command::new("pkg-config")
}

fn files(sources: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(sources).expect("the sources can be listed");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("the sources can be listed").path())
        .collect();
    files.sort();
    files
}
