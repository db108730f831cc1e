//! The content of a message (XEP-0384 0.3.0, section 4.4): AES-128-GCM, whose key and tag go to each device in its session.

use alloc::vec::Vec;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::gcm::{Gcm, TAG};
use crate::Payload;
use crate::protocol::{KeyMaterial, PayloadError};

const KEY: usize = 16;

/// The bytes of an initialisation vector that are sent.
const IV: usize = 12;

/// The most bytes of an initialisation vector that are taken. Others send 12 or 16; nothing says how many it must be.
const MAX_IV: usize = 64;

/// Encrypts with a key drawn here, and then an initialisation vector.
pub(super) fn encrypt(plaintext: &[u8], rng: &mut dyn CryptoRng) -> (Payload, KeyMaterial) {
    let mut key = Zeroizing::new([0; KEY]);
    rng.fill_bytes(&mut *key);
    let mut iv = [0; IV];
    rng.fill_bytes(&mut iv);
    let mut ciphertext = plaintext.to_vec();
    let tag = Gcm::new(&key).encrypt(&iv, &mut ciphertext);
    let payload = Payload {
        ciphertext,
        iv: Some(iv.into()),
    };
    (payload, KeyMaterial::new(&*key, &tag))
}

/// Draws an initialisation vector, and then a key that encrypts nothing.
pub(super) fn empty(rng: &mut dyn CryptoRng) -> (Payload, KeyMaterial) {
    let mut iv = [0; IV];
    rng.fill_bytes(&mut iv);
    let mut key = Zeroizing::new([0; KEY]);
    rng.fill_bytes(&mut *key);
    let payload = Payload {
        ciphertext: Vec::new(),
        iv: Some(iv.into()),
    };
    (payload, KeyMaterial::new(&*key, &[]))
}

/// Checks the tag, then decrypts. The tag comes with the key, or, as early clients sent it, at the end of the payload.
pub(super) fn decrypt(
    payload: &Payload,
    key_material: &KeyMaterial,
) -> Result<Zeroizing<Vec<u8>>, PayloadError> {
    let wrong_length = PayloadError::KeyMaterialLength(key_material.as_bytes().len());
    let key = key_material.key().try_into().map_err(|_| wrong_length)?;
    let iv = payload.iv.as_deref().unwrap_or_default();
    if iv.is_empty() || iv.len() > MAX_IV {
        return Err(PayloadError::IvLength(iv.len()));
    }
    let (ciphertext, tag) = match key_material.tag() {
        [] => payload
            .ciphertext
            .split_last_chunk::<TAG>()
            .map(|(ciphertext, tag)| (ciphertext, tag.as_slice()))
            .ok_or(PayloadError::NoTag)?,
        tag => (payload.ciphertext.as_slice(), tag),
    };
    let mut plaintext = Zeroizing::new(ciphertext.to_vec());
    if Gcm::new(key).decrypt(iv, &mut plaintext, tag) {
        Ok(plaintext)
    } else {
        Err(PayloadError::InvalidTag)
    }
}

/// A key alone, or a key and a tag.
pub(super) fn key_material(decrypted: Zeroizing<Vec<u8>>) -> Result<KeyMaterial, PayloadError> {
    const KEY_AND_TAG: usize = KEY + TAG;
    let length = decrypted.len();
    match length {
        KEY | KEY_AND_TAG => KeyMaterial::from_decrypted(decrypted, KEY),
        _ => None,
    }
    .ok_or(PayloadError::KeyMaterialLength(length))
}
