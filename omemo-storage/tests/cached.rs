//! A cached storage keeps the contract for whoever goes through it.
#![cfg(all(feature = "cached", feature = "sealed"))]
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use omemo_conformance::faults;
use omemo_conformance::storage::{Capabilities, Capability, Factory};
use omemo_storage::{Cached, MasterKey, Sealed, Storage, StorageError};
use omemo_storage_memory::MemoryStorage;

/// All handles are one.
struct OneHandle<S>(Arc<Cached<S>>);

impl<S: Storage + 'static> Factory for OneHandle<S> {
    type Storage = Arc<Cached<S>>;

    async fn open(&self) -> Result<Self::Storage, StorageError> {
        Ok(self.0.clone())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::of([Capability::Shared, Capability::Fresh, Capability::Durable])
    }
}

/// Every handle has a cache of its own, and is behind the others until a commit finds out.
#[derive(Default)]
struct ManyHandles(MemoryStorage);

impl Factory for ManyHandles {
    type Storage = Cached<MemoryStorage>;

    async fn open(&self) -> Result<Self::Storage, StorageError> {
        Ok(Cached::new(self.0.clone()))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::of([Capability::Shared, Capability::Durable])
    }
}

fn one_handle() -> OneHandle<MemoryStorage> {
    of_capacity(64 << 20)
}

fn of_capacity(bytes: usize) -> OneHandle<MemoryStorage> {
    OneHandle(Arc::new(Cached::new(MemoryStorage::new()).capacity(bytes)))
}

fn over_sealed() -> OneHandle<Sealed<MemoryStorage>> {
    OneHandle(Arc::new(Cached::new(sealed(MemoryStorage::new()))))
}

fn under_sealed() -> OneSealed {
    OneSealed(Arc::new(Sealed::new(
        Cached::new(MemoryStorage::new()),
        MasterKey::from_bytes([7; 32]),
    )))
}

/// The cache on the inside.
struct OneSealed(Arc<Sealed<Cached<MemoryStorage>>>);

impl Factory for OneSealed {
    type Storage = Arc<Sealed<Cached<MemoryStorage>>>;

    async fn open(&self) -> Result<Self::Storage, StorageError> {
        Ok(self.0.clone())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::of([Capability::Shared, Capability::Fresh, Capability::Durable])
    }
}

fn sealed(inner: MemoryStorage) -> Sealed<MemoryStorage> {
    Sealed::new(inner, MasterKey::from_bytes([7; 32]))
}

mod with_one_handle {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, one_handle(), lacks: [Processes, Restart, Cut]);
}

/// There is room for a few partitions: what is known comes and goes.
mod with_little_room {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, of_capacity(1_000), lacks: [Processes, Restart, Cut]);
}

mod with_many_handles {
    use super::*;

    omemo_conformance::storage_suite!(
        tokio::test,
        ManyHandles::default(),
        lacks: [Fresh, Processes, Restart, Cut]
    );
}

mod with_sealed_inside {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, over_sealed(), lacks: [Processes, Restart, Cut]);
}

mod with_sealed_outside {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, under_sealed(), lacks: [Processes, Restart, Cut]);
}

/// The protocol bears a fault at each of its effects, over a storage that others share.
#[test]
fn every_effect_may_go_wrong() {
    let storages: Mutex<HashMap<(usize, String), MemoryStorage>> = Mutex::default();
    let tried = faults::at_every_effect(|run, device| {
        let mut storages = storages.lock().unwrap();
        let storage = storages.entry((run, device.to_owned())).or_default();
        Cached::new(storage.clone())
    });
    println!("{tried:?}");
    assert!(tried.commits > 80, "{tried:?}");
}
