//! Speed as ratios: each item is timed together with its floor (what it cannot do without) and with a peer where there
//! is one, round by round in turn, and the minima are compared. Ratios move less than times do.

mod crypto;
mod floor;
mod measure;
mod olm;
mod report;
mod sessions;
mod storage;

use std::process::ExitCode;

use measure::{Failure, Item};

const USAGE: &str = "usage: omemo-bench crypto|storage [--json] [--check] [--no-python] [NAME]";

/// What was asked for beside the names.
#[derive(Clone, Copy, Default)]
struct Flags {
    /// Print JSON, a line each.
    json: bool,
    /// Fail if a bar is missed.
    check: bool,
    /// Do without the peer in Python.
    no_python: bool,
}

impl Flags {
    fn parse(words: &[String]) -> Option<Self> {
        let mut flags = Self::default();
        for word in words {
            match word.as_str() {
                "--json" => flags.json = true,
                "--check" => flags.check = true,
                "--no-python" => flags.no_python = true,
                _ => return None,
            }
        }
        Some(flags)
    }
}

fn main() -> ExitCode {
    let (flags, words): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let Some(flags) = Flags::parse(&flags) else {
        return misused(USAGE);
    };
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let (suite, name) = match words.as_slice() {
        [suite] => (*suite, None),
        [suite, name] => (*suite, Some(*name)),
        _ => return misused(USAGE),
    };
    let names = match suite {
        "crypto" => crypto::items().iter().map(Item::name).collect(),
        "storage" => storage::NAMES.to_vec(),
        _ => return misused(USAGE),
    };
    if name.is_some_and(|name| !names.contains(&name)) {
        return misused(&format!(
            "omemo-bench: no such item; there are {}",
            names.join(", ")
        ));
    }
    let wanted = |item: &str| name.is_none_or(|name| name == item);
    match run(suite, flags, &wanted) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("omemo-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn misused(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(2)
}

/// Whether everything could be measured and, if that is asked for, no bar is missed.
fn run(suite: &str, flags: Flags, wanted: &dyn Fn(&str) -> bool) -> Result<bool, Failure> {
    let (items, lacking) = match suite {
        "storage" => storage::items(wanted, !flags.no_python)?,
        _ => (crypto::items(), None),
    };
    let mut missed = Vec::new();
    for item in items.into_iter().filter(|item| wanted(item.name())) {
        let measured = item.measure()?;
        if flags.json {
            println!("{}", measured.json());
        } else {
            println!("{measured}");
        }
        missed.extend(measured.missed());
    }
    if let Some((name, failure)) = &lacking {
        let error = failure.to_string();
        if flags.json {
            println!("{}", serde_json::json!({ "name": name, "error": error }));
        } else {
            println!("{name}: {error}");
        }
    }
    if flags.check {
        missed
            .iter()
            .for_each(|missed| eprintln!("omemo-bench: missed: {missed}"));
    }
    Ok(lacking.is_none() && (missed.is_empty() || !flags.check))
}
