//! The double ratchet.
