//! What can be wrong with a storage.

macro_rules! flaws {
    ($($(#[$doc:meta])* $flaw:ident => $behaviour:ident,)*) => {
        /// One thing that is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Flaw {
            $($(#[$doc])* $flaw,)*
        }

        impl Flaw {
            /// All there are.
            pub(crate) const ALL: &[Self] = &[$(Self::$flaw),*];

            /// The behaviour that is about it.
            pub(crate) fn caught_by(self) -> &'static str {
                match self {
                    $(Self::$flaw => stringify!($behaviour),)*
                }
            }
        }
    };
}

flaws! {
    /// Whoever expects a revision overwrites any: lost updates.
    PresenceIgnored => expectation_of_presence_when_writing,
    /// Whoever expects nothing overwrites what is there.
    AbsenceIgnored => expectation_of_absence_when_writing,
    /// What was only read is not looked at.
    ReadIgnored => expectation_of_a_record_only_read,
    /// What was only found absent is not looked at.
    ReadAbsenceIgnored => expectation_of_absence_only_read,
    /// A batch without writes always applies.
    ValidationIgnored => one_batch_can_only_validate,
    /// Only the first hundred expectations are looked at.
    LaterExpectationsIgnored => last_of_many_expectations_counts,
    /// Of a batch that conflicts, what was as expected is written.
    TornBatch => commit_is_atomic,
    /// A conflict is answered as if it had been applied.
    ConflictSaidApplied => commit_is_atomic,
    /// A batch that deletes is applied and answered as a conflict.
    AppliedSaidConflict => batch_deletes_and_puts_together,
    /// A batch with both puts and deletes forgets to delete.
    DeleteForgotten => batch_deletes_and_puts_together,
    /// Deletes come last, and delete by the item's name in every partition.
    DeleteEverywhere => batch_moves_items_between_partitions,
    /// Who deleted a record is still at its former revision.
    GraveKeepsRevision => deleted_record_is_not_at_its_former_revision,
    /// A record that is replaced keeps its revision.
    RevisionUnchanged => applied_batch_is_stored,
    /// A revision comes back with the value that had it: ABA.
    RevisionOfValue => rewritten_record_is_not_at_its_former_revision,

    /// No commit is remembered.
    NotIdempotent => resent_batch_is_applied_once,
    /// Only the last commit is remembered.
    LastCommitOnlyKnown => resent_batch_spares_later_writes,
    /// A commit that was sent again is written again.
    ResentWrittenAgain => resent_batch_spares_writes_of_others,
    /// A deletion that was sent again deletes again.
    ResentDeletedAgain => resent_deletion_spares_a_new_record,
    /// Commits without writes are not remembered.
    ValidationNotKnown => resent_validation_is_not_judged_again,
    /// Commits that conflicted are remembered as applied.
    ConflictKnown => conflicting_batch_is_not_remembered,
    /// The commits of all accounts are remembered together.
    KnownForAll => batch_is_remembered_for_its_account_alone,
    /// Whether a commit is known is looked up before the lock is taken.
    ResendRace => concurrent_resends_are_applied_once,
    /// Whoever opens the storage makes it forget its commits.
    ReopeningForgetsCommits => resent_batch_is_known_after_reopening,

    /// Expectations are checked before the lock is taken: the window of sixteen writers.
    CheckThenWrite => increments_of_sixteen_are_not_lost,
    /// The same, for writers who create.
    CreateRace => absent_record_has_one_creator,
    /// Records only read are checked before the lock is taken.
    SkewOfPresent => write_skew_on_present_records,
    /// Absences only read are checked before the lock is taken.
    SkewOfAbsent => write_skew_on_absent_records,
    /// Commits of other accounts at the same time are conflicts.
    AccountsConflict => accounts_do_not_disturb_one_another,
    /// A load takes partition after partition.
    TornSnapshot => snapshots_are_consistent,
    /// A purge takes partition after partition, and half of each.
    TornPurge => purges_during_commits_tear_nothing,

    /// All accounts are one.
    AccountLeak => accounts_are_isolated,
    /// Upper and lower case are the same in names of accounts.
    AccountFolded => accounts_are_isolated,
    /// Of an account's name, what braces enclose counts, as in a cluster's slots.
    AccountTag => accounts_are_isolated,
    /// A partition comes with those whose names begin with its own.
    PrefixBleed => partition_is_loaded_whole_and_alone,
    /// Upper and lower case are the same.
    FoldedCase => similar_names_are_different_records,
    /// Normal forms are the same.
    Normalised => similar_names_are_different_records,
    /// Spaces around names do not count.
    Trimmed => similar_names_are_different_records,
    /// A percent sign is a wildcard when a partition is loaded.
    Wildcards => similar_names_are_different_records,
    /// Names are joined by a slash.
    JoinedNames => names_do_not_run_into_one_another,
    /// Names are cut at 3,071 bytes.
    NamesCut => longest_names_are_kept,

    /// Values are cut at 65,535 bytes.
    ValueTruncated => largest_value_is_kept,
    /// Values are text.
    ValueAsText => value_keeps_every_byte,
    /// What has no bytes is not there.
    EmptyIsAbsent => empty_value_is_a_value,
    /// Too large a value is taken.
    LargeTaken => too_large_value_is_refused,
    /// Too large a value is refused when the others were written.
    LargeRefusedLate => too_large_value_is_refused,
    /// Too many records are taken.
    ManyTaken => too_many_records_are_refused,
    /// More than 20,000 records are refused.
    ManyRefused => largest_batch_is_applied,
    /// No more than 1,000 records of a partition are loaded.
    PartitionCut => batch_of_ten_thousand_records,
    /// No more than 100 partitions are loaded.
    PartitionsCut => load_answers_many_partitions_at_once,
    /// Where partitions are asked for, records are forgotten.
    RecordsForgotten => load_mixes_records_and_partitions,
    /// A query for nothing is answered with everything.
    NothingIsEverything => empty_query_is_answered,
    /// The last two records of a load have the values of one another.
    ValuesExchanged => load_answers_many_partitions_at_once,
    /// The last two values of a batch are written under the keys of one another.
    PutsExchanged => batch_moves_items_between_partitions,

    /// A load shows what was there before the last commit.
    StaleAfterCommit => applied_batch_is_stored,
    /// A handle remembers what it has loaded and written, whatever others do.
    StaleHandle => handles_see_what_others_committed,
    /// The last commit is lost when the storage is opened again.
    Volatile => committed_records_survive_reopening,
    /// A commit is written in two parts, and whoever drops it between has torn it.
    TornByDropping => dropped_commits_leave_all_or_nothing,
    /// A dropped call keeps its connection.
    DroppedKeepsConnection => dropped_calls_hinder_no_later_call,
    /// A call needs a second connection while it has one.
    TwoConnections => calls_of_a_hundred_threads_all_end,
    /// When no connection is free, a call fails at once for good.
    NobodyWaits => calls_of_one_thread_all_end,

    /// The last commit is lost when the server dies.
    RestartLoses => restarts_lose_nothing_and_handles_recover,
    /// The server forgets its commits when it dies.
    RestartForgetsCommits => restarts_lose_nothing_and_handles_recover,
    /// A handle never finds its server again.
    NeverReconnects => cut_connections_lose_nothing_and_handles_recover,
    /// A commit whose answer was lost is said not to have been written.
    UnknownSaidUnwritten => cut_connections_lose_nothing_and_handles_recover,
    /// A commit that never arrived is said to have been applied.
    UnknownSaidApplied => cut_connections_lose_nothing_and_handles_recover,

    /// A purge leaves what it remembers of commits.
    PurgeKeepsCommits => purged_account_starts_afresh,
    /// A purge leaves a partition.
    PurgeKeepsPartition => purge_removes_one_account_whole,
    /// A purge takes accounts whose names begin with the account's.
    PurgeTakesNeighbour => purge_removes_one_account_whole,
    /// Between two pages of accounts one is left out.
    AccountSkipped => accounts_are_listed_page_by_page,
    /// Accounts without records are listed.
    EmptyListed => accounts_are_listed_page_by_page,
    /// A cursor counts entries.
    CursorCounts => listing_bears_accounts_that_come_and_go,
    /// Between two pages of records one is left out.
    RecordSkipped => records_are_listed_page_by_page,
}
