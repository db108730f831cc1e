//! Files, sets and cases.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::checks::{Checks, Verdict};
use super::report::{Report, SetReport};
use super::{messages, ratchet, x3dh, xeddsa};

const OMEMO_2: &str = "urn:xmpp:omemo:2";

/// The directory of whole storages of another implementation, one a file.
const STORAGE_IMPORT: &str = "storage_import";

/// A file.
#[derive(Deserialize)]
struct Set {
    set: String,
    namespace: Option<String>,
    count: usize,
    cases: Vec<Value>,
    edge: Option<Vec<Value>>,
}

/// How the cases of a set are replayed.
struct Kind {
    namespace: Option<&'static str>,
    case: fn(&Value, &mut Checks) -> Verdict,
    /// For a set that has single inputs besides its cases.
    edge: Option<fn(&Value, &mut Checks) -> Verdict>,
}

impl Kind {
    fn named(set: &str) -> Option<Self> {
        let of_omemo2 = |case| Self {
            namespace: Some(OMEMO_2),
            case,
            edge: None,
        };
        match set {
            "xeddsa" => Some(Self {
                namespace: None,
                case: xeddsa::case,
                edge: Some(xeddsa::edge),
            }),
            "x3dh_twomemo" => Some(of_omemo2(x3dh::case)),
            "ratchet_twomemo" => Some(of_omemo2(ratchet::case)),
            "messages_twomemo" => Some(of_omemo2(messages::case)),
            _ => None,
        }
    }
}

/// Replays every set in a directory: each file `*.json`, and the directory `storage_import`. With names in `only`,
/// those sets alone; one that is not there counts as failed.
///
/// # Errors
///
/// If the directory or a file in it cannot be read. What a file holds is no error here, but a failure in the report.
pub fn replay_dir(dir: &Path, only: &[String]) -> io::Result<Report> {
    let mut report = Report::default();
    for path in json_files(dir)? {
        match read(&path)? {
            Ok(set) if is_wanted(&set.set, only) => report.sets.push(replay(set)),
            Ok(_) => {}
            Err(unreadable) => report.sets.push(unreadable),
        }
    }
    let dumps = dir.join(STORAGE_IMPORT);
    if is_wanted(STORAGE_IMPORT, only) && dumps.is_dir() {
        let mut set = SetReport::new(STORAGE_IMPORT);
        set.supported = false;
        for path in json_files(&dumps)? {
            set.fail(file_name(&path), "not supported");
        }
        report.sets.push(set);
    }
    for name in only {
        if !report.sets.iter().any(|set| set.name == *name) {
            let mut set = SetReport::new(name);
            set.fail(dir.display().to_string(), "there is no such set");
            report.sets.push(set);
        }
    }
    Ok(report)
}

fn is_wanted(set: &str, only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|name| name == set)
}

/// Replays the set in a file.
///
/// # Errors
///
/// If the file cannot be read. What it holds is no error here, but a failure in the report.
pub fn replay_file(path: &Path) -> io::Result<SetReport> {
    Ok(read(path)?.map_or_else(|unreadable| unreadable, replay))
}

/// Reads a file; if it holds no set, what to report of it.
fn read(path: &Path) -> io::Result<Result<Set, SetReport>> {
    let bytes = fs::read(path)?;
    Ok(serde_json::from_slice(&bytes).map_err(|error| {
        let mut report = SetReport::new(file_name(path));
        report.fail(file_name(path), format!("not a set: {error}"));
        report
    }))
}

fn replay(set: Set) -> SetReport {
    let mut report = SetReport::new(set.set);
    let Some(kind) = Kind::named(&report.name) else {
        report.supported = false;
        for (index, case) in set.cases.iter().enumerate() {
            report.fail(case_name(case, index), "not supported");
        }
        return report;
    };
    if set.namespace.as_deref() != kind.namespace {
        report.fail("set", format!("its namespace is {:?}", set.namespace));
    }
    if set.cases.len() != set.count || set.cases.is_empty() {
        report.fail("set", format!("{} cases of {}", set.cases.len(), set.count));
    }
    for (index, case) in set.cases.iter().enumerate() {
        match judge(kind.case, case) {
            Ok(()) => report.passed += 1,
            Err(what) => report.fail(case_name(case, index), what),
        }
    }
    match (kind.edge, set.edge) {
        (Some(edge), Some(edges)) => {
            for (index, value) in edges.iter().enumerate() {
                if let Err(what) = judge(edge, value) {
                    report.fail(format!("edge {index}"), what);
                }
            }
        }
        (Some(_), None) => report.fail("set", "missing field `edge`"),
        (None, None) => {}
        (None, Some(_)) => report.fail("set", "it has edges, which are not known here"),
    }
    report
}

fn judge(replay: fn(&Value, &mut Checks) -> Verdict, value: &Value) -> Verdict {
    let mut checks = Checks::default();
    replay(value, &mut checks)?;
    if checks.done() == 0 {
        return Err("nothing was checked".to_owned());
    }
    Ok(())
}

fn case_name(case: &Value, index: usize) -> String {
    case.get("id")
        .and_then(Value::as_str)
        .map_or_else(|| format!("case {index}"), str::to_owned)
}

fn json_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
