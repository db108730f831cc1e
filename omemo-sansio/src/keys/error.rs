//! Why keys are refused.

/// Why bytes cannot be an identity key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// The coordinate is not reduced modulo 2^255 - 19 (RFC 8032, section 5.1.3, step 1).
    #[error("the key is not encoded canonically")]
    NonCanonical,
    /// No point of the curve has this coordinate.
    #[error("the key is not on the curve")]
    NotOnCurve,
    /// The point has small order, or a part of small order: it lies outside the group the base point generates, so that
    /// several encodings could stand for one identity.
    #[error("the key is not in the prime-order group")]
    SmallOrder,
    /// A private scalar is not clamped (RFC 7748, section 5).
    #[error("the private scalar is not clamped")]
    NotClamped,
}

/// A signature does not belong to the message and the key (RFC 8032, section 5.1.7), or is not canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is invalid")]
pub struct InvalidSignature;

/// A Diffie-Hellman result is all zero: the other side's public key has small order and contributes nothing (RFC 7748,
/// section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the public key contributes nothing to the shared secret")]
pub struct NonContributory;
