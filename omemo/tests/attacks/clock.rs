//! A clock that is moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use omemo::blocking::wait;
use omemo::local::Server;
use omemo::{Client, Clock, Settings, Timestamp};
use omemo_storage_memory::MemoryStorage;

use super::common::{Device, jid, rng};
use super::messages;

pub(super) const ROMEO: &str = "romeo@montague.lit";

/// Seconds after the time at which tests begin.
#[derive(Clone, Default)]
pub(super) struct Hands(pub(super) Arc<AtomicU64>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + self.0.load(Ordering::SeqCst))
    }
}

/// Romeo, called "phone", with a clock that is moved by hand.
pub(super) fn romeo(server: &Server, settings: Settings) -> (Device<MemoryStorage>, Hands) {
    let hands = Hands::default();
    let connection = server.connect(&settings.jid, "phone");
    let rng = rng(&settings.jid, "phone");
    let builder = Client::builder(settings, MemoryStorage::new(), connection.clone()).rng(rng);
    let client = wait(builder.clock(hands.clone()).catch_up(false).label("phone").open()).unwrap();
    let device = Device {
        jid: jid(ROMEO),
        client,
        connection,
    };
    messages(&device);
    (device, hands)
}
