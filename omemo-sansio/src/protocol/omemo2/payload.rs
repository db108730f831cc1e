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
