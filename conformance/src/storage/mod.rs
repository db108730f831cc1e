//! What every storage must pass: one function for each behaviour of the contract, and a macro that makes a test of each.
//!
//! A storage crate writes one line, with the attribute its tests bear and a function that opens a storage:
//!
//! ```ignore
//! async fn open() -> (MemoryStorage, ()) {
//!     (MemoryStorage::new(), ())
//! }
//!
//! omemo_conformance::storage_suite!(tokio::test, open);
//! ```
//!
//! What the function returns beside the storage is kept until the behaviour has ended (a temporary directory). The
//! storage need not be empty: each behaviour works on accounts with names of its own.
//!
//! Concurrency is made with threads that each wait for their own calls, so the storage must run on any executor.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the module is test support: to panic is how a behaviour reports that it is broken"
)]

mod admin;
mod alternating;
mod cancellation;
mod concurrency;
mod expectations;
mod idempotence;
mod load;
mod model;
mod names;
mod suite;
mod tenant;
mod values;
mod writes;

pub use admin::{
    accounts_are_listed_page_by_page, purge_removes_one_account_whole, purged_account_starts_afresh,
    records_are_listed_page_by_page,
};
pub use alternating::Alternating;
pub use cancellation::dropped_commits_leave_all_or_nothing;
pub use concurrency::{
    absent_record_has_one_creator, concurrent_increments_are_not_lost, concurrent_resends_are_applied_once,
    snapshots_are_consistent, write_skew_on_absent_records, write_skew_on_present_records,
};
pub use expectations::{
    deleted_record_is_not_at_its_former_revision, expectation_of_a_record_only_read,
    expectation_of_absence_only_read, expectation_of_absence_when_writing,
    expectation_of_presence_when_writing, last_of_many_expectations_counts, one_batch_can_only_validate,
    rewritten_record_is_not_at_its_former_revision,
};
pub use idempotence::{
    conflicting_batch_is_not_remembered, resent_batch_is_applied_once, resent_batch_spares_later_writes,
    resent_batch_spares_writes_of_others, resent_deletion_spares_a_new_record,
    resent_validation_is_not_judged_again,
};
pub use load::{
    absent_records_are_not_in_the_snapshot, empty_query_is_answered, load_answers_many_partitions_at_once,
    load_mixes_records_and_partitions, partition_is_loaded_whole_and_alone, snapshot_is_ordered_by_bytes,
};
pub use model::agrees_with_model;
pub use names::{accounts_are_isolated, longest_names_are_kept, similar_names_are_different_records};
pub use values::{
    batch_of_many_records, empty_value_is_a_value, largest_value_is_kept, too_large_value_is_refused,
    too_many_records_are_refused, value_keeps_every_byte,
};
pub use writes::{
    applied_batch_is_stored, batch_deletes_and_puts_together, commit_is_atomic, empty_batch_is_applied,
};
