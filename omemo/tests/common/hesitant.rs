//! A storage on which futures can be dropped at each of its awaits.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use omemo_storage::{
    AccountId, Batch, Committed, Cursor, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};

/// A storage whose calls are pending once before they begin and once before they answer.
pub struct Hesitant<S>(pub S);

/// Pending once.
async fn hesitate() {
    let mut hesitated = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut hesitated, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl<S: Storage> Storage for Hesitant<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        hesitate().await;
        let answer = self.0.load(account, query).await;
        hesitate().await;
        answer
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        hesitate().await;
        let answer = self.0.commit(account, batch).await;
        hesitate().await;
        answer
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        self.0.accounts(after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.0.records(account, after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.0.purge(account).await
    }
}

/// Polls a future at most `polls` times; its output, if it has come to its end.
pub fn poll<F: Future + Unpin>(future: &mut F, polls: usize) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = pin!(future);
    (0..polls).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}
