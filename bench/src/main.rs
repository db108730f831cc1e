//! Speed as ratios: each item is timed together with its floor (the primitives it cannot do without) and with a peer
//! where there is one, round by round in turn, and the minima are compared. Ratios move less than times do.

mod crypto;
mod floor;
mod measure;
mod olm;
mod sessions;

use std::process::ExitCode;

use measure::{Failure, Item};

const USAGE: &str = "usage: omemo-bench crypto [--json] [NAME]";

fn main() -> ExitCode {
    let (flags, words): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let json = flags.iter().any(|flag| flag == "--json");
    let unknown = flags.iter().any(|flag| flag != "--json");
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        _ if unknown => return misused(USAGE),
        ["crypto"] => run(crypto::items(), json),
        ["crypto", name] => {
            let items: Vec<_> = crypto::items()
                .into_iter()
                .filter(|item| item.name() == *name)
                .collect();
            if items.is_empty() {
                return misused("omemo-bench: no such item");
            }
            run(items, json)
        }
        ["storage", ..] => return misused("omemo-bench: storage is not measured yet"),
        _ => return misused(USAGE),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
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

fn run(items: Vec<Item>, json: bool) -> Result<(), Failure> {
    for item in items {
        let measured = item.measure()?;
        if json {
            println!("{}", measured.json());
        } else {
            println!("{measured}");
        }
    }
    Ok(())
}
