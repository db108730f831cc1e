//! Names: of accounts, of partitions, of items.

use alloc::sync::Arc;
use core::cmp::Ordering;
use core::fmt;

/// The longest name in bytes. A bare JID has at most 3,071 bytes; the rest is for a prefix and a suffix around it.
pub const MAX_NAME: usize = 4096;

/// The name of an account, a partition or an item: 1 to [`MAX_NAME`] bytes of text without NUL.
///
/// Names are compared byte by byte: case, normal forms and separators mean nothing to a storage.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Arc<str>);

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        // Clones are compared more often than others.
        if Arc::ptr_eq(&self.0, &other.0) {
            Ordering::Equal
        } else {
            self.0.cmp(&other.0)
        }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Name {
    /// Checks and takes a name.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] if it is empty, longer than [`MAX_NAME`] bytes or holds a NUL.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if name.is_empty() {
            Err(InvalidName::Empty)
        } else if name.len() > MAX_NAME {
            Err(InvalidName::TooLong(name.len()))
        } else if name.contains('\0') {
            Err(InvalidName::Nul)
        } else {
            Ok(Self(Arc::from(name)))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The account (tenant) whose records are meant. Accounts cannot see each other: the account is an argument of every
/// call of a storage, never part of a [`Key`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(Name);

impl AccountId {
    /// Checks and takes the name of an account, usually its bare JID.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] as for [`Name::new`].
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        Name::new(name).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a record lies within its account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition: records that are loaded together.
    pub partition: Name,
    /// The item within the partition.
    pub item: Name,
}

impl Key {
    /// Checks both names and joins them.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] as for [`Name::new`].
    pub fn new(partition: &str, item: &str) -> Result<Self, InvalidName> {
        Ok(Self {
            partition: Name::new(partition)?,
            item: Name::new(item)?,
        })
    }
}

/// Why a text cannot be a [`Name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// It has no bytes.
    #[error("a name must not be empty")]
    Empty,
    /// It is longer than [`MAX_NAME`]; its length in bytes.
    #[error("a name has {0} bytes, more than {MAX_NAME}")]
    TooLong(usize),
    /// It holds a NUL, which not every database can store.
    #[error("a name must not hold a NUL")]
    Nul,
}
