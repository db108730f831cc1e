//! Clocks, and timers where there are some.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use omemo_sansio::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Timestamp::from_unix(since_epoch.map_or(0, |duration| duration.as_secs()))
    }
}

/// The timer of the application's runtime. Without one, a client tries again at once where it would wait a little.
///
/// ```
/// use std::pin::Pin;
/// use std::time::Duration;
///
/// struct Tokio;
///
/// impl omemo::Timer for Tokio {
///     fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
///         Box::pin(tokio::time::sleep(duration))
///     }
/// }
/// ```
pub trait Timer: Send + Sync {
    /// A future that is ready after `duration`.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}
