//! What went wrong outside.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

/// What went wrong outside. Cheap to clone, so that it can stand in several results.
#[derive(Clone, Debug)]
pub struct NetworkError(Arc<dyn core::error::Error + Send + Sync>);

impl NetworkError {
    /// Wraps the error of whoever does the network.
    pub fn new(error: impl Into<Box<dyn core::error::Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for NetworkError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.0.source()
    }
}
