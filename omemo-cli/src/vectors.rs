//! `omemo vectors`: replay of interoperability vectors.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use omemo_conformance::vectors::replay_dir;

/// Replays the vectors in a directory, or those of the named sets alone. Prints a line for each set, with what failed
/// below it, and the total. Succeeds if something was replayed and nothing failed.
pub(crate) fn run(dir: &Path, only: &[String]) -> ExitCode {
    let replayed = replay_dir(dir, only).and_then(|report| {
        write!(io::stdout().lock(), "{report}")?;
        Ok(report.is_success())
    });
    match replayed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing is left to be done if this cannot be written either.
            let _ = writeln!(io::stderr().lock(), "omemo: {}: {error}", dir.display());
            ExitCode::FAILURE
        }
    }
}
