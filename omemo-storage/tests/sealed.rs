//! A sealed storage keeps the contract, and gives away what it says it gives away, no more.
#![cfg(feature = "sealed")]
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::HashMap;
use std::sync::Mutex;

use omemo_conformance::faults;
use omemo_conformance::storage::{Alternating, Capabilities, Capability, Factory};
use omemo_storage::{Keyring, MasterKey, Sealed, StorageError};
use omemo_storage_memory::MemoryStorage;

fn sealed(inner: MemoryStorage) -> Sealed<MemoryStorage> {
    Sealed::new(inner, Keyring::new(MasterKey::from_bytes([7; 32])))
}

fn capabilities() -> Capabilities {
    Capabilities::of([Capability::Shared, Capability::Fresh, Capability::Durable])
}

/// Every handle has its own memory of keys, as in different processes.
#[derive(Default)]
struct OverMemory(MemoryStorage);

impl Factory for OverMemory {
    type Storage = Sealed<MemoryStorage>;

    async fn open(&self) -> Result<Self::Storage, StorageError> {
        Ok(sealed(self.0.clone()))
    }

    fn capabilities(&self) -> Capabilities {
        capabilities()
    }
}

/// Each call goes to another handle than the call before.
#[derive(Default)]
struct InTurn(MemoryStorage);

impl Factory for InTurn {
    type Storage = Alternating<Sealed<MemoryStorage>>;

    async fn open(&self) -> Result<Self::Storage, StorageError> {
        Ok(Alternating::new(vec![
            sealed(self.0.clone()),
            sealed(self.0.clone()),
        ]))
    }

    fn capabilities(&self) -> Capabilities {
        capabilities()
    }
}

/// Sealed twice over, as the wrapper's own bounds must allow.
#[derive(Default)]
struct Twice(MemoryStorage);

impl Factory for Twice {
    type Storage = Sealed<Sealed<MemoryStorage>>;

    async fn open(&self) -> Result<Self::Storage, StorageError> {
        let other = MasterKey::from_bytes([8; 32]);
        Ok(Sealed::new(sealed(self.0.clone()), other))
    }

    fn capabilities(&self) -> Capabilities {
        capabilities()
    }
}

mod over_memory {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, OverMemory::default(), lacks: [Processes, Restart, Cut]);
}

mod in_turn {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, InTurn::default(), lacks: [Processes, Restart, Cut]);
}

mod twice {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, Twice::default(), lacks: [Processes, Restart, Cut]);
}

/// The protocol bears a fault at each of its effects.
#[test]
fn every_effect_may_go_wrong() {
    let storages: Mutex<HashMap<(usize, String), MemoryStorage>> = Mutex::default();
    let tried = faults::at_every_effect(|run, device| {
        let mut storages = storages.lock().unwrap();
        let storage = storages.entry((run, device.to_owned())).or_default();
        sealed(storage.clone())
    });
    println!("{tried:?}");
    assert!(tried.effects > 250 && tried.commits > 80, "{tried:?}");
}
