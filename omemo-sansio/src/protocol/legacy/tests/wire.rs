//! The bytes of key elements.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::keys::InvalidKey;
use crate::keys::testing::hex;
use crate::protocol::MAX_KEY_ELEMENT;
use crate::protocol::legacy::wire::{PreKeySignalMessage, SignalMessage};

/// What is written with a change to its fields.
fn message(change: impl FnOnce(&mut SignalMessage)) -> Vec<u8> {
    let mut message = SignalMessage::decode(&sealed()[1..sealed().len() - 8]).unwrap();
    change(&mut message);
    [&[0x33], &*message.encode_to_vec(), &[0xac; 8]].concat()
}

fn pre_key_message(change: impl FnOnce(&mut PreKeySignalMessage)) -> Vec<u8> {
    let mut message = PreKeySignalMessage::decode(&wrapped()[1..]).unwrap();
    change(&mut message);
    [&[0x33], &*message.encode_to_vec()].concat()
}

#[test]
fn wire_note_01_every_public_key_has_33_bytes() {
    let sealed = sealed();
    assert_eq!(sealed[..5], [0x33, 0x0a, 33, 5, 7]);
    let wrapped = wrapped();
    assert_eq!(wrapped[3..7], [0x12, 33, 5, 9]);
    assert_eq!(wrapped[38..41], [0x1a, 33, 5]);
    assert_eq!(wrapped[41..73], IDENTITY);
    for (length, error) in [
        (
            32,
            WireError::Length {
                field: "ratchetKey",
                length: 32,
            },
        ),
        (
            34,
            WireError::Length {
                field: "ratchetKey",
                length: 34,
            },
        ),
        (
            0,
            WireError::Length {
                field: "ratchetKey",
                length: 0,
            },
        ),
        (
            33,
            WireError::KeyType {
                field: "ratchetKey",
                found: 6,
            },
        ),
    ] {
        let bare = message(|message| message.ratchet_key = Some([6; 34][..length].to_vec()));
        assert_eq!(Legacy.parse(&bare).unwrap_err(), error);
    }
}

#[test]
fn wire_note_08_the_mac_has_8_bytes() {
    let message = Legacy.encode_message(&HEADER, &[0xc1; 64]);
    assert_eq!(sealed(), [message.as_slice(), &[0xac; 8]].concat());
    assert_eq!(Legacy.parse(&sealed()).unwrap().message.mac(), [0xac; 8]);
    let short = [0x33, 1, 2, 3, 4, 5, 6, 7];
    assert!(Legacy.parse(&short).is_err());
}

/// Two of our own would agree on any order: the expected values were made elsewhere.
#[test]
fn wire_note_09_the_mac_is_over_the_sender_first() {
    let data = AssociatedData {
        initiator: [1; 32],
        responder: [2; 32],
    };
    let mac = |sender| *Legacy.mac(&[3; 32], &data, sender, b"message");
    assert_eq!(
        mac(Role::Initiator),
        hex("06957986834ef97ea5a36eeebf11c8e67103ba4d67dd3f05c4f0aae5b639f35b")
    );
    assert_eq!(
        mac(Role::Responder),
        hex("9dcfde82127339d33c0111a15ec0c3965c181a81826a5bc52a09221b50df6440")
    );
}

#[test]
fn wire_note_10_fields_are_written_in_order_even_if_zero() {
    let expected = [
        [0x33, 0x0a, 33, 5].as_slice(),
        &[7; 32],
        &[0x10, 0, 0x18, 0xac, 0x02, 0x22, 2, 0xc1, 0xc1],
    ]
    .concat();
    assert_eq!(Legacy.encode_message(&HEADER, &[0xc1; 2]), expected);

    let sealed = sealed();
    let length = u8::try_from(sealed.len()).unwrap();
    let expected = [
        [0x33, 0x08, 0, 0x12, 33, 5].as_slice(),
        &[9; 32],
        &[0x1a, 33, 5],
        &IDENTITY,
        &[0x22, length],
        &sealed,
        &[0x30, 0xff, 0xff, 0xff, 0xff, 0x0f],
    ]
    .concat();
    assert_eq!(wrapped(), expected);
}

