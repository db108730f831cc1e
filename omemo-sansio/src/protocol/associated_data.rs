//! What a session authenticates with each of its messages.

/// Which side of a session: who opened it, or who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The side that fetched a bundle and sent the key exchange.
    Initiator,
    /// The side whose bundle it was.
    Responder,
}

impl Role {
    /// The other side.
    pub const fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}

/// The identity keys of both sides, in the form the protocol authenticates, byte for byte as they were received (X3DH,
/// section 3.3). How they are ordered and prefixed for the MAC is the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssociatedData {
    /// The key of the side that opened the session.
    pub initiator: [u8; 32],
    /// The key of the other side.
    pub responder: [u8; 32],
}
