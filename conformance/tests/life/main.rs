//! Lives are played: many in memory, some on every other storage; with faults planted, which must be found; and those in
//! which something was once found wrong.
//!
//! Ten thousand are played in memory and 200 on SQLite, or as many on each as `OMEMO_LIFE_CASES` says. A million in memory,
//! which takes hours:
//!
//! ```text
//! OMEMO_LIFE_CASES=1000000 OMEMO_LIFE_SEED=1 cargo test --release -p omemo-conformance --test life lives_in_memory -- --nocapture
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

#[path = "../places/mod.rs"]
mod places;
mod saboteur;
#[path = "../every_storage/subject.rs"]
#[allow(
    dead_code,
    reason = "what starts it in a process of its own is of the other test"
)]
mod subject;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use omemo_conformance::faults::{TestRng, devices_of};
use omemo_conformance::life::{Discovery, Event, Explored, Life, explore, in_memory, play, tell};
use omemo_conformance::storage::{Capabilities, Capability, OpenedBy};
use omemo_storage_sqlite::SqliteOptions;
use places::{Server, Wrapping};
use rand_core::Rng as _;
use saboteur::{Sabotage, Sabotaged};
use subject::Subject;
use tempfile::TempDir;

/// A number from the environment, or this.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

fn seed() -> u64 {
    setting("OMEMO_LIFE_SEED", 1)
}

/// In so few lives it is chance what is seen.
const FEW_LIVES: u32 = 100;

/// Few devices need the application to hear each other again. For that each of two must have opened a session by a pre key
/// that somebody else has used.
///
/// In half of the lives the server hands out all pre keys, about a hundred, and that takes two coincidences: one such
/// message in twenty lives is far more than there should be. In the other half it hands out one or two, until their device
/// publishes others, and whoever writes meanwhile takes the same. Even there most pairs must be able to talk: a rough model of
/// the events comes to one in twenty of all, so more than one in ten is too many.
fn few_are_deaf(explored: &Explored) -> bool {
    let Explored { lives, seen, .. } = *explored;
    seen.unlucky <= lives / 20 && seen.deaf <= seen.greetings / 10
}

/// All is well, and it was as much as it was meant to be.
fn check(explored: Result<Explored, Box<Discovery>>, lives: u32) {
    match explored {
        Ok(explored) => {
            println!("{explored}");
            assert_eq!(explored.lives, u64::from(lives));
            assert!(explored.seen.read > 2 * explored.lives, "{explored}");
            assert!(
                lives < FEW_LIVES || explored.seen.faults > explored.lives / 4,
                "{explored}"
            );
            assert!(lives < FEW_LIVES || few_are_deaf(&explored), "{explored}");
        }
        Err(discovery) => panic!("{discovery}"),
    }
}

#[test]
fn lives_in_memory() {
    let lives = setting("OMEMO_LIFE_CASES", 10_000) as u32;
    check(explore(lives, seed(), |_| in_memory()), lives);
}

#[test]
fn lives_on_sqlite() {
    let lives = setting("OMEMO_LIFE_CASES", 200) as u32;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("omemo.db");
    let capabilities = Capabilities::of([Capability::Shared, Capability::Fresh, Capability::Durable]);
    // It is the process that dies here, never the machine: nothing has to wait for the disk.
    let factory = OpenedBy::new(capabilities, || {
        let file = file.clone();
        async move { SqliteOptions::new(file)?.allow_volatile().open().await }
    });
    let devices = devices_of(&factory);
    let explored = explore(lives, seed() + 1, |run| {
        let devices = &devices;
        move |device: &str| devices.open(run, device)
    });
    check(explored, lives);
}

#[test]
fn lives_on_every_storage() {
    const LIVES: u32 = 6;
    for server in Server::NAMES {
        for wrapping in Wrapping::ALL {
            let subject = Subject::new(server, wrapping);
            let devices = devices_of(&subject);
            println!("{server}, {wrapping:?}");
            let explored = explore(LIVES, seed() + 2, |run| {
                let devices = &devices;
                move |device: &str| devices.open(run, device)
            });
            check(explored, LIVES);
        }
    }
}

