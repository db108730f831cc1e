//! Public keys of 33 bytes.

use crate::keys::PublicKey;
use crate::protocol::WireError;

/// What a Curve25519 key begins with.
const CURVE25519: u8 = 5;

/// A 5 and the u coordinate: 33 bytes.
pub(super) fn encode(key: &PublicKey) -> [u8; 33] {
    let mut bytes = [CURVE25519; 33];
    let [_, u @ ..] = &mut bytes;
    *u = *key.as_bytes();
    bytes
}

/// Reads what [`encode`] writes.
pub(super) fn decode(field: &'static str, bytes: &[u8]) -> Result<PublicKey, WireError> {
    let length = bytes.len();
    match bytes.split_first_chunk() {
        Some((&[CURVE25519], u)) => u
            .try_into()
            .map(PublicKey::from_bytes)
            .map_err(|_| WireError::Length { field, length }),
        Some((&[found], u)) if u.len() == 32 => Err(WireError::KeyType { field, found }),
        _ => Err(WireError::Length { field, length }),
    }
}
