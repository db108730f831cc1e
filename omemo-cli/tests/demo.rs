//! `omemo demo`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::{demo_in, fingerprints, good, is_hex, omemo};
use tempfile::TempDir;

/// What is told in a line, such as: romeo's phone / says / #1 But, soft!
fn told(out: &str) -> Vec<(&str, &str, &str)> {
    out.lines()
        .filter_map(|line| {
            let (who, rest) = line.strip_prefix("   ")?.split_at_checked(15)?;
            let (does, what) = rest.trim_start().split_once("  ")?;
            Some((who.trim(), does.trim(), what.trim()))
        })
        .collect()
}

fn text(what: &str) -> &str {
    what.split_once(' ').unwrap().1.trim()
}

#[test]
fn everybody_reads_what_was_said_to_them() {
    let out = good(&["demo"]);
    let told = told(&out);
    let mut devices = 0;
    let mut said = 0;
    for (who, does, what) in &told {
        match *does {
            "joins" => devices += 1,
            "says" => {
                said += 1;
                assert!(what.starts_with(&format!("#{said} ")), "{what}");
                let readers: Vec<_> = told
                    .iter()
                    .filter(|(_, does, read)| *does == "reads" && text(read) == text(what))
                    .map(|(reader, ..)| *reader)
                    .collect();
                assert_eq!(readers.len(), devices - 1, "{what}: {readers:?}");
                assert!(!readers.contains(who), "{what}");
            }
            _ => {}
        }
    }
    assert_eq!((devices, said), (4, 15));
    assert_eq!(fingerprints(&out).len(), 4);
}

/// The numbers of what a device reads and drops, in order.
fn heard(told: &[(&str, &str, &str)], by: &str) -> Vec<String> {
    told.iter()
        .filter(|(who, does, _)| *who == by && ["reads", "drops"].contains(does))
        .map(|(_, does, what)| format!("{does} {}", what.split(' ').next().unwrap()))
        .collect()
}

#[test]
fn the_weather_and_the_crash_are_seen() {
    let out = good(&["demo"]);
    let told = told(&out);
    let juliet = heard(&told, "juliet's phone").join(", ");
    assert!(
        juliet.contains("reads #5, reads #6, reads #4, reads #9, drops #9"),
        "{juliet}"
    );
    let laptop = heard(&told, "romeo's laptop").join(", ");
    assert!(laptop.contains("reads #8, reads #7"), "{laptop}");
    let phone: Vec<_> = told
        .iter()
        .filter(|(who, ..)| *who == "romeo's phone")
        .skip_while(|(_, does, _)| *does != "is killed")
        .map(|(_, does, what)| (*does, *what))
        .take(4)
        .collect();
    assert!(phone[0].1.ends_with("unread: #11"), "{phone:?}");
    assert!(phone[1].0 == "restarts" && phone[1].1.contains("from romeo-phone.db"));
    assert!(phone[2].1.starts_with("#11 ") && phone[3].1.starts_with("#12 "));
}

#[test]
fn the_server_reads_nothing() {
    let out = good(&["demo"]);
    let readable: Vec<_> = out
        .lines()
        .filter_map(|line| line.split_once("so far it can read "))
        .collect();
    assert_eq!(readable.len(), 4);
    assert!(readable.iter().all(|(_, number)| *number == "0"), "{readable:?}");
}

#[test]
fn the_tablet_waits_for_a_decision() {
    let out = good(&["demo"]);
    let told = told(&out);
    let at = |what: (&str, &str)| {
        told.iter()
            .position(|(who, does, _)| (*who, *does) == what)
            .unwrap_or_else(|| panic!("{what:?} is not told"))
    };
    let order = [
        at(("romeo's tablet", "joins")),
        at(("juliet's phone", "waits")),
        at(("juliet's phone", "sends")),
        at(("juliet's phone", "decides")),
        at(("romeo's tablet", "reads")),
    ];
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(told[order[1]].2, "romeo's tablet stays undecided");
    assert!(told[order[2]].2.ends_with(" 0 are for romeo's tablet"));
    assert_eq!(told[order[3]].2, "romeo's tablet is trusted");
}