/// Within how many lives each planted fault must be found.
fn bound(sabotage: Sabotage) -> u32 {
    match sabotage {
        Sabotage::RepliesForgotten | Sabotage::InboxForgotten | Sabotage::UsedPreKeysOffered => 100,
        Sabotage::OutputBeforeCommit | Sabotage::SkippedKeysNotStored | Sabotage::NoExpectations => 500,
        Sabotage::PreKeysOutliveRestore | Sabotage::ArchiveNotTried => 1_000,
        Sabotage::ArchiveOutlivesSessions => 1_000,
        Sabotage::PreKeyDeletedTooEarly | Sabotage::OnlyWritesExpected => 5_000,
    }
}

#[test]
fn planted_faults_are_found() {
    for sabotage in Sabotage::ALL {
        let explored = explore(bound(sabotage), seed(), |_| {
            let storages = in_memory();
            move |device: &str| Sabotaged::new(storages(device), sabotage)
        });
        let discovery = explored.expect_err("it is found");
        println!("{sabotage:?}: {discovery}");
        assert!(
            play(&discovery.life, in_memory()).is_ok(),
            "{sabotage:?} is what is wrong"
        );
        assert!(
            discovery.life.events().len() <= 10,
            "{sabotage:?} is told shortly"
        );
        assert!(discovery.story.contains(&discovery.what), "{sabotage:?} is told");
    }
}

#[test]
fn what_was_found_once_is_right() {
    let stories = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/life/stories");
    let mut played = 0;
    for entry in fs::read_dir(stories).unwrap() {
        let path = entry.unwrap().path();
        let life: Life = fs::read_to_string(&path).unwrap().parse().unwrap();
        if let Err(finding) = tell(&life, in_memory()) {
            panic!("{}: {}\n{}", path.display(), finding.what, finding.story);
        }
        played += 1;
    }
    assert!(played > 0);
}

#[test]
fn a_life_is_the_same_as_bytes_and_as_text() {
    let all: Vec<u8> = (0..=255).flat_map(|kind| [kind, 1, 2, 3]).collect();
    for events in all.chunks(4 * 32) {
        let life = Life::decode(&[&[5, 7], events].concat());
        assert_eq!(life.events().len(), 32);
        assert_eq!(Life::decode(&life.encode()), life);
        assert_eq!(life.to_string().parse::<Life>().unwrap(), life);
    }
    for short in [&[][..], &[1], &[1, 2], &[1, 2, 3, 4, 5]] {
        assert!(Life::decode(short).events().is_empty());
    }
    assert!("send 0".parse::<Event>().is_err() && "send 0 1 2".parse::<Event>().is_err());
    assert!("cast 1\nsend 0 1".parse::<Life>().is_err());
}

/// One that does nothing would leave every life as it is.
#[test]
fn every_event_changes_some_life() {
    const AROUND: usize = 4 * 12;
    let word = |kind| {
        let event = Event::decode([kind, 0, 0, 0]).to_string();
        event.split(' ').next().unwrap().to_owned()
    };
    let kinds: BTreeMap<_, _> = (0..=255).map(|kind| (word(kind), kind)).collect();
    assert_eq!(kinds.len(), 30);
    for (word, kind) in kinds {
        let mut rng = TestRng::new(u64::from(kind));
        let mut draw = || rng.next_u32() as u8;
        // Some seldom change anything: a restart loses no more than a catch-up.
        let changes = (0..2_000).any(|_| {
            // Three devices of two accounts, all of which have inboxes and speak both protocols.
            let mut without = vec![4, 48];
            without.extend((0..2 * AROUND).map(|_| draw()));
            let mut with = without.clone();
            with.splice(2 + AROUND..2 + AROUND, [kind, draw(), draw(), draw()]);
            let seen = |bytes: &[u8]| play(&Life::decode(bytes), in_memory()).unwrap();
            seen(&with) != seen(&without)
        });
        assert!(changes, "{word} does nothing");
    }
}

#[test]
fn the_same_life_is_the_same_story() {
    let life: Life = "cast 3 0\nsend 0 0\ndeliver 1\nmaintain 1\nbackup 0"
        .parse()
        .unwrap();
    assert_eq!(tell(&life, in_memory()), tell(&life, in_memory()));
}
