//! Live tests of omemo against other implementations: what the tests stand on.
//!
//! A [`World`] is a [`Server`] with devices of both sides. The server keeps bundles, device lists and messages as XML,
//! so real XML crosses: our devices ([`Ours`]) read and write it by `omemo-xml` behind their [`Bridge`], those of
//! python-omemo ([`Theirs`]) by their own code in another process, the [`Peer`]. The world hands out what the server
//! has for each device and checks how it ends: each message that arrives must decrypt to its text, once.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "support of tests: what goes wrong here is a failed test"
)]

mod bridge;
mod device;
mod dice;
mod environment;
mod hex;
mod libomemo_c;
mod message;
mod ours;
mod peer;
mod process;
mod server;
mod theirs;
mod tool;
mod world;

pub use bridge::Bridge;
pub use device::{Device, Outcome, Received};
pub use dice::Dice;
pub use environment::Python;
pub use libomemo_c::{Libomemo, LibomemoDevice};
pub use message::{Address, Delivery, Key, Message};
pub use ours::Ours;
pub use peer::{Peer, PeerError};
pub use server::{Server, Weather};
pub use theirs::{Known, Theirs};
pub use world::World;
