//! The content of a message (XEP-0384 0.9.1, section 4.4): HKDF, AES-256-CBC, HMAC cut to 16 bytes.

use alloc::vec::Vec;

use hmac::Mac;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Payload;
use crate::keys::kdf;
use crate::protocol::{CipherKeys, KeyMaterial, PayloadError};

const INFO: &[u8] = b"OMEMO Payload";
const KEY: usize = 32;
const TAG: usize = 16;

/// Encrypts with a key drawn here.
pub(super) fn encrypt(plaintext: &[u8], rng: &mut dyn CryptoRng) -> (Payload, KeyMaterial) {
    let mut key = Zeroizing::new([0; KEY]);
    rng.fill_bytes(&mut *key);
    let keys = CipherKeys::derive(&key, INFO);
    let ciphertext = keys.encrypt(plaintext);
    let key_material = KeyMaterial::new(&*key, &tag(&keys, &ciphertext));
    let payload = Payload { ciphertext, iv: None };
    (payload, key_material)
}

/// Checks the tag, then decrypts.
pub(super) fn decrypt(
    payload: &Payload,
    key_material: &KeyMaterial,
) -> Result<Zeroizing<Vec<u8>>, PayloadError> {
    if key_material.tag().is_empty() {
        return Err(PayloadError::NoTag);
    }
    let key = key_material
        .key()
        .first_chunk()
        .ok_or(PayloadError::KeyMaterialLength(key_material.as_bytes().len()))?;
    let keys = CipherKeys::derive(key, INFO);
    if bool::from(tag(&keys, &payload.ciphertext).ct_eq(key_material.tag())) {
        keys.decrypt(&payload.ciphertext).ok_or(PayloadError::Malformed)
    } else {
        Err(PayloadError::InvalidTag)
    }
}

/// A key alone (an empty message), or a key and a tag.
pub(super) fn key_material(decrypted: Zeroizing<Vec<u8>>) -> Result<KeyMaterial, PayloadError> {
    const KEY_AND_TAG: usize = KEY + TAG;
    let length = decrypted.len();
    match length {
        KEY | KEY_AND_TAG => KeyMaterial::from_decrypted(decrypted, KEY),
        _ => None,
    }
    .ok_or(PayloadError::KeyMaterialLength(length))
}

fn tag(keys: &CipherKeys, ciphertext: &[u8]) -> [u8; TAG] {
    let mut mac = kdf::hmac(keys.mac_key());
    mac.update(ciphertext);
    let mut full = Zeroizing::new([0; 32]);
    kdf::finish(mac, &mut full);
    let mut tag = [0; TAG];
    tag.iter_mut().zip(full.iter()).for_each(|(to, from)| *to = *from);
    tag
}

#[cfg(test)]
mod tests {
    use std::format;

    use proptest::prelude::*;

    use super::*;
    use crate::keys::testing::TestRng;
    use crate::protocol::{Omemo2, Protocol, WithoutPayload};

    #[test]
    fn every_change_is_noticed() {
        let (payload, key_material) = encrypt(b"plaintext", &mut TestRng::new(1));
        assert_eq!(*decrypt(&payload, &key_material).unwrap(), b"plaintext");
        for at in 0..payload.ciphertext.len() {
            let mut changed = payload.clone();
            changed.ciphertext[at] ^= 1;
            assert_eq!(decrypt(&changed, &key_material), Err(PayloadError::InvalidTag));
        }
        for at in 0..key_material.as_bytes().len() {
            let mut changed = key_material.as_bytes().to_vec();
            changed[at] ^= 1;
            let changed = super::key_material(changed.into()).unwrap();
            assert_eq!(decrypt(&payload, &changed), Err(PayloadError::InvalidTag));
        }
    }

    #[test]
    fn a_tag_must_have_its_length() {
        let (payload, whole) = encrypt(b"plaintext", &mut TestRng::new(1));
        for length in 1..TAG {
            let short = KeyMaterial::new(whole.key(), &whole.tag()[..length]);
            assert_eq!(decrypt(&payload, &short), Err(PayloadError::InvalidTag));
        }
        let none = KeyMaterial::new(whole.key(), b"");
        assert_eq!(decrypt(&payload, &none), Err(PayloadError::NoTag));
    }

    #[test]
    fn an_empty_message_has_a_key_of_zeros_and_no_tag() {
        let (payload, empty) = Omemo2.encrypt_empty(&mut TestRng::new(1));
        assert_eq!((payload, empty.as_bytes()), (None, [0; 32].as_slice()));
        assert_eq!(Omemo2.without_payload(&empty), Ok(WithoutPayload::Empty));
        let (_, full) = encrypt(b"", &mut TestRng::new(1));
        assert_eq!(Omemo2.without_payload(&full), Err(PayloadError::NoPayload));
        assert_eq!(full.as_bytes().len(), 48);
    }

    #[test]
    fn wire_note_18_key_material_has_32_or_48_bytes() {
        for length in 0..100 {
            let result = key_material(Zeroizing::new([1; 100][..length].to_vec()));
            match length {
                32 | 48 => assert_eq!(result.unwrap().key(), [1; 32]),
                _ => assert_eq!(result.unwrap_err(), PayloadError::KeyMaterialLength(length)),
            }
        }
    }

    #[test]
    fn key_material_shows_nothing() {
        let (_, key_material) = encrypt(b"", &mut TestRng::new(1));
        assert_eq!(format!("{key_material:?}"), "KeyMaterial(..)");
    }

    proptest! {
        #[test]
        fn what_was_encrypted_is_decrypted(plaintext: Vec<u8>, seed: u64) {
            let (payload, key_material) = Omemo2.encrypt_payload(&plaintext, &mut TestRng::new(seed)).unwrap();
            prop_assert_eq!(payload.ciphertext.len(), plaintext.len() / 16 * 16 + 16);
            prop_assert_eq!(&*Omemo2.decrypt_payload(&payload, &key_material).unwrap(), &plaintext);
        }
    }
}
