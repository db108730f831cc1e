//! How the commits of an operation are made.

use std::future::Future;

use omemo_storage::{AccountId, Batch, Committed, Companion, Storage, StorageError, Transactional};

/// Makes a commit. `outcome` is what the operation will hand out once it is applied, if it ends with that.
pub(crate) trait Commits<S, T>: Send {
    fn commit(
        &mut self,
        storage: &S,
        account: &AccountId,
        batch: &Batch,
        outcome: Option<&T>,
    ) -> impl Future<Output = Result<Committed, StorageError>> + Send;
}

/// Batches and nothing else.
pub(crate) struct Alone;

impl<S: Storage, T: Sync> Commits<S, T> for Alone {
    async fn commit(
        &mut self,
        storage: &S,
        account: &AccountId,
        batch: &Batch,
        _: Option<&T>,
    ) -> Result<Committed, StorageError> {
        storage.commit(account, batch).await
    }
}

/// The last batch together with writes of the application.
pub(crate) struct Accompanied<T, C> {
    pub(crate) companion: C,
    /// Whether an outcome is worth writing anything. A batch that changes nothing is committed too, where an answer has to
    /// be validated.
    pub(crate) concerns: fn(&T) -> bool,
}

impl<S, T, C> Commits<S, T> for Accompanied<T, C>
where
    S: Transactional,
    T: Sync,
    C: for<'t> FnMut(&'t mut S::Transaction, &T) -> Companion<'t> + Send,
{
    async fn commit(
        &mut self,
        storage: &S,
        account: &AccountId,
        batch: &Batch,
        outcome: Option<&T>,
    ) -> Result<Committed, StorageError> {
        match outcome.filter(|outcome| (self.concerns)(outcome)) {
            Some(outcome) => {
                let companion = of_any_lifetime::<S::Transaction, _>(|transaction| {
                    (self.companion)(transaction, outcome)
                });
                storage.commit_with(account, batch, companion).await
            }
            None => storage.commit(account, batch).await,
        }
    }
}

/// Tells the compiler what it does not find out: that the closure takes a transaction of any lifetime.
fn of_any_lifetime<T, C>(companion: C) -> C
where
    C: for<'t> FnOnce(&'t mut T) -> Companion<'t>,
{
    companion
}