#[test]
fn wire_note_10_any_registration_id_is_accepted_and_none() {
    let read = || Legacy.parse(&wrapped()).unwrap().key_exchange;
    assert!(read().is_some());
    for id in [
        [0x28, 0].as_slice(),
        &[0x28, 0x2a],
        &[0x28, 0xff, 0xff, 0xff, 0xff, 0x0f],
    ] {
        let whole = wrapped();
        let (before, signed_pre_key) = whole.split_at(whole.len() - 6);
        let with = [before, id, signed_pre_key].concat();
        assert_eq!(Legacy.parse(&with).unwrap().key_exchange, read());
    }
}

#[test]
fn wire_note_11_any_low_nibble_is_accepted() {
    for low in 0..16 {
        let mut data = sealed();
        data[0] = 0x30 | low;
        let message = Legacy.parse(&data).unwrap().message;
        assert_eq!(
            message.authenticated()[0],
            0x30 | low,
            "the MAC is over the byte as received"
        );
        let mut data = wrapped();
        data[0] = 0x30 | low;
        assert!(Legacy.parse(&data).unwrap().key_exchange.is_some());
    }
    assert_eq!((sealed()[0], wrapped()[0]), (0x33, 0x33));
}

#[test]
fn wire_note_11_any_other_high_nibble_is_refused() {
    for version in (0..=255).filter(|version| version >> 4 != 3) {
        for mut data in [sealed(), wrapped()] {
            data[0] = version;
            assert_eq!(Legacy.parse(&data).unwrap_err(), WireError::Version(version));
        }
    }
    let inner = pre_key_message(|message| message.message.as_mut().unwrap()[0] = 0x43);
    assert_eq!(Legacy.parse(&inner).unwrap_err(), WireError::Version(0x43));
}

/// Whatever the element is marked as, and in whatever order its fields come.
#[test]
fn wire_note_14_the_bytes_tell_a_key_exchange() {
    assert!(Legacy.parse(&sealed()).unwrap().key_exchange.is_none());
    let key = |byte| [&[33, 5], [byte; 32].as_slice()].concat();
    let fields = [
        [&[0x0a], &*key(7)].concat(),
        [0x10, 4].to_vec(),
        [0x18, 2].to_vec(),
        [0x22, 2, 0xc1, 0xc1].to_vec(),
    ];
    for shift in 0..fields.len() {
        let mut fields = fields.clone();
        fields.rotate_left(shift);
        let data = [&[0x33], &*fields.concat(), &[0xac; 8]].concat();
        let read = Legacy.parse(&data).unwrap();
        assert!(read.key_exchange.is_none());
        assert_eq!((read.message.header().n, read.message.header().pn), (4, 2));
    }
    let sealed = sealed();
    let length = u8::try_from(sealed.len()).unwrap();
    let fields = [
        [0x08, 0].to_vec(),
        [&[0x12], &*key(9)].concat(),
        [&[0x1a, 33, 5], IDENTITY.as_slice()].concat(),
        [&[0x22, length], sealed.as_slice()].concat(),
        [0x28, 1].to_vec(),
        [0x30, 0xff, 0xff, 0xff, 0xff, 0x0f].to_vec(),
    ];
    for shift in 0..fields.len() {
        let mut fields = fields.clone();
        fields.rotate_left(shift);
        let read = Legacy.parse(&[&[0x33], &*fields.concat()].concat()).unwrap();
        assert_eq!(read.key_exchange, Some(key_exchange()));
        assert_eq!(read.message, Legacy.parse(&sealed).unwrap().message);
    }
}

#[test]
fn wire_note_20_a_missing_mark_is_no_matter() {
    // The element's mark never gets here.
    assert!(Legacy.parse(&wrapped()).unwrap().key_exchange.is_some());
    assert!(Legacy.parse(&sealed()).unwrap().key_exchange.is_none());
}

