//! The keys of accounts that were used of late.

use alloc::sync::Arc;
use core::num::NonZeroUsize;
use std::hash::RandomState;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::AccountId;

use super::keys::AccountKeys;

/// Nothing relies on what is here: each load shows whether it is still so, and each commit expects it.
pub(super) struct Known {
    accounts: Mutex<LruCache<AccountId, Arc<AccountKeys>, RandomState>>,
}

impl Known {
    pub(super) fn new(accounts: NonZeroUsize) -> Self {
        // Begun without bound, lest room for the most accounts is made at once.
        let mut known = LruCache::unbounded_with_hasher(RandomState::new());
        known.resize(accounts);
        Self {
            accounts: Mutex::new(known),
        }
    }

    pub(super) fn get(&self, account: &AccountId) -> Option<Arc<AccountKeys>> {
        self.lock().get(account).cloned()
    }

    pub(super) fn set(&self, account: &AccountId, keys: &Arc<AccountKeys>) {
        self.lock().put(account.clone(), Arc::clone(keys));
    }

    pub(super) fn forget(&self, account: &AccountId) {
        self.lock().pop(account);
    }

    /// Nothing here panics half-way through a change, so a poisoned lock protects sound data.
    fn lock(&self) -> MutexGuard<'_, LruCache<AccountId, Arc<AccountKeys>, RandomState>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
