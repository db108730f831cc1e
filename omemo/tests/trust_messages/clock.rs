//! A clock that was wrong when a decision was made, or when one is heard of: a stolen key is distrusted all the same.

use std::sync::atomic::{AtomicU64, Ordering};

use common::rng;
use omemo::{Client, Clock};

use super::earlier::level;
use super::*;

const NOW: u64 = 1_800_000_000;
const YEARS: u64 = 5 * 365 * 86_400;

#[derive(Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Hands {
    fn show(&self, seconds: u64) {
        self.0.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::Relaxed))
    }
}

/// Alice's device, whose clock shows what it is told to.
fn alice_at(seconds: u64) -> (Device, Hands) {
    let hands = Hands::default();
    hands.show(seconds);
    let settings = Settings {
        trust: Arc::new(AutomaticTrustManagement),
        ..Settings::new(jid(ALICE))
    };
    let connection = Server::new().connect(&jid(ALICE), "A1");
    let storage = Arc::new(Metered::new(MemoryStorage::new()));
    let builder = Client::builder(settings, storage, connection.clone());
    let builder = builder.rng(rng(&jid(ALICE), "A1")).clock(hands.clone());
    let device = Device {
        jid: jid(ALICE),
        client: wait(builder.catch_up(false).open()).unwrap(),
        connection,
    };
    (device, hands)
}

#[test]
fn a_key_that_was_trusted_while_the_clock_was_ahead_can_be_distrusted_by_others() {
    let (a1, hands) = alice_at(NOW + YEARS);
    authenticate(&a1, ALICE, key(12));
    authenticate(&a1, BOB, key(21));
    hands.show(NOW);
    let outcome = hear(&a1, ALICE, 12, NOW - 60, saying(BOB, &[], &[21]));
    assert_eq!(changed(&outcome), [(BOB.to_owned(), 21, false)]);
    // An older word does not make it trusted again.
    let outcome = hear(&a1, ALICE, 12, NOW - 90, saying(BOB, &[21], &[]));
    assert_eq!(reasons(&outcome), [Ignored::Outdated]);
}

#[test]
fn what_is_heard_before_the_clock_is_set_keeps_its_time() {
    let (a1, hands) = alice_at(NOW);
    authenticate(&a1, ALICE, key(12));
    let outcome = hear(&a1, ALICE, 12, NOW - 90, saying(BOB, &[21], &[]));
    assert_eq!(changed(&outcome), [(BOB.to_owned(), 21, true)]);
    hands.show(60);
    let outcome = hear(&a1, ALICE, 12, NOW - 60, saying(BOB, &[], &[21]));
    assert_eq!(changed(&outcome), [(BOB.to_owned(), 21, false)]);
    hands.show(NOW);
    let outcome = hear(&a1, ALICE, 12, NOW - 70, saying(BOB, &[21], &[]));
    assert_eq!(reasons(&outcome), [Ignored::Outdated]);
}

/// A key of a device whose clock was far ahead speaks before it is authenticated here.
#[test]
fn distrust_that_is_kept_outranks_trust_from_the_future() {
    let (a1, hands) = alice_at(60);
    assert_eq!(hear(&a1, ALICE, 12, NOW + YEARS, saying(BOB, &[21], &[])).held, 1);
    hands.show(NOW);
    assert_eq!(hear(&a1, ALICE, 12, NOW - 60, saying(BOB, &[], &[21])).held, 1);
    // An older word does not take it back.
    assert_eq!(hear(&a1, ALICE, 12, NOW - 70, saying(BOB, &[21], &[])).held, 1);
    authenticate(&a1, ALICE, key(12));
    assert_eq!(level(&a1, BOB, key(21)), Some(TrustLevel::DISTRUSTED));
}

/// The same of two keys that speak of a third.
#[test]
fn trust_from_the_future_does_not_take_back_the_distrust_of_others() {
    let (a1, hands) = alice_at(60);
    assert_eq!(hear(&a1, ALICE, 12, NOW + YEARS, saying(BOB, &[21], &[])).held, 1);
    hands.show(NOW);
    authenticate(&a1, ALICE, key(13));
    let outcome = hear(&a1, ALICE, 13, NOW - 60, saying(BOB, &[], &[21]));
    assert_eq!(changed(&outcome), [(BOB.to_owned(), 21, false)]);
    authenticate(&a1, ALICE, key(12));
    assert_eq!(level(&a1, BOB, key(21)), Some(TrustLevel::DISTRUSTED));
}
