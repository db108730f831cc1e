//! Moving an account: what another implementation has kept of it, and what a backup may hold.

mod backup;
mod imported;

pub use backup::{Backup, BackupError};
pub use imported::{
    ImportedAccount, ImportedContact, ImportedDevice, ImportedProtocol, ImportedSignedPreKey, RetiredPreKey,
};
