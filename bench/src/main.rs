//! Speed as ratios: each item is timed together with its floor (what it cannot do without) and with a peer where there
//! is one, round by round in turn, and the minima are compared. Ratios move less than times do.

mod crypto;
mod floor;
mod measure;
mod olm;
mod report;
mod scale;
mod servers;
mod sessions;
mod storage;

use std::process::ExitCode;

use measure::{Failure, Item};

const USAGE: &str = "usage: omemo-bench crypto|storage [--json] [--check] [--no-python] [NAME]
       omemo-bench scale [--json] [--check] [--accounts N,N..|--full] [--storage postgres|redis]";

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
    let words: Vec<_> = std::env::args().skip(1).collect();
    let outcome = match words.split_first() {
        Some((suite, words)) if suite == "scale" => match scale::Options::parse(words) {
            Some(options) => scale::run(&options).map(|missed| passed(options.check, &missed)),
            None => return misused(USAGE),
        },
        _ => match suite(words) {
            Ok(outcome) => outcome,
            Err(message) => return misused(&message),
        },
    };
    match outcome {
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

/// Whether no bar is missed, if that is asked for.
fn passed(check: bool, missed: &[String]) -> bool {
    if check {
        missed
            .iter()
            .for_each(|missed| eprintln!("omemo-bench: missed: {missed}"));
    }
    missed.is_empty() || !check
}

/// Runs a suite of items; the outer error is for what was not understood.
fn suite(words: Vec<String>) -> Result<Result<bool, Failure>, String> {
    let (flags, words): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| word.starts_with("--"));
    let flags = Flags::parse(&flags).ok_or(USAGE)?;
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let (suite, name) = match words.as_slice() {
        [suite] => (*suite, None),
        [suite, name] => (*suite, Some(*name)),
        _ => return Err(USAGE.to_owned()),
    };
    let names = match suite {
        "crypto" => crypto::items().iter().map(Item::name).collect(),
        "storage" => storage::names(),
        _ => return Err(USAGE.to_owned()),
    };
    let wanted = |item: &str| match name {
        None => true,
        Some(name) if names.contains(&name) => item == name,
        Some(beginning) => item.starts_with(beginning),
    };
    if !names.iter().any(|name| wanted(name)) {
        return Err(format!(
            "omemo-bench: no such item; there are {}",
            names.join(", ")
        ));
    }
    Ok(run(suite, flags, &wanted))
}

/// Whether everything could be measured and, if that is asked for, no bar is missed.
fn run(suite: &str, flags: Flags, wanted: &dyn Fn(&str) -> bool) -> Result<bool, Failure> {
    let mut missed = Vec::new();
    let mut complete = true;
    if suite == "storage" {
        let wanted = storage::Wanted {
            item: wanted,
            python: !flags.no_python,
        };
        for group in storage::GROUPS {
            let prepared = group.prepare(&wanted);
            measure(prepared.items, flags, &mut missed)?;
            complete &= prepared.lacking.is_empty();
            for (name, error) in prepared.lacking {
                report_lacking(name, &error, flags);
            }
        }
    } else {
        let items = crypto::items().into_iter().filter(|item| wanted(item.name()));
        measure(items.collect(), flags, &mut missed)?;
    }
    Ok(passed(flags.check, &missed) && complete)
}

fn measure(items: Vec<Item>, flags: Flags, missed: &mut Vec<String>) -> Result<(), Failure> {
    for item in items {
        let measured = item.measure()?;
        if flags.json {
            println!("{}", measured.json());
        } else {
            println!("{measured}");
        }
        missed.extend(measured.missed());
    }
    Ok(())
}

fn report_lacking(name: &str, error: &str, flags: Flags) {
    if flags.json {
        println!("{}", serde_json::json!({ "name": name, "error": error }));
    } else {
        println!("{name}: {error}");
    }
}
