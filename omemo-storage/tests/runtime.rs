//! The runtime for storages: futures get on whoever polls them, and whoever else waits or does not.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use omemo_storage::StorageError;
use omemo_storage::blocking::{Park, park_with, wait};
use omemo_storage::runtime::Runtime;

/// How long something may take that takes no time.
const PATIENCE: Duration = Duration::from_secs(20);

async fn pause(milliseconds: u64) -> Result<(), StorageError> {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    Ok(())
}

/// The thread that drives the runtime while this is awaited.
async fn driver() -> Result<ThreadId, StorageError> {
    let task = tokio::spawn(async {
        tokio::task::yield_now().await;
        thread::current().id()
    });
    Ok(task.await.unwrap())
}

/// Another executor: it polls on a thread of its own, and sleeps between.
fn elsewhere<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> mpsc::Receiver<T> {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(output) => return sender.send(output),
                Poll::Pending => thread::park(),
            }
        }
    });
    receiver
}

/// That is what makes a short wait short.
#[test]
fn who_waits_drives() {
    static RUNTIME: Runtime = Runtime::new("test");
    let begun = Instant::now();
    // The thread in the background has to be told once, and comes back when nobody has waited for a while.
    while wait(RUNTIME.within(driver())).unwrap() != thread::current().id() {
        assert!(begun.elapsed() < PATIENCE, "somebody else drives");
    }
}

/// A future among others is not polled again before it is woken itself, whatever wakes the thread meanwhile.
#[test]
fn who_waits_drives_though_woken_in_vain() {
    static RUNTIME: Runtime = Runtime::new("test");
    struct Woken(AtomicUsize, Waker);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(1, Ordering::SeqCst);
            self.1.wake_by_ref();
        }
    }
    let begun = Instant::now();
    loop {
        let mut driver = Box::pin(RUNTIME.within(driver()));
        let mut woken: Option<Arc<Woken>> = None;
        let driver = wait(poll_fn(|context| {
            let woken = woken.get_or_insert_with(|| {
                // Once more than anybody asked for.
                context.waker().wake_by_ref();
                Arc::new(Woken(AtomicUsize::new(1), context.waker().clone()))
            });
            match woken.0.swap(0, Ordering::SeqCst) {
                0 => Poll::Pending,
                _ => driver
                    .as_mut()
                    .poll(&mut Context::from_waker(&Waker::from(Arc::clone(woken)))),
            }
        }));
        if driver.unwrap() == thread::current().id() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "somebody else drives");
    }
}

#[test]
fn futures_get_on_elsewhere() {
    static RUNTIME: Runtime = Runtime::new("test");
    for round in 0..20 {
        // In every other round the background has been told to leave the driving to those who wait.
        if round % 2 == 0 {
            wait(RUNTIME.within(pause(1))).unwrap();
        }
        let driven = elsewhere(RUNTIME.within(driver())).recv_timeout(PATIENCE);
        assert_ne!(driven.unwrap().unwrap(), thread::current().id());
    }
}

/// Those who wait come and go; of all the others, none stands still.
#[test]
fn everybody_gets_on_at_once() {
    static RUNTIME: Runtime = Runtime::new("test");
    let done: Vec<_> = (0..4)
        .map(|number| {
            elsewhere(async move {
                for _ in 0..100 {
                    RUNTIME.within(pause(number)).await.unwrap();
                }
            })
        })
        .collect();
    thread::scope(|scope| {
        for number in 0..4 {
            scope.spawn(move || {
                for _ in 0..100 {
                    wait(RUNTIME.within(pause(number))).unwrap();
                }
            });
        }
    });
    for done in done {
        done.recv_timeout(PATIENCE).unwrap();
    }
}

/// Such as the end of a connection.
#[test]
fn what_was_spawned_gets_on_without_anybody() {
    static RUNTIME: Runtime = Runtime::new("test");
    for _ in 0..5 {
        let (sender, receiver) = mpsc::channel();
        let spawn = async move {
            tokio::spawn(async move {
                pause(5).await.unwrap();
                sender.send(()).unwrap();
            });
            pause(1).await
        };
        wait(RUNTIME.within(spawn)).unwrap();
        receiver.recv_timeout(PATIENCE).unwrap();
    }
}

/// Each thread is parked by one of them, and the other does not stand still.
#[test]
fn two_runtimes_in_one_wait() {
    static ONE: Runtime = Runtime::new("one");
    static OTHER: Runtime = Runtime::new("other");
    for _ in 0..10 {
        let mut both = [ONE.within(pause(1)), OTHER.within(pause(3))].map(|pause| (Box::pin(pause), false));
        wait(poll_fn(|context| {
            for (future, is_done) in &mut both {
                *is_done = *is_done || future.as_mut().poll(context).is_ready();
            }
            match both.iter().all(|(_, is_done)| *is_done) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
    }
}

/// A thread that is within a runtime must not drive another.
#[test]
fn waits_within_tokio() {
    static RUNTIME: Runtime = Runtime::new("test");
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let driver = tokio.block_on(async { wait(RUNTIME.within(driver())) });
    assert_ne!(driver.unwrap(), thread::current().id());
    let spawned = tokio.block_on(async {
        let task = tokio::task::spawn_blocking(|| wait(RUNTIME.within(pause(1))));
        task.await.unwrap()
    });
    spawned.unwrap();
}

/// A future that is dropped, whenever, is not waited for.
#[test]
fn dropped_while_it_is_pending() {
    static RUNTIME: Runtime = Runtime::new("test");
    for _ in 0..10 {
        let mut forgotten = Box::pin(RUNTIME.within(pause(1_000_000)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(forgotten.as_mut().poll(&mut context).is_pending());
        drop(forgotten);
        wait(RUNTIME.within(pause(1))).unwrap();
    }
    who_waits_drives();
}

/// What wakes may come from anywhere, and at any moment.
#[test]
fn woken_from_outside() {
    static RUNTIME: Runtime = Runtime::new("test");
    for round in 0..200 {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let answer = RUNTIME.within(async move { Ok(receiver.await.unwrap()) });
        let sender = thread::spawn(move || {
            if round % 3 == 0 {
                thread::yield_now();
            }
            sender.send(round)
        });
        assert_eq!(wait(answer).unwrap(), round);
        sender.join().unwrap().unwrap();
    }
}

/// A thread is parked only as its own wait was asked to.
#[test]
fn only_a_wait_is_asked() {
    struct Counting(AtomicUsize);
    impl Park for Counting {
        fn park(&self, is_woken: &mut dyn FnMut(&Waker) -> bool) {
            self.0.fetch_add(1, Ordering::SeqCst);
            while !is_woken(Waker::noop()) {}
        }
    }
    static ONE: Counting = Counting(AtomicUsize::new(0));
    static OTHER: Counting = Counting(AtomicUsize::new(0));
    assert!(!park_with(&ONE));
    let mut polls = 0;
    wait(poll_fn(|context| {
        polls += 1;
        // It is enough to ask once.
        assert!(polls == 2 || park_with(&ONE) && park_with(&ONE));
        assert!(!park_with(&OTHER));
        // A wait within another has its own.
        wait(async { assert!(park_with(&OTHER)) });
        assert!(park_with(&ONE));
        context.waker().wake_by_ref();
        match polls {
            3 => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }));
    assert!(!park_with(&ONE));
    assert_eq!(ONE.0.load(Ordering::SeqCst), 2);
    assert_eq!(OTHER.0.load(Ordering::SeqCst), 0);
}
