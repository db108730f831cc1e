//! `omemo vectors`: replay of interoperability vectors.

use std::path::Path;
use std::process::ExitCode;

/// Replays the vectors in a directory.
pub(crate) fn run(_dir: &Path, _only: &[String]) -> ExitCode {
    eprintln!("omemo: the replay of vectors is not in this build");
    ExitCode::FAILURE
}
