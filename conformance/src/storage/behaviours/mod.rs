//! The behaviours of the contract, one function each.
//!
//! Each is a plain generic function: of a storage where one handle is all it needs, of a [`Factory`](super::Factory)
//! where it opens several, again, or breaks something. It panics where the storage does not behave. It works on
//! accounts with random names; [`cases`](super::cases) removes them afterwards.

mod admin;
mod cancellation;
mod concurrency;
mod crowd;
mod expectations;
mod handles;
mod idempotence;
mod interruptions;
mod load;
mod model;
mod names;
mod processes;
mod tenant;
mod together;
mod values;
mod writes;

pub use admin::{
    accounts_are_listed_page_by_page, listing_bears_accounts_that_come_and_go,
    purge_removes_one_account_whole, purged_account_starts_afresh, records_are_listed_page_by_page,
};
pub use cancellation::{dropped_calls_hinder_no_later_call, dropped_commits_leave_all_or_nothing};
pub use concurrency::{
    absent_record_has_one_creator, accounts_do_not_disturb_one_another, concurrent_resends_are_applied_once,
    increments_of_sixteen_are_not_lost, increments_of_two_are_not_lost, purges_during_commits_tear_nothing,
    snapshots_are_consistent, write_skew_on_absent_records, write_skew_on_present_records,
};
pub use crowd::{calls_of_a_hundred_threads_all_end, calls_of_one_thread_all_end};
pub use expectations::{
    deleted_record_is_not_at_its_former_revision, expectation_of_a_record_only_read,
    expectation_of_absence_only_read, expectation_of_absence_when_writing,
    expectation_of_presence_when_writing, last_of_many_expectations_counts, one_batch_can_only_validate,
    rewritten_record_is_not_at_its_former_revision,
};
pub use handles::{
    committed_records_survive_reopening, handles_do_not_lose_increments_of_one_another,
    handles_see_what_others_committed, resent_batch_is_known_after_reopening,
};
pub use idempotence::{
    batch_is_remembered_for_its_account_alone, conflicting_batch_is_not_remembered,
    resent_batch_is_applied_once, resent_batch_spares_later_writes, resent_batch_spares_writes_of_others,
    resent_deletion_spares_a_new_record, resent_validation_is_not_judged_again,
};
pub use interruptions::{
    cut_connections_lose_nothing_and_handles_recover, restarts_lose_nothing_and_handles_recover,
};
pub use load::{
    absent_records_are_not_in_the_snapshot, empty_query_is_answered, load_answers_many_partitions_at_once,
    load_mixes_records_and_partitions, partition_is_loaded_whole_and_alone, snapshot_is_ordered_by_bytes,
};
pub use model::{
    history_of_one_handle_is_linearizable, history_of_several_handles_is_linearizable,
    random_programs_agree_with_the_model,
};
pub use names::{
    accounts_are_isolated, impossible_names_are_refused, longest_names_are_kept,
    names_do_not_run_into_one_another, similar_names_are_different_records,
};
pub use processes::{killed_processes_lose_nothing_acknowledged, write_until_killed};
pub use values::{
    batch_of_ten_thousand_records, empty_value_is_a_value, largest_batch_is_applied, largest_value_is_kept,
    too_large_value_is_refused, too_many_records_are_refused, value_keeps_every_byte,
};
pub use writes::{
    applied_batch_is_stored, batch_deletes_and_puts_together, batch_moves_items_between_partitions,
    commit_is_atomic, empty_batch_is_applied,
};
