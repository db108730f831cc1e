//! AES-256-CBC with HMAC-SHA-256: how OMEMO encrypts both a message of the ratchet and, in OMEMO 2, the payload.

use alloc::vec::Vec;

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use zeroize::{Zeroize, Zeroizing};

use crate::keys::kdf::{self, Salt};

/// 80 bytes of HKDF output: an AES-256 key, an HMAC-SHA-256 key and an initialisation vector (XEP-0384, sections 4.3 and
/// 4.4).
pub(crate) struct CipherKeys(Zeroizing<[[u8; 32]; 3]>);

impl CipherKeys {
    /// Derives them. The salt is 32 zero bytes.
    pub(crate) fn derive(key: &[u8; 32], info: &[u8]) -> Self {
        Self(kdf::hkdf(&Salt::Zeros, &[key], info))
    }

    /// The key of the MAC, which covers more than the ciphertext in the ratchet.
    pub(crate) fn mac_key(&self) -> &[u8; 32] {
        let [_, mac_key, _] = &*self.0;
        mac_key
    }

    /// Encrypts, padded as PKCS #7 wants.
    pub(crate) fn encrypt(&self, plaintext: &[u8]) -> Vec<u8> {
        let (key, iv) = self.key_and_iv();
        Encryptor::<Aes256>::new(key.into(), iv.into()).encrypt_padded_vec::<Pkcs7>(plaintext)
    }

    /// Decrypts what was authenticated before; `None` if it is not whole blocks with valid padding.
    pub(crate) fn decrypt(&self, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (key, iv) = self.key_and_iv();
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let length = Decryptor::<Aes256>::new(key.into(), iv.into())
            .decrypt_padded::<Pkcs7>(&mut buffer)
            .ok()?
            .len();
        if let Some(padding) = buffer.get_mut(length..) {
            padding.zeroize();
        }
        buffer.truncate(length);
        Some(buffer)
    }

    fn key_and_iv(&self) -> (&[u8; 32], &[u8; 16]) {
        let [key, _, last] = &*self.0;
        let (iv, _) = last.split_first_chunk().unwrap_or((&[0; 16], &[]));
        (key, iv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::testing::hex;

    /// Two of our own would agree on any key: the expected values were made elsewhere.
    #[test]
    fn keys_and_ciphertext_are_those_of_the_standards() {
        let keys = CipherKeys::derive(&[1; 32], b"info");
        let mac_key = hex("5e5e86f0ba3aad9eef7695b82c808261515e24115ac9792cd24049a5dd2ba6ba");
        assert_eq!(*keys.mac_key(), mac_key);
        let ciphertext: [u8; 16] = hex("705a5067dbb3bd4776e3c678f6c23d72");
        assert_eq!(keys.encrypt(b"plaintext"), ciphertext);
        assert_eq!(*keys.decrypt(&ciphertext).unwrap(), b"plaintext");
    }
}
