//! The list of the behaviours, and the macro that makes tests of them.

/// Calls a macro with the list of all behaviours: each with what it works on, and what it needs beyond the contract.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_behaviour {
    ($($callback:ident)::+ ! { $($arguments:tt)* }) => {
        $($callback)::+ ! { $($arguments)*
            absent_record_has_one_creator(storage)
            absent_records_are_not_in_the_snapshot(storage)
            accounts_are_isolated(storage)
            accounts_are_listed_page_by_page(storage)
            accounts_do_not_disturb_one_another(storage)
            applied_batch_is_stored(storage)
            batch_deletes_and_puts_together(storage)
            batch_is_remembered_for_its_account_alone(storage)
            batch_moves_items_between_partitions(storage)
            batch_of_ten_thousand_records(storage)
            calls_of_a_hundred_threads_all_end(storage)
            calls_of_one_thread_all_end(storage)
            commit_is_atomic(storage)
            committed_records_survive_reopening(factory, Durable)
            concurrent_resends_are_applied_once(storage)
            conflicting_batch_is_not_remembered(storage)
            cut_connections_lose_nothing_and_handles_recover(factory, Cut)
            deleted_record_is_not_at_its_former_revision(storage)
            dropped_calls_hinder_no_later_call(storage)
            dropped_commits_leave_all_or_nothing(storage)
            empty_batch_is_applied(storage)
            empty_query_is_answered(storage)
            empty_value_is_a_value(storage)
            expectation_of_a_record_only_read(storage)
            expectation_of_absence_only_read(storage)
            expectation_of_absence_when_writing(storage)
            expectation_of_presence_when_writing(storage)
            handles_do_not_lose_increments_of_one_another(factory, Shared)
            handles_see_what_others_committed(factory, Shared, Fresh)
            history_of_one_handle_is_linearizable(storage)
            history_of_several_handles_is_linearizable(factory, Shared, Fresh)
            impossible_names_are_refused(storage)
            increments_of_sixteen_are_not_lost(storage)
            increments_of_two_are_not_lost(storage)
            killed_processes_lose_nothing_acknowledged(factory, Processes, Shared)
            largest_batch_is_applied(storage)
            largest_value_is_kept(storage)
            last_of_many_expectations_counts(storage)
            listing_bears_accounts_that_come_and_go(storage)
            load_answers_many_partitions_at_once(storage)
            load_mixes_records_and_partitions(storage)
            longest_names_are_kept(storage)
            names_do_not_run_into_one_another(storage)
            one_batch_can_only_validate(storage)
            partition_is_loaded_whole_and_alone(storage)
            purge_removes_one_account_whole(storage)
            purged_account_starts_afresh(storage)
            purges_during_commits_tear_nothing(storage)
            random_programs_agree_with_the_model(factory)
            records_are_listed_page_by_page(storage)
            resent_batch_is_applied_once(storage)
            resent_batch_is_known_after_reopening(factory, Durable)
            resent_batch_spares_later_writes(storage)
            resent_batch_spares_writes_of_others(storage)
            resent_deletion_spares_a_new_record(storage)
            resent_validation_is_not_judged_again(storage)
            restarts_lose_nothing_and_handles_recover(factory, Restart)
            rewritten_record_is_not_at_its_former_revision(storage)
            similar_names_are_different_records(storage)
            snapshot_is_ordered_by_bytes(storage)
            snapshots_are_consistent(storage)
            too_large_value_is_refused(storage)
            too_many_records_are_refused(storage)
            value_keeps_every_byte(storage)
            write_skew_on_absent_records(storage)
            write_skew_on_present_records(storage)
        }
    };
}

/// Makes a test of each behaviour, with the attribute given, on a factory that the expression given makes (it may
/// await). Each test makes a factory of its own.
///
/// A behaviour that needs a capability which the factory lacks prints that it is not applicable; so that none is
/// skipped unnoticed, the capabilities lacking are named here too, and a test of its own compares and counts.
///
/// ```no_run
/// # use omemo_conformance::storage::{Capabilities, Capability, OpenedBy, Factory};
/// # use omemo_storage_memory::MemoryStorage;
/// # async fn start_server() -> impl Factory {
/// #     OpenedBy::new(Capabilities::default(), || async { Ok(MemoryStorage::new()) })
/// # }
/// omemo_conformance::storage_suite!(tokio::test, start_server().await, lacks: [Processes]);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! storage_suite {
    ($attribute:meta, $factory:expr, lacks: [$($lacking:ident),* $(,)?]) => {
        #[$attribute]
        async fn behaviours_are_counted() {
            $crate::storage::count(&$factory, &[$($crate::storage::Capability::$lacking),*]);
        }

        $crate::for_each_behaviour!($crate::storage_suite! { @tests ($attribute, $factory) });
    };
    (@tests ($attribute:meta, $factory:expr) $($behaviour:ident ($kind:ident $(, $needed:ident)*))*) => {$(
        #[$attribute]
        async fn $behaviour() {
            $crate::storage::cases::$behaviour($factory).await;
        }
    )*};
}
