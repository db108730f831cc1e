//! Files, sets and cases.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use omemo_sansio::Namespace;
use serde::Deserialize;
use serde_json::Value;

use super::checks::{Checks, Verdict};
use super::report::{Report, SetReport};
use super::version::Version;
use super::{messages, ratchet, storage_import, x3dh, xeddsa};

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
enum Kind {
    /// Single keys, of no protocol; there are inputs besides the cases.
    Keys,
    /// What a protocol version does.
    Protocol(Version, fn(Version, &Value, &mut Checks) -> Verdict),
}

impl Kind {
    fn named(set: &str) -> Option<Self> {
        if set == "xeddsa" {
            return Some(Self::Keys);
        }
        let (kind, version) = set.split_once('_')?;
        let version = match version {
            "twomemo" => Version::Omemo2,
            "oldmemo" => Version::Legacy,
            _ => return None,
        };
        let case = match kind {
            "x3dh" => x3dh::case,
            "ratchet" => ratchet::case,
            "messages" => messages::case,
            _ => return None,
        };
        Some(Self::Protocol(version, case))
    }

    fn namespace(&self) -> Option<Namespace> {
        match self {
            Self::Keys => None,
            Self::Protocol(version, _) => Some(version.protocol().namespace()),
        }
    }

    fn case(&self, value: &Value, checks: &mut Checks) -> Verdict {
        match self {
            Self::Keys => xeddsa::case(value, checks),
            Self::Protocol(version, case) => case(*version, value, checks),
        }
    }
}

/// Replays every set in a directory: each file `*.json`, and the directory `storage_import`. With names in `only`,
/// those sets alone; one that is not there counts as failed, and so does a file that does not say which set it is.
///
/// # Errors
///
/// If the directory or a file in it cannot be read. What a file holds is no error here, but a failure in the report.
pub fn replay_dir(dir: &Path, only: &[String]) -> io::Result<Report> {
    let mut report = Report::default();
    for path in json_files(dir)? {
        let (name, read) = read(&path)?;
        if name.is_none_or(|name| is_wanted(&name, only)) {
            report
                .sets
                .push(read.map_or_else(|unreadable| unreadable, replay));
        }
    }
    let dumps = dir.join(STORAGE_IMPORT);
    if is_wanted(STORAGE_IMPORT, only) && dumps.is_dir() {
        report.sets.push(replay_dumps(&dumps)?);
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

/// Replays whole storages: each device of each is a case.
fn replay_dumps(dir: &Path) -> io::Result<SetReport> {
    let mut report = SetReport::new(STORAGE_IMPORT);
    for path in json_files(dir)? {
        let name = file_name(&path);
        let dump: Value = match serde_json::from_slice(&fs::read(&path)?) {
            Ok(dump) => dump,
            Err(error) => {
                report.fail(name, format!("not a dump: {error}"));
                continue;
            }
        };
        match storage_import::devices(&dump) {
            Ok(devices) if devices.is_empty() => report.fail(name, "it has no device"),
            Ok(devices) => {
                for device in devices {
                    match judge(|checks| storage_import::replay(&dump, &device, checks)) {
                        Ok(()) => report.passed += 1,
                        Err(what) => report.fail(format!("{name}, {device}"), what),
                    }
                }
            }
            Err(what) => report.fail(name, what),
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
    let (_, read) = read(path)?;
    Ok(read.map_or_else(|unreadable| unreadable, replay))
}

/// Reads a file: the name of its set, that of the file where it says none, if it is JSON at all; and if it holds no set, what to
/// report of it.
fn read(path: &Path) -> io::Result<(Option<String>, Result<Set, SetReport>)> {
    let unreadable = |name: &str, error: serde_json::Error| {
        let mut report = SetReport::new(name);
        report.fail(file_name(path), format!("not a set: {error}"));
        report
    };
    let value: Value = match serde_json::from_slice(&fs::read(path)?) {
        Ok(value) => value,
        Err(error) => return Ok((None, Err(unreadable(&file_name(path), error)))),
    };
    let name = value.get("set").and_then(Value::as_str);
    let name = name.map_or_else(|| file_name(&path.with_extension("")), str::to_owned);
    let set = serde_json::from_value(value).map_err(|error| unreadable(&name, error));
    Ok((Some(name), set))
}

fn replay(set: Set) -> SetReport {
    let mut report = SetReport::new(set.set);
    let Some(kind) = Kind::named(&report.name) else {
        report.supported = false;
        if set.cases.is_empty() {
            report.fail("set", "not supported");
        }
        for (index, case) in set.cases.iter().enumerate() {
            report.fail(case_name(case, index), "not supported");
        }
        return report;
    };
    if set.namespace.as_deref() != kind.namespace().as_ref().map(Namespace::as_str) {
        report.fail("set", format!("its namespace is {:?}", set.namespace));
    }
    if set.cases.len() != set.count || set.cases.is_empty() {
        report.fail("set", format!("{} cases of {}", set.cases.len(), set.count));
    }
    for (index, case) in set.cases.iter().enumerate() {
        match judge(|checks| kind.case(case, checks)) {
            Ok(()) => report.passed += 1,
            Err(what) => report.fail(case_name(case, index), what),
        }
    }
    match (kind, set.edge) {
        (Kind::Keys, Some(edges)) => {
            for (index, value) in edges.iter().enumerate() {
                if let Err(what) = judge(|checks| xeddsa::edge(value, checks)) {
                    report.fail(format!("edge {index}"), what);
                }
            }
        }
        (Kind::Keys, None) => report.fail("set", "missing field `edge`"),
        (Kind::Protocol(..), None) => {}
        (Kind::Protocol(..), Some(_)) => report.fail("set", "it has edges, which are not known here"),
    }
    report
}

fn judge(replay: impl FnOnce(&mut Checks) -> Verdict) -> Verdict {
    let mut checks = Checks::default();
    replay(&mut checks)?;
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