/// Each thing that may be lacking or wrong: hence its length.
#[test]
fn wire_note_29_a_key_exchange_needs_its_pre_key_and_valid_keys() {
    for (changed, error) in [
        (
            pre_key_message(|message| message.pre_key_id = None),
            WireError::Missing("preKeyId"),
        ),
        (
            pre_key_message(|message| message.signed_pre_key_id = None),
            WireError::Missing("signedPreKeyId"),
        ),
        (
            pre_key_message(|message| message.base_key = None),
            WireError::Missing("baseKey"),
        ),
        (
            pre_key_message(|message| message.identity_key = None),
            WireError::Missing("identityKey"),
        ),
        (
            pre_key_message(|message| message.message = None),
            WireError::Missing("message"),
        ),
        (
            pre_key_message(|message| {
                message.identity_key = Some(public_key::encode(&PublicKey::from_bytes([0; 32])).into())
            }),
            WireError::IdentityKey(InvalidKey::SmallOrder),
        ),
        (
            pre_key_message(|message| message.base_key = Some(vec![5; 32])),
            WireError::Length {
                field: "baseKey",
                length: 32,
            },
        ),
        (
            pre_key_message(|message| message.message = Some(vec![0x33])),
            WireError::Missing("mac"),
        ),
        (
            pre_key_message(|message| message.message = Some(Vec::new())),
            WireError::Missing("mac"),
        ),
        (
            message(|message| message.ratchet_key = None),
            WireError::Missing("ratchetKey"),
        ),
        (
            message(|message| message.counter = None),
            WireError::Missing("counter"),
        ),
        (
            message(|message| message.previous_counter = None),
            WireError::Missing("previousCounter"),
        ),
        (
            message(|message| message.ciphertext = None),
            WireError::Missing("ciphertext"),
        ),
        (Vec::new(), WireError::Missing("version")),
    ] {
        assert_eq!(Legacy.parse(&changed).unwrap_err(), error);
    }
}

#[test]
fn the_length_is_bounded() {
    let of_length = |length: usize| {
        let message = |ciphertext| Legacy.encode_message(&HEADER, &[0; MAX_KEY_ELEMENT][..ciphertext]);
        let added = Legacy.seal(message(length - 100), &[0; 32]).len() - (length - 100);
        Legacy.seal(message(length - added), &[0; 32])
    };
    let (most, more) = (of_length(MAX_KEY_ELEMENT), of_length(MAX_KEY_ELEMENT + 1));
    assert_eq!((most.len(), more.len()), (MAX_KEY_ELEMENT, MAX_KEY_ELEMENT + 1));
    assert!(Legacy.parse(&most).is_ok());
    assert_eq!(Legacy.parse(&more).unwrap_err(), WireError::TooLong(more.len()));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Legacy.parse(&data);
        let _ = Legacy.parse(&[&[0x33], &*data].concat());
    }

    #[test]
    fn cut_and_changed_bytes_are_read_or_refused(cut in 0_usize..300, at in 0_usize..300, bit in 0_u8..8, more: Vec<u8>) {
        for whole in [wrapped(), sealed()] {
            prop_assert!(cut >= whole.len() || Legacy.parse(&whole[..cut]).is_err() || cut >= whole.len() - 8);
            let mut changed = whole.clone();
            let at = at % changed.len();
            changed[at] ^= 1 << bit;
            let _ = Legacy.parse(&changed);
            let _ = Legacy.parse(&[whole.as_slice(), &more].concat());
        }
    }

    #[test]
    fn what_was_written_is_read(n: u32, pn: u32, ratchet_key: [u8; 32], base_key: [u8; 32], ciphertext in prop::collection::vec(any::<u8>(), 0..200)) {
        let header = Header { ratchet_key: PublicKey::from_bytes(ratchet_key), n, pn };
        let authenticated = Legacy.encode_message(&header, &ciphertext);
        let sealed = Legacy.seal(authenticated.clone(), &[4; 32]);
        let message = Legacy.parse(&sealed).unwrap().message;
        prop_assert_eq!(message.header(), &header);
        prop_assert_eq!(message.ciphertext(), &ciphertext);
        prop_assert_eq!(message.authenticated(), &authenticated);
        let key_exchange = KeyExchange { base_key: PublicKey::from_bytes(base_key), ..key_exchange() };
        let read = Legacy.parse(&Legacy.encode_key_exchange(&key_exchange, sealed)).unwrap();
        prop_assert_eq!(read.key_exchange, Some(key_exchange));
        prop_assert_eq!(read.message, message);
    }
}
