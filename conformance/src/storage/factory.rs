//! How the suite gets at the storage under test.

use std::fmt;
use std::future::Future;
use std::process::Command;
use std::sync::Arc;

use omemo_storage::{Storage, StorageError};

/// Opens the storage under test, knows how to break it, and holds whatever must outlive it (a temporary directory, a
/// server).
///
/// One factory stands for one set of data: whatever it opens shows the same records. The data need not be empty, and
/// the suite leaves behind what it found: it works on accounts with random names and purges them.
///
/// ```
/// use omemo_conformance::storage::{Capabilities, Capability, Factory};
/// use omemo_storage::StorageError;
/// use omemo_storage_memory::MemoryStorage;
///
/// #[derive(Default)]
/// struct Memory(MemoryStorage);
///
/// impl Factory for Memory {
///     type Storage = MemoryStorage;
///
///     async fn open(&self) -> Result<MemoryStorage, StorageError> {
///         Ok(self.0.clone())
///     }
///
///     fn capabilities(&self) -> Capabilities {
///         Capabilities::of([Capability::Shared, Capability::Fresh, Capability::Durable])
///     }
/// }
/// ```
pub trait Factory: Send + Sync {
    /// What is opened.
    type Storage: Storage + 'static;

    /// Opens a handle on the data. With [`Capability::Shared`] it is asked for several at once; otherwise the one
    /// before was dropped.
    ///
    /// # Errors
    ///
    /// What the storage says when it cannot be opened; the suite takes it for a failure.
    fn open(&self) -> impl Future<Output = Result<Self::Storage, StorageError>> + Send;

    /// What the storage promises beyond the contract, and what the factory can do to it. What is not among them is
    /// reported as not applicable, by name.
    fn capabilities(&self) -> Capabilities;

    /// For [`Capability::Processes`]: a command that runs [`write_until_killed`](super::write_until_killed) on the same
    /// data in a process of its own, with its standard output left alone. It is not started yet.
    fn writer(&self) -> Command {
        lacks(Capability::Processes)
    }

    /// For [`Capability::Restart`]: kills what serves the data (`SIGKILL`), starts it again, and returns once it takes
    /// connections. Open handles are left to find out for themselves.
    fn restart(&self) -> impl Future<Output = ()> + Send {
        async { lacks(Capability::Restart) }
    }

    /// For [`Capability::Cut`]: cuts every connection that the open handles have.
    fn cut(&self) -> impl Future<Output = ()> + Send {
        async { lacks(Capability::Cut) }
    }
}

/// A factory that declares what it does not do must not pass for it.
fn lacks<T>(capability: Capability) -> T {
    panic!("the factory declares {capability} and does not implement it")
}

/// A shared factory is a factory.
impl<F: Factory> Factory for Arc<F> {
    type Storage = F::Storage;

    async fn open(&self) -> Result<F::Storage, StorageError> {
        (**self).open().await
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    fn writer(&self) -> Command {
        (**self).writer()
    }

    async fn restart(&self) {
        (**self).restart().await;
    }

    async fn cut(&self) {
        (**self).cut().await;
    }
}

/// Something that not every storage promises, or not every factory can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// The data can be open several times at once, and commits through one handle are judged by what the others have
    /// committed. A storage that one handle locks lacks it.
    Shared,
    /// With [`Shared`](Self::Shared): a load shows what any handle committed before it. A cache lacks it.
    Fresh,
    /// What was committed is there when all handles were dropped and the data is opened again.
    Durable,
    /// [`Factory::writer`] is there: other processes can have the data open, and can be killed.
    Processes,
    /// [`Factory::restart`] is there: something serves the data, and can be killed.
    Restart,
    /// [`Factory::cut`] is there: handles have connections, and they can be cut.
    Cut,
}

impl Capability {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Shared,
        Self::Fresh,
        Self::Durable,
        Self::Processes,
        Self::Restart,
        Self::Cut,
    ];
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A set of [`Capability`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(std::collections::BTreeSet<Capability>);

impl Capabilities {
    /// These, and no others.
    pub fn of(capabilities: impl IntoIterator<Item = Capability>) -> Self {
        Self(capabilities.into_iter().collect())
    }

    /// All but these.
    pub fn all_but(lacking: impl IntoIterator<Item = Capability>) -> Self {
        let mut capabilities = Self::of(Capability::ALL);
        for lacking in lacking {
            capabilities.0.remove(&lacking);
        }
        capabilities
    }

    /// Whether it is among them.
    pub fn has(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }
}

/// A factory made of a function that opens a handle, for those who have nothing to hold and nothing to break.
///
/// ```no_run
/// use omemo_conformance::storage::{Capabilities, Capability, OpenedBy, run};
/// # async fn open_by_url() -> Result<omemo_storage_memory::MemoryStorage, omemo_storage::StorageError> { todo!() }
///
/// let capabilities = Capabilities::of([Capability::Shared, Capability::Fresh, Capability::Durable]);
/// println!("{}", run(OpenedBy::new(capabilities, open_by_url)));
/// ```
#[derive(Clone, Debug)]
pub struct OpenedBy<O> {
    capabilities: Capabilities,
    open: O,
}

impl<S, O, Opening> OpenedBy<O>
where
    S: Storage + 'static,
    O: Fn() -> Opening + Send + Sync,
    Opening: Future<Output = Result<S, StorageError>> + Send,
{
    /// Takes the function. It cannot break anything, so the capabilities for that must not be among those given.
    pub fn new(capabilities: Capabilities, open: O) -> Self {
        Self { capabilities, open }
    }
}

impl<S, O, Opening> Factory for OpenedBy<O>
where
    S: Storage + 'static,
    O: Fn() -> Opening + Send + Sync,
    Opening: Future<Output = Result<S, StorageError>> + Send,
{
    type Storage = S;

    fn open(&self) -> impl Future<Output = Result<S, StorageError>> + Send {
        (self.open)()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }
}
