//! The double ratchet and X3DH.

use std::hint::black_box;

use omemo_sansio::keys::{IdentityKey, IdentityKeyPair, KeyPair};
use omemo_sansio::protocol::Omemo2;

use crate::floor::Primitives;
use crate::measure::{Item, Work};
use crate::olm::{PeerReceiving, Peers};
use crate::sessions::{PLAINTEXT, Pair, Published, Receiving, SKIPPED, first_message};

/// The most that each item may take, as a multiple of its floor. Beside the primitives there are encoding, checks, copies
/// and wiping.
mod bar {
    pub(super) const X25519: f64 = 1.3;
    pub(super) const ENCRYPT: f64 = 1.3;
    pub(super) const DECRYPT: f64 = 1.3;
    /// Skipped keys must cost nothing; the rest is for noise.
    pub(super) const DECRYPT_BESIDE_SKIPPED: f64 = 1.15;
    pub(super) const SKIP: f64 = 1.3;
    pub(super) const PING_PONG: f64 = 1.3;
    /// The check that a key lies in the group is a scalar multiplication, several times as dear as the conversion.
    pub(super) const READ_IDENTITY_KEY: f64 = 5.0;
    /// Below 1, since several agreements are made together, which is cheaper than one by one as in the floor.
    pub(super) const OPEN_SESSION: f64 = 0.85;
    pub(super) const ACCEPT_SESSION: f64 = 0.9;
}

/// The least that vodozemac may take, as a multiple of what each item takes.
mod peer_bar {
    /// As fast as vodozemac; the rest is for noise.
    pub(super) const ENCRYPT: f64 = 0.9;
    pub(super) const DECRYPT: f64 = 0.9;
    /// At most 0.8 of what vodozemac takes.
    pub(super) const PING_PONG: f64 = 1.25;
}

/// Everything that is measured.
pub(crate) fn items() -> Vec<Item> {
    vec![
        agreement(),
        encrypt(),
        decrypt(),
        decrypt_beside_skipped(),
        skip(),
        ping_pong(),
        read_identity_key(),
        open(),
        accept(),
    ]
}

fn agreement() -> Item {
    let prepare = || Ok((KeyPair::from_secret([4; 32]), KeyPair::from_secret([5; 32])));
    let ours = Work::new(20, prepare, |(ours, theirs)| {
        Ok(ours.agree(black_box(theirs.public()))?)
    });
    Item::new(
        "x25519",
        bar::X25519,
        ours,
        Primitives::work(20, Primitives::agreement),
    )
}

fn encrypt() -> Item {
    let ours = Work::new(500, Pair::new, |pair| {
        Ok(pair.alice.encrypt(&Omemo2, pair.identity.public(), &PLAINTEXT)?)
    });
    let peer = Work::new(500, Peers::new, |peers| Ok(peers.alice.encrypt(PLAINTEXT)?));
    Item::new(
        "encrypt",
        bar::ENCRYPT,
        ours,
        Primitives::work(500, Primitives::message),
    )
    .with_peer(peer_bar::ENCRYPT, peer)
}

fn decrypt() -> Item {
    let ours = Work::new(500, || Receiving::new(500), Receiving::next_in_order);
    let peer = Work::new(500, || PeerReceiving::new(500), PeerReceiving::next_in_order);
    Item::new(
        "decrypt",
        bar::DECRYPT,
        ours,
        Primitives::work(500, Primitives::message),
    )
    .with_peer(peer_bar::DECRYPT, peer)
}

/// The floor is the same without skipped keys, so that the ratio should be 1.
fn decrypt_beside_skipped() -> Item {
    let prepare = || {
        let mut receiving = Receiving::new(SKIPPED + 501)?;
        receiving.skip()?;
        Ok(receiving)
    };
    let with_skipped = Work::new(500, prepare, Receiving::next_in_order);
    let without = Work::new(500, || Receiving::new(500), Receiving::next_in_order);
    Item::new(
        "decrypt_beside_1000_skipped",
        bar::DECRYPT_BESIDE_SKIPPED,
        with_skipped,
        without,
    )
}

fn skip() -> Item {
    let ours = Work::new(1, || Receiving::new(SKIPPED + 1), Receiving::skip);
    let floor = Primitives::work(1, |primitives| {
        (0..2 * SKIPPED).for_each(|_| primitives.hmac(&[1]));
    });
    Item::new("skip_1000", bar::SKIP, ours, floor)
}

/// There and back: two messages, each of which turns the ratchet.
fn ping_pong() -> Item {
    let ours = Work::new(20, Pair::new, Pair::ping_pong);
    let floor = Primitives::work(20, |primitives| {
        (0..4).for_each(|_| primitives.agreement());
        (0..2).for_each(|_| primitives.key_generation());
        (0..4).for_each(|_| primitives.message());
    });
    let peer = Work::new(20, Peers::new, Peers::ping_pong);
    Item::new("ping_pong", bar::PING_PONG, ours, floor).with_peer(peer_bar::PING_PONG, peer)
}

/// With the check that it lies in the group, which is most of it and which the floor does not have.
fn read_identity_key() -> Item {
    let prepare = || Ok(*IdentityKeyPair::from_seed([1; 32]).public().ed25519());
    let ours = Work::new(50, prepare, |bytes| {
        Ok(IdentityKey::from_ed25519(black_box(*bytes))?)
    });
    Item::new(
        "read_identity_key",
        bar::READ_IDENTITY_KEY,
        ours,
        Primitives::work(50, Primitives::conversion),
    )
}

/// From a bundle, its identity key still to be read, to the first message.
fn open() -> Item {
    let prepare = || Ok((IdentityKeyPair::from_seed([1; 32]), Published::new()));
    let ours = Work::new(10, prepare, |(own, published)| {
        first_message(own, &published.bundle)
    });
    let floor = Primitives::work(10, |primitives| {
        (0..5).for_each(|_| primitives.agreement());
        (0..2).for_each(|_| primitives.key_generation());
        primitives.verification();
        primitives.conversion();
        primitives.message();
    });
    Item::new("open_session", bar::OPEN_SESSION, ours, floor)
}

/// From the bytes of the first message to its plaintext, with 100 pre keys to choose from.
fn accept() -> Item {
    let prepare = || {
        let published = Published::new();
        let (_, data) = first_message(&IdentityKeyPair::from_seed([1; 32]), &published.bundle)?;
        Ok((published, data))
    };
    let ours = Work::new(10, prepare, |(published, data)| published.accept(data));
    let floor = Primitives::work(10, |primitives| {
        (0..6).for_each(|_| primitives.agreement());
        primitives.key_generation();
        primitives.message();
    });
    Item::new("accept_session", bar::ACCEPT_SESSION, ours, floor)
}
