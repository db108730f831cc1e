//! The storage in memory keeps the contract.

use omemo_storage_memory::MemoryStorage;

async fn open() -> (MemoryStorage, ()) {
    (MemoryStorage::new(), ())
}

omemo_conformance::storage_suite!(tokio::test, open);
