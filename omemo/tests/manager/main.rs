//! What a session manager does beside sending and receiving.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod at_once;
mod catch_up;
mod clock;
mod consistency;
mod copies;
mod errors;
mod examine;
mod fallbacks;
mod hygiene;
mod importing;
mod inbox;
mod information;
mod labels;
mod limits;
mod pre_keys;
mod protocols;
mod purge;
mod running;
mod sessions;
mod strangers;
mod world;

#[path = "../common/rng.rs"]
mod rng;
