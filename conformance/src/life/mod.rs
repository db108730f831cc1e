//! Life as data: a few people with their devices, and whatever happens to them.
//!
//! A [`Life`] is decoded from bytes, whatever bytes, so that proptest and a fuzzer play the same game. [`play`] drives the
//! protocol through it, over any storage: messages are written and read, lost, repeated and reordered, processes die at
//! any effect, commits conflict with what another process does or their answers are lost, devices come and go, keys are
//! rotated, old copies are put back, contacts are forgotten or distrusted, sessions replaced, messages damaged on their
//! way. At the end everything comes to rest. Then
//!
//! - every message that has arrived was read exactly once, and none that was damaged;
//! - no message key was used for two messages, except after an old copy was put back behind the library's back;
//! - everybody has sent the answers that it owed, and offers nothing that was used, dropped or is too old;
//! - nothing was read or written in a session that was dropped, or that another has taken the place of;
//! - everybody can talk to everybody again. Two devices of which each has a session that the other cannot have, since
//!   somebody else has used its pre key, are healed by the application: it has new sessions opened. Such pairs are counted,
//!   and there are few ([`Seen::deaf`]).
//!
//! What must be readable is foretold by a model that knows who has which session and which pre keys were used, but no
//! cryptography. [`explore`] plays many lives; one that fails is made as small as it gets, and told as a story.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    reason = "test support: an assertion is the result"
)]

mod beginning;
mod cast;
mod coming;
mod damage;
mod deciding;
mod device;
mod ending;
mod event;
mod explore;
mod happening;
mod inbox;
mod judging;
mod keeping;
mod mail;
mod meddling;
mod model;
mod posting;
mod reading;
mod resting;
mod restoring;
mod stage;
mod story;
mod world;
mod writing;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use omemo_storage::Storage;
use omemo_storage_memory::MemoryStorage;

use cast::Cast;
use event::EVENT_BYTES;
use story::Story;
use world::World;

pub use event::{Event, InvalidEvent};
pub use explore::{Discovery, Explored, explore};
pub use world::Seen;

/// The most events of a life; what more there would be is left out.
pub const MAX_EVENTS: usize = 40;

/// Who there is, and what happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    cast: Cast,
    events: Vec<Event>,
}

/// What was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: String,
    /// What came before it, a line for each thing that happened; empty unless it was asked for.
    pub story: String,
}

impl Life {
    /// All bytes mean some life: the first who there is, the second what they speak, how many pre keys the server hands
    /// out and who has an inbox, and each four that follow an event.
    pub fn decode(bytes: &[u8]) -> Self {
        let (head, events) = bytes.split_at(bytes.len().min(2));
        let byte = |index: usize| head.get(index).copied().unwrap_or_default();
        let (events, _) = events.as_chunks::<EVENT_BYTES>();
        Self {
            cast: Cast {
                people: byte(0),
                manner: byte(1),
            },
            events: events
                .iter()
                .take(MAX_EVENTS)
                .map(|event| Event::decode(*event))
                .collect(),
        }
    }

    /// Bytes that mean this life.
    pub fn encode(&self) -> Vec<u8> {
        let Cast { people, manner } = self.cast;
        let mut bytes = vec![people, manner];
        bytes.extend(self.events.iter().flat_map(|event| event.encode()));
        bytes
    }

    /// The events.
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}

/// One line for who there is, one for each event.
impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cast { people, manner } = self.cast;
        writeln!(f, "cast {people} {manner}")?;
        self.events.iter().try_for_each(|event| writeln!(f, "{event}"))
    }
}

/// What [`Display`](fmt::Display) writes; empty lines, and what comes after a `#`, are left out.
impl FromStr for Life {
    type Err = InvalidEvent;

    fn from_str(text: &str) -> Result<Self, InvalidEvent> {
        let lines = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim());
        let mut lines = lines.filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        let invalid = || InvalidEvent(first.to_owned());
        let numbers: Vec<u8> = first
            .strip_prefix("cast ")
            .ok_or_else(invalid)?
            .split_whitespace()
            .map(|number| number.parse().map_err(|_| invalid()))
            .collect::<Result<_, _>>()?;
        let [people, manner] = numbers[..] else {
            return Err(invalid());
        };
        let events = lines.map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self {
            cast: Cast { people, manner },
            events,
        })
    }
}

/// Plays a life. `open(device)` opens the storage of a device, which must be empty the first time; asked again with the
/// same name, it opens the same storage again.
///
/// # Errors
///
/// The first [`Finding`]: something that is wrong.
///
/// # Panics
///
/// If a storage fails.
pub fn play<S: Storage>(life: &Life, open: impl Fn(&str) -> S) -> Result<Seen, Finding> {
    play_through(life, &open, Story::default())
}

/// As [`play`], and a finding comes with its story.
///
/// # Errors
///
/// As [`play`].
///
/// # Panics
///
/// As [`play`].
pub fn tell<S: Storage>(life: &Life, open: impl Fn(&str) -> S) -> Result<Seen, Finding> {
    play_through(life, &open, Story::to_be_read())
}

/// Storages in memory for one life.
pub fn in_memory() -> impl Fn(&str) -> MemoryStorage {
    let known = RefCell::new(BTreeMap::<String, MemoryStorage>::new());
    move |device| known.borrow_mut().entry(device.to_owned()).or_default().clone()
}

fn play_through<S: Storage>(life: &Life, open: &dyn Fn(&str) -> S, story: Story) -> Result<Seen, Finding> {
    let mut world = World::new(life.cast, story, open);
    world.begins();
    for event in &life.events {
        if world.finding.is_some() {
            break;
        }
        world.happens(*event);
    }
    if world.finding.is_none() {
        world.comes_to_its_end();
    }
    world.ends();
    match world.finding {
        None => Ok(world.seen),
        Some(what) => Err(Finding {
            what,
            story: world.story.to_string(),
        }),
    }
}
