//! A runtime of this crate's own, so that its futures run on any executor.
//!
//! sqlx asks for a tokio runtime wherever it waits for time or hands a connection back, and panics without one. What
//! it asks for must also outlive the storage, which the runtime of one test or of one request does not. So every
//! future is polled and dropped within a runtime that lives as long as the process; its one thread sleeps meanwhile.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use omemo_storage::{ErrorKind, StorageError};
use tokio::runtime::{Builder, EnterGuard, Runtime};

static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();

/// Makes the runtime the current one of this thread, until the guard is dropped.
pub(crate) fn enter() -> Result<EnterGuard<'static>, StorageError> {
    let start = || {
        Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("omemo-storage-redis")
            .enable_all()
            .build()
    };
    match RUNTIME.get_or_init(start) {
        Ok(runtime) => Ok(runtime.enter()),
        Err(error) => Err(StorageError::new(
            ErrorKind::Unavailable,
            format!("the runtime of the storage cannot be started: {error}"),
        )),
    }
}

/// Polls and drops `future` within the runtime.
pub(crate) fn within<F>(future: F) -> Within<F> {
    Within {
        future: Some(Box::pin(future)),
    }
}

/// See [`within`].
pub(crate) struct Within<F> {
    /// `None` once it is ready.
    future: Option<Pin<Box<F>>>,
}

impl<T, F: Future<Output = Result<T, StorageError>>> Future for Within<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = match enter() {
            Ok(entered) => entered,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let Some(future) = &mut self.future else {
            return Poll::Pending;
        };
        let polled = future.as_mut().poll(context);
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl<F> Drop for Within<F> {
    fn drop(&mut self) {
        let _entered = enter().ok();
        self.future = None;
    }
}
