//! Waiting for a future on the calling thread.

use core::cell::Cell;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::thread::{self, Thread};

/// What a thread can do while it waits, instead of sleeping until another thread has done it for it: to be woken by
/// another thread is what costs most of a short wait.
pub trait Park: Sync {
    /// Works until `is_woken` says so. It is asked again whenever the waker that it was given last was woken.
    fn park(&self, is_woken: &mut dyn FnMut(&Waker) -> bool);
}

/// What this thread will do once the future that is being polled has returned.
#[derive(Clone, Copy)]
enum Next {
    /// Whatever its executor does.
    Unknown,
    /// Sleep.
    Sleep,
    Park(&'static dyn Park),
}

std::thread_local! {
    static NEXT: Cell<Next> = const { Cell::new(Next::Unknown) };
}

/// Asks [`wait`], from within a future that is about to be pending, to park the thread by `park` until it is over. Answers
/// whether it will: not if the future is polled by another executor, or if another was asked for before.
pub fn park_with(park: &'static dyn Park) -> bool {
    match NEXT.get() {
        Next::Unknown => false,
        Next::Sleep => {
            NEXT.set(Next::Park(park));
            true
        }
        Next::Park(before) => core::ptr::addr_eq(before, park),
    }
}

/// Waits on the calling thread until `future` is ready.
///
/// ```
/// assert_eq!(omemo_storage::blocking::wait(async { 2 + 2 }), 4);
/// ```
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    let waiter = Arc::new(Waiter {
        thread: thread::current(),
        is_woken: AtomicBool::new(false),
        parked: Mutex::new(None),
    });
    let waker = Waker::from(Arc::clone(&waiter));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    // Kept from one poll to the next: who has asked is not polled again before it is woken.
    let mut next = Next::Sleep;
    loop {
        let asking = Asking::begin(next);
        let polled = future.as_mut().poll(&mut context);
        next = asking.end();
        match (polled, next) {
            (Poll::Ready(output), _) => return output,
            (Poll::Pending, Next::Park(park)) => waiter.park(park),
            (Poll::Pending, Next::Sleep | Next::Unknown) => waiter.sleep(),
        }
    }
}

/// While it lives, futures may say how to wait for them. Ends also where one panics.
struct Asking {
    /// Of the wait that this one is within.
    outer: Next,
}

impl Asking {
    fn begin(next: Next) -> Self {
        let outer = NEXT.replace(next);
        Self { outer }
    }

    fn end(self) -> Next {
        NEXT.get()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        NEXT.set(self.outer);
    }
}

struct Waiter {
    thread: Thread,
    is_woken: AtomicBool,
    /// What wakes the thread while it is parked otherwise than asleep.
    parked: Mutex<Option<Waker>>,
}

impl Waiter {
    fn sleep(&self) {
        while !self.is_woken.swap(false, Ordering::SeqCst) {
            thread::park();
        }
    }

    fn park(&self, park: &dyn Park) {
        park.park(&mut |waker| {
            // Kept before it is looked whether to wake: whoever says so afterwards finds it.
            let mut parked = self.parked();
            if !parked.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
                *parked = Some(waker.clone());
            }
            drop(parked);
            self.is_woken.swap(false, Ordering::SeqCst)
        });
        *self.parked() = None;
    }

    fn parked(&self) -> MutexGuard<'_, Option<Waker>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Waiter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::SeqCst);
        let parked = self.parked().clone();
        match parked {
            Some(waker) => waker.wake(),
            None => self.thread.unpark(),
        }
    }
}
