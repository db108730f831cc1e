//! A tokio runtime of a storage's own, so that its futures run on any executor.
//!
//! Clients of servers ask for a tokio runtime wherever they wait for the network or for time, and panic without one. What
//! they ask for must also outlive the storage, which the runtime of one test or of one request does not. So every future
//! is polled and dropped within a runtime that lives as long as the process.
//!
//! A runtime gets on only while a thread drives it. A thread in [`wait`](crate::blocking::wait) drives it itself: the
//! answer of the server then wakes the very thread that waits for it. A thread in the background drives it for everyone
//! else. Whether it does so in time decides about speed alone: whoever waits drives unless another does.

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::boxed::Box;
use std::format;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

use crate::blocking::{Park, park_with};
use crate::{ErrorKind, StorageError};

/// For how long the thread in the background leaves the driving to threads that wait, after the last of them.
const PAUSE: Duration = Duration::from_millis(10);

/// The runtime of a storage crate: one `static` each, started when it is used for the first time.
pub struct Runtime {
    name: &'static str,
    driven: OnceLock<io::Result<Driven>>,
    background: OnceLock<io::Result<()>>,
}

impl Runtime {
    /// `name` is that of the thread in the background, such as the crate's.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            driven: OnceLock::new(),
            background: OnceLock::new(),
        }
    }

    /// Polls and drops `future` within the runtime. Fails with [`ErrorKind::Unavailable`] if that cannot be started.
    pub fn within<F>(&'static self, future: F) -> Within<F> {
        Within {
            runtime: self,
            future: Some(Box::pin(future)),
            needs_background: false,
        }
    }

    fn driven(&'static self) -> Result<&'static Driven, StorageError> {
        let driven = self
            .driven
            .get_or_init(Driven::new)
            .as_ref()
            .map_err(not_started)?;
        let start = || {
            let thread = thread::Builder::new().name(self.name.into());
            thread.spawn(|| driven.stand_in()).map(drop)
        };
        self.background.get_or_init(start).as_ref().map_err(not_started)?;
        Ok(driven)
    }
}

fn not_started(error: &io::Error) -> StorageError {
    StorageError::new(
        ErrorKind::Unavailable,
        format!("the runtime of the storage cannot be started: {error}"),
    )
}

/// See [`Runtime::within`].
pub struct Within<F> {
    runtime: &'static Runtime,
    /// `None` once it is ready.
    future: Option<Pin<Box<F>>>,
    /// Whether it is pending on a thread that does not drive the runtime.
    needs_background: bool,
}

impl<T, F: Future<Output = Result<T, StorageError>>> Future for Within<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let driven = match self.runtime.driven() {
            Ok(driven) => driven,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let Some(future) = &mut self.future else {
            return Poll::Pending;
        };
        // Who is within a runtime must not drive another.
        let is_free = Handle::try_current().is_err();
        let entered = driven.tokio.enter();
        let polled = future.as_mut().poll(context);
        if polled.is_ready() {
            self.future = None;
        }
        drop(entered);
        let needs_background = polled.is_pending() && !(is_free && park_with(driven));
        if needs_background != self.needs_background {
            self.needs_background = needs_background;
            driven.is_needed(needs_background);
        }
        polled
    }
}

impl<F> Drop for Within<F> {
    fn drop(&mut self) {
        let driven = self.runtime.driven().ok();
        let _entered = driven.map(|driven| driven.tokio.enter());
        self.future = None;
        if let Some(driven) = driven.filter(|_| self.needs_background) {
            driven.is_needed(false);
        }
    }
}

/// The runtime proper, and who drives it.
struct Driven {
    /// Of those who block on it, one drives it, and when that one leaves, another does.
    tokio: tokio::runtime::Runtime,
    /// Tells the thread in the background to leave the driving to those who wait.
    leave: Notify,
    drivers: Mutex<Drivers>,
    /// Tells it that somebody relies on it.
    needed: Condvar,
}

#[derive(Default)]
struct Drivers {
    /// How many threads wait, and so drive.
    waiting: usize,
    /// How many have ever waited.
    arrived: u64,
    /// How many futures are pending elsewhere.
    pending: usize,
    /// Whether the thread in the background does not drive.
    is_paused: bool,
}

impl Driven {
    fn new() -> io::Result<Self> {
        Ok(Self {
            tokio: Builder::new_current_thread().enable_all().build()?,
            leave: Notify::new(),
            drivers: Mutex::default(),
            needed: Condvar::new(),
        })
    }

    fn drivers(&self) -> MutexGuard<'_, Drivers> {
        self.drivers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One future more, or one less, relies on the thread in the background.
    fn is_needed(&self, more: bool) {
        let mut drivers = self.drivers();
        if more {
            drivers.pending += 1;
            if drivers.is_paused {
                self.needed.notify_one();
            }
        } else {
            drivers.pending = drivers.pending.saturating_sub(1);
        }
    }

    /// What the thread in the background does.
    fn stand_in(&self) {
        loop {
            self.tokio.block_on(self.leave.notified());
            self.pause();
        }
    }

    /// Returns when somebody relies on the background, or when nobody has waited for a while: what was spawned, such as the
    /// end of a connection, must get on too.
    fn pause(&self) {
        let mut drivers = self.drivers();
        drivers.is_paused = true;
        let mut arrived = None;
        while drivers.pending == 0 && (drivers.waiting > 0 || arrived != Some(drivers.arrived)) {
            arrived = Some(drivers.arrived);
            let paused = self.needed.wait_timeout(drivers, PAUSE);
            drivers = paused.unwrap_or_else(PoisonError::into_inner).0;
        }
        drivers.is_paused = false;
    }
}

impl Park for Driven {
    fn park(&self, is_woken: &mut dyn FnMut(&Waker) -> bool) {
        let mut drivers = self.drivers();
        drivers.waiting += 1;
        drivers.arrived = drivers.arrived.wrapping_add(1);
        let is_in_the_way = drivers.pending == 0 && !drivers.is_paused;
        drop(drivers);
        if is_in_the_way {
            self.leave.notify_one();
        }
        self.tokio
            .block_on(poll_fn(|context| match is_woken(context.waker()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }));
        self.drivers().waiting -= 1;
    }
}
