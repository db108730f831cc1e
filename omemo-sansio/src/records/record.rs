//! What every record can do.

use omemo_storage::Value;

use super::RecordError;

/// A record as the operations see it. Its bytes begin with a version byte; every version stays readable.
pub(crate) trait Stored: Sized + Send + Sync + 'static {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError>;

    fn encode(&self) -> Value;
}
