//! What trips implementers of this version. The numbers are those of the notes it was written from.

mod keys;
mod payload;
mod wire;

use alloc::vec::Vec;

use super::*;
use crate::PreKeyId;

const HEADER: Header = Header {
    ratchet_key: PublicKey::from_bytes([7; 32]),
    n: 0,
    pn: 300,
};

/// A recorded one, in its Curve25519 form.
const IDENTITY: [u8; 32] = [
    0x7a, 0x7a, 0xc8, 0x97, 0x26, 0x99, 0xc1, 0xf1, 0x2b, 0xea, 0x8c, 0x32, 0xae, 0x65, 0x64, 0x23, 0x2c,
    0x8d, 0xef, 0xc8, 0xa8, 0x1b, 0xe1, 0x09, 0xda, 0x4a, 0x1c, 0x43, 0x84, 0x89, 0xdb, 0x6b,
];

fn sealed() -> Vec<u8> {
    Legacy.seal(Legacy.encode_message(&HEADER, &[0xc1; 64]), &[0xac; 32])
}

fn key_exchange() -> KeyExchange {
    KeyExchange {
        pre_key: PreKeyId::new(0),
        signed_pre_key: PreKeyId::new(u32::MAX),
        identity_key: IdentityKey::from_curve25519(PublicKey::from_bytes(IDENTITY), true).unwrap(),
        base_key: PublicKey::from_bytes([9; 32]),
    }
}

fn wrapped() -> Vec<u8> {
    Legacy.encode_key_exchange(&key_exchange(), sealed())
}
