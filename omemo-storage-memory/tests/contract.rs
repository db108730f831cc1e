//! The storage in memory keeps the contract.

use omemo_conformance::storage::{Capabilities, Capability, Factory};
use omemo_storage::StorageError;
use omemo_storage_memory::MemoryStorage;

/// Every handle is a clone that shares the records.
#[derive(Default)]
struct Memory(MemoryStorage);

impl Factory for Memory {
    type Storage = MemoryStorage;

    async fn open(&self) -> Result<MemoryStorage, StorageError> {
        Ok(self.0.clone())
    }

    /// The factory's own clone keeps the records while no handle is open.
    fn capabilities(&self) -> Capabilities {
        Capabilities::of([Capability::Shared, Capability::Fresh, Capability::Durable])
    }
}

omemo_conformance::storage_suite!(tokio::test, Memory::default(), lacks: [Processes, Restart, Cut]);
