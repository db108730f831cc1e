//! Public keys and signatures.

use core::fmt;

/// A Curve25519 public key: 32 bytes, the u coordinate, little endian (RFC 7748).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the 32 bytes of a u coordinate.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// An Ed25519 signature: 64 bytes (RFC 8032).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Takes the 64 bytes of a signature.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// The identity key of a device, in both its forms. Its Curve25519 form is what identifies it: two keys are equal, and
/// ordered, by that form alone. The Ed25519 bytes are kept as received, since OMEMO 2 authenticates them.
#[derive(Clone, Copy)]
pub struct IdentityKey {
    ed25519: [u8; 32],
    curve25519: PublicKey,
}

impl IdentityKey {
    /// Joins two forms that are known to belong together.
    pub(crate) const fn from_parts(ed25519: [u8; 32], curve25519: PublicKey) -> Self {
        Self { ed25519, curve25519 }
    }

    /// The Ed25519 form: 32 bytes as received (RFC 8032, section 5.1.2).
    pub const fn ed25519(&self) -> &[u8; 32] {
        &self.ed25519
    }

    /// The Curve25519 form.
    pub const fn curve25519(&self) -> PublicKey {
        self.curve25519
    }
}

impl PartialEq for IdentityKey {
    fn eq(&self, other: &Self) -> bool {
        self.curve25519 == other.curve25519
    }
}

impl Eq for IdentityKey {}

impl PartialOrd for IdentityKey {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for IdentityKey {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.curve25519.cmp(&other.curve25519)
    }
}

impl core::hash::Hash for IdentityKey {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.curve25519.hash(state);
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityKey(")?;
        self.curve25519
            .0
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}
