//! Where and when something is sealed: what its seal is bound to beside the key.

use alloc::vec::Vec;

use crate::{AccountId, Key, Revision};

/// Associated data, made for one record after another in the same memory.
pub(super) struct Place<'a> {
    account: &'a AccountId,
    bytes: Vec<u8>,
}

impl<'a> Place<'a> {
    pub(super) fn new(account: &'a AccountId) -> Self {
        let bytes = Vec::new();
        Self { account, bytes }
    }

    /// Binds to what stands before the sealed bytes, to the account, the record's names in the storage, its revision.
    pub(super) fn of(&mut self, header: &[u8], key: &Key, revision: &Revision) -> &[u8] {
        self.bytes.clear();
        let (partition, item) = (key.partition.as_str(), key.item.as_str());
        for part in [
            header,
            revision.as_bytes(),
            partition.as_bytes(),
            item.as_bytes(),
            self.account.as_str().as_bytes(),
        ] {
            // Lengths keep neighbours apart; none is above 4,096 bytes.
            self.bytes.extend_from_slice(&(part.len() as u16).to_be_bytes());
            self.bytes.extend_from_slice(part);
        }
        &self.bytes
    }
}
