//! The macro that makes tests of the behaviours.

/// Makes a test of each behaviour of [`storage`](crate::storage): with the attribute given, on a storage that the
/// function given opens. It is an async function without arguments that returns a pair: the storage, and whatever must
/// outlive it.
#[macro_export]
macro_rules! storage_suite {
    ($attribute:meta, $open:expr) => {
        $crate::storage_suite! { @tests $attribute, $open;
            absent_record_has_one_creator
            absent_records_are_not_in_the_snapshot
            accounts_are_isolated
            accounts_are_listed_page_by_page
            applied_batch_is_stored
            batch_deletes_and_puts_together
            batch_of_many_records
            commit_is_atomic
            concurrent_increments_are_not_lost
            concurrent_resends_are_applied_once
            conflicting_batch_is_not_remembered
            deleted_record_is_not_at_its_former_revision
            dropped_commits_leave_all_or_nothing
            empty_batch_is_applied
            empty_query_is_answered
            empty_value_is_a_value
            expectation_of_a_record_only_read
            expectation_of_absence_only_read
            expectation_of_absence_when_writing
            expectation_of_presence_when_writing
            largest_value_is_kept
            last_of_many_expectations_counts
            load_answers_many_partitions_at_once
            load_mixes_records_and_partitions
            longest_names_are_kept
            one_batch_can_only_validate
            partition_is_loaded_whole_and_alone
            purge_removes_one_account_whole
            purged_account_starts_afresh
            records_are_listed_page_by_page
            resent_batch_is_applied_once
            resent_batch_spares_later_writes
            resent_batch_spares_writes_of_others
            resent_deletion_spares_a_new_record
            resent_validation_is_not_judged_again
            rewritten_record_is_not_at_its_former_revision
            similar_names_are_different_records
            snapshot_is_ordered_by_bytes
            snapshots_are_consistent
            too_large_value_is_refused
            too_many_records_are_refused
            value_keeps_every_byte
            write_skew_on_absent_records
            write_skew_on_present_records
        }
    };
    (@tests $attribute:meta, $open:expr; $($behaviour:ident)*) => {$(
        #[$attribute]
        async fn $behaviour() {
            let (storage, _guard) = $open().await;
            $crate::storage::$behaviour(&storage).await;
        }
    )*};
}
