//! What is known of one record, and what a run does with it.

use alloc::string::ToString;
use alloc::sync::Arc;
use core::any::Any;

use omemo_storage::{Key, Record, Revision, Stake, Value, Write};

use super::Stop;
use crate::Error;
use crate::records::Stored;

/// A decoded record of any type.
pub(super) trait AnyRecord: Any + Send + Sync {
    fn encode(&self) -> Value;
}

impl<T: Stored> AnyRecord for T {
    fn encode(&self) -> Value {
        Stored::encode(self)
    }
}

pub(super) fn downcast<T: Stored>(record: Arc<dyn AnyRecord>) -> Result<Arc<T>, Stop> {
    let record: Arc<dyn Any + Send + Sync> = record;
    record
        .downcast()
        .map_err(|_| Error::Internal("a record was asked for as another type").into())
}

/// What is known of one record.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) revision: Option<Revision>,
    /// The bytes as stored; kept until the end, so that a run can begin again from them.
    pub(super) raw: Option<Value>,
    /// The record decoded from `raw`, kept across runs.
    pub(super) decoded: Option<Arc<dyn AnyRecord>>,
    pub(super) relied_on: bool,
    pub(super) written: Option<Written>,
}

impl Slot {
    pub(super) fn new(record: Record) -> Self {
        Self {
            revision: Some(record.revision),
            raw: Some(record.value),
            ..Self::default()
        }
    }

    /// What the run relied on here, and what it writes, once it is over.
    pub(super) fn stake(&mut self) -> Stake {
        let revision = self.revision;
        let write = match &mut self.written {
            None => Write::Keep,
            Some(Written::Delete) if revision.is_none() => Write::Keep,
            Some(Written::Delete) => Write::Delete,
            Some(Written::Put(record)) => Write::Put(record.encode()),
            Some(Written::PutChanged(record)) => write_changed(self.raw.as_ref(), record.encode()),
            Some(Written::Bytes { value, changed }) => {
                let value = core::mem::take(value);
                if *changed {
                    write_changed(self.raw.as_ref(), value)
                } else {
                    Write::Put(value)
                }
            }
        };
        Stake {
            expected: revision,
            write,
        }
    }
}

fn write_changed(before: Option<&Value>, value: Value) -> Write {
    if before == Some(&value) {
        Write::Keep
    } else {
        Write::Put(value)
    }
}

pub(super) enum Written {
    Put(Arc<dyn AnyRecord>),
    /// Written only if its bytes differ from those that are stored; relied on otherwise.
    PutChanged(Arc<dyn AnyRecord>),
    /// What a savepoint keeps of one of these. Records are never copied, so it is their bytes.
    Bytes {
        value: Value,
        /// As [`PutChanged`](Self::PutChanged).
        changed: bool,
    },
    Delete,
}

impl Written {
    pub(super) fn exists(&self) -> bool {
        !matches!(self, Self::Delete)
    }

    /// What a savepoint keeps of it.
    pub(super) fn save(&self) -> Self {
        match self {
            Self::Put(record) => Self::Bytes {
                value: record.encode(),
                changed: false,
            },
            Self::PutChanged(record) => Self::Bytes {
                value: record.encode(),
                changed: true,
            },
            Self::Bytes { value, changed } => Self::Bytes {
                value: value.clone(),
                changed: *changed,
            },
            Self::Delete => Self::Delete,
        }
    }

    /// The record, decoded where it is bytes.
    pub(super) fn record<T: Stored>(&self, key: &Key) -> Result<Option<Arc<T>>, Stop> {
        match self {
            Self::Put(record) | Self::PutChanged(record) => downcast(Arc::clone(record)).map(Some),
            Self::Bytes { value, .. } => decode(key, value).map(|record| Some(Arc::new(record))),
            Self::Delete => Ok(None),
        }
    }

    pub(super) fn into_decoded(self) -> Option<Arc<dyn AnyRecord>> {
        match self {
            Self::Put(record) | Self::PutChanged(record) => Some(record),
            Self::Bytes { .. } | Self::Delete => None,
        }
    }
}

pub(super) fn decode<T: Stored>(key: &Key, raw: &Value) -> Result<T, Stop> {
    T::decode(raw.as_bytes()).map_err(|source| {
        Stop::Fail(Error::Corrupt {
            partition: key.partition.to_string(),
            item: key.item.to_string(),
            source,
        })
    })
}