#[test]
fn the_counts_add_up() {
    let out = good(&["demo"]);
    let (_, table) = out.split_once("bytes written.\n").unwrap();
    let rows: Vec<(&str, Vec<u64>)> = table
        .lines()
        .filter(|line| line.chars().any(|digit| digit.is_ascii_digit()))
        .map(|line| {
            let (name, numbers) = line.split_at(18);
            let numbers = numbers
                .split_whitespace()
                .map(|number| number.replace(',', "").parse().unwrap());
            (name.trim(), numbers.collect())
        })
        .collect();
    let (total, devices) = rows.split_last().unwrap();
    assert_eq!(total.0, "in all");
    assert_eq!(devices.len(), 4);
    for (column, sum) in total.1.iter().enumerate() {
        assert_eq!(
            devices.iter().map(|(_, numbers)| numbers[column]).sum::<u64>(),
            *sum
        );
    }
    assert_eq!(total.1.len(), 8);
    assert_eq!(total.1[..2], [15, 32]);
    assert!(
        devices.iter().all(|(_, numbers)| numbers[7] > 0),
        "everybody writes"
    );
}

/// Without what is drawn at random: fingerprints, device ids, and lengths, to which padding is added.
fn without_chance(out: &str) -> String {
    let lines = out.lines().map(|line| {
        let line = line.split_once(" encrypted bytes").map_or(line, |(_, rest)| rest);
        let mut before = "";
        let words = line
            .split(' ')
            .map(|word| match std::mem::replace(&mut before, word) {
                "device" => "id",
                _ if is_hex(word, 8) => "key",
                _ => word,
            });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn two_runs_differ_in_chance_alone() {
    let (one, other) = (good(&["demo"]), good(&["demo"]));
    assert_ne!(one, other);
    assert_eq!(without_chance(&one), without_chance(&other));
}

#[test]
fn the_server_sees_messages_key_exchanges_bundles_and_lists_of_each_scene() {
    let out = good(&["demo"]);
    let seen: Vec<Vec<_>> = out
        .split(" saw  ")
        .skip(1)
        .map(|scene| {
            let rows = scene.lines().take_while(|row| !row.is_empty());
            // How many bytes there were is left to chance.
            rows.map(|row| {
                row.split_once(" encrypted bytes; ")
                    .map_or(row.trim(), |(_, rest)| rest)
            })
            .collect()
        })
        .collect();
    // Whoever takes in a key exchange answers it, and publishes a bundle with another pre key. In bad weather and after a crash
    // there is nothing to be opened again.
    let expected: [&[&str]; 5] = [
        &["3 new key bundles, 3 new device lists"],
        &[
            "3 text messages, 3 empty answers, 3 key exchanges",
            "3 new key bundles",
            "of 3 texts so far it can read 0",
        ],
        &["6 text messages", "of 9 texts so far it can read 0"],
        &["4 text messages", "of 13 texts so far it can read 0"],
        &[
            "2 text messages, 3 empty answers, 3 key exchanges",
            "4 new key bundles, 1 new device list",
            "of 15 texts so far it can read 0",
        ],
    ];
    assert_eq!(seen, expected);
}

#[test]
fn files_are_kept_where_they_are_asked_for() {
    let directory = TempDir::new().unwrap();
    let new = directory.path().join("new").join("directory");
    let out = demo_in(&new);
    for file in ["romeo-phone", "romeo-laptop", "romeo-tablet", "juliet-phone"] {
        assert!(new.join(format!("{file}.db")).is_file(), "{file}");
    }
    let hint = out.lines().last().unwrap().trim();
    let arguments: Vec<_> = hint.split(' ').skip(1).collect();
    assert!(good(&arguments).starts_with("juliet@capulet.lit\n"));
}

#[test]
fn a_directory_in_use_is_refused() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("letter"), "Dear").unwrap();
    let path = directory.path().to_str().unwrap();
    let run = omemo(&["demo", "--dir", path]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert_eq!(
        run.err,
        format!(
            "omemo: {path} is not empty, and the demo begins with new devices; give it a new directory\n"
        )
    );
    let file = directory.path().join("letter");
    let run = omemo(&["demo", "--dir", file.to_str().unwrap()]);
    assert_eq!((run.code, run.err.lines().count()), (1, 1));
}
