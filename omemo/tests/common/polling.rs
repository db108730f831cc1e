//! Futures that are polled so often and dropped then.
#![allow(
    unreachable_pub,
    reason = "some tests have it within a module, others at their root"
)]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

/// Wakes a thread that is parked.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future that often, each time when there is something new, then drops it at once, with what it waits for still under
/// way. What it has ended with, if it has.
pub fn poll_often<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    (0..polls).find_map(|poll| {
        if poll > 0 {
            thread::park_timeout(Duration::from_secs(1));
        }
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    })
}
