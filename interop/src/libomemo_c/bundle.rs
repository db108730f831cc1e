//! Bundles as the peer writes them.

use omemo::keys::{IdentityKey, PublicKey, Signature};
use omemo::{Bundle, Namespace, PreKeyId, PublicSignedPreKey};

use crate::hex;

/// Where a legacy signature carries the sign of the Ed25519 form of the identity key.
const SIGN: u8 = 0x80;

/// What legacy keys begin with.
const KEY_TYPE: u8 = 5;

/// Reads the words of a bundle: identity key, signed pre key with its id before it and its signature behind it, then each
/// pre key, with its id before it.
pub(super) fn read(namespace: &Namespace, words: &[String]) -> Bundle {
    let [identity_key, id, signed_pre_key, signature, pre_keys @ ..] = words else {
        panic!("no bundle: {words:?}");
    };
    let mut signature: [u8; 64] = bytes(signature);
    let identity_key = if *namespace == Namespace::OMEMO_2 {
        IdentityKey::from_ed25519(bytes(identity_key))
    } else {
        let sign = signature[63] & SIGN != 0;
        signature[63] &= !SIGN;
        IdentityKey::from_curve25519(key(namespace, identity_key), sign)
    };
    let pre_keys = pre_keys.chunks(2).map(|pair| match pair {
        [id, pre_key] => (number(id), key(namespace, pre_key)),
        _ => panic!("a pre key without key: {pair:?}"),
    });
    Bundle {
        identity_key: identity_key.expect("a valid identity key"),
        signed_pre_key: PublicSignedPreKey {
            id: number(id),
            key: key(namespace, signed_pre_key),
            signature: Signature::from_bytes(signature),
        },
        pre_keys: pre_keys.collect(),
    }
}

/// Writes a bundle with one of its pre keys, as the words that open a session.
pub(super) fn write(namespace: &Namespace, bundle: &Bundle, pre_key: PreKeyId) -> [String; 6] {
    let legacy = *namespace != Namespace::OMEMO_2;
    let encode = |key: &PublicKey| match legacy {
        true => hex::encode(&[&[KEY_TYPE], &key.as_bytes()[..]].concat()),
        false => hex::encode(key.as_bytes()),
    };
    let Bundle {
        identity_key,
        signed_pre_key,
        pre_keys,
    } = bundle;
    let mut signature = *signed_pre_key.signature.as_bytes();
    let identity_key = if legacy {
        signature[63] |= identity_key.ed25519()[31] & SIGN;
        encode(&identity_key.curve25519())
    } else {
        hex::encode(identity_key.ed25519())
    };
    [
        identity_key,
        signed_pre_key.id.to_string(),
        encode(&signed_pre_key.key),
        hex::encode(&signature),
        pre_key.to_string(),
        encode(&pre_keys[&pre_key]),
    ]
}

fn key(namespace: &Namespace, word: &str) -> PublicKey {
    if *namespace == Namespace::OMEMO_2 {
        return PublicKey::from_bytes(bytes(word));
    }
    let [key_type, key @ ..] = bytes::<33>(word);
    assert_eq!(key_type, KEY_TYPE, "another type of key");
    PublicKey::from_bytes(key)
}

fn bytes<const LENGTH: usize>(word: &str) -> [u8; LENGTH] {
    let bytes: Result<[u8; LENGTH], _> = hex::decode(word).try_into();
    bytes.unwrap_or_else(|bytes| panic!("{} bytes instead of {LENGTH}", bytes.len()))
}

fn number(word: &str) -> PreKeyId {
    PreKeyId::new(word.parse().expect("the id of a pre key"))
}
