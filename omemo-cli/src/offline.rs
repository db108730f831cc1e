//! A client that may look but not touch: without network, and on a storage that is not written.

use std::collections::BTreeMap;
use std::sync::Arc;

use omemo::blocking::{Client, Network};
use omemo::keys::PublicKey;
use omemo::trust::{BlindTrustBeforeVerification, Trust, TrustLevel, TrustPolicy};
use omemo::{
    BareJid, Bundle, DeleteBundle, DeviceList, DownloadBundle, DownloadDeviceList, Error, NetworkError,
    SendMessage, Settings, UploadBundle, UploadDeviceList,
};
use omemo_storage::{
    AccountId, AnyStorage, Batch, Committed, Cursor, ErrorKind, Page, Query, RecordInfo, Snapshot, Storage,
    StorageError,
};

use crate::failure::Failure;
use crate::text::shown;

/// A client that may look but not touch.
pub(crate) type Onlooker = Client<ReadOnly, Offline>;

/// Opens an account to look at it. An account that was never opened stays so: that is an error.
pub(crate) fn look(storage: AnyStorage, jid: &BareJid) -> Result<Onlooker, Failure> {
    let mut settings = Settings::new(jid.clone());
    settings.trust = Arc::new(AnyLevel);
    // All protocols, or the one that the account was opened with.
    let alone = settings
        .protocols
        .iter()
        .map(|protocol| vec![Arc::clone(protocol)]);
    for protocols in [settings.protocols.clone()].into_iter().chain(alone) {
        let settings = Settings {
            protocols,
            ..settings.clone()
        };
        let builder = Client::builder(settings, ReadOnly(storage.clone()), Offline);
        match builder.catch_up(false).open_blocking() {
            Ok(client) => return Ok(client),
            // It would have begun with the list of the account's other devices.
            Err(Error::Network { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new(format!(
        "no device of the account {} was ever opened here",
        shown(jid.as_str())
    )))
}

/// A storage that takes no writes. A commit that only validates what was read is granted: what is shown is how it was when
/// it was read.
pub(crate) struct ReadOnly(AnyStorage);

impl Storage for ReadOnly {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.0.load(account, query).await
    }

    async fn commit(&self, _: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        if batch.writes() == 0 {
            Ok(Committed::Applied)
        } else {
            Err(read_only())
        }
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        self.0.accounts(after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.0.records(account, after, limit).await
    }

    async fn purge(&self, _: &AccountId) -> Result<(), StorageError> {
        Err(read_only())
    }
}

fn read_only() -> StorageError {
    StorageError::new(
        ErrorKind::Misconfigured,
        "the storage was opened for reading only",
    )
}

/// No network: nothing can be downloaded, published or sent.
pub(crate) struct Offline;

impl Network for Offline {
    fn download_bundles(&self, wanted: &[DownloadBundle]) -> Vec<Result<Option<Bundle>, NetworkError>> {
        wanted.iter().map(|_| Err(offline())).collect()
    }

    fn upload_bundle(&self, _: &UploadBundle) -> Result<(), NetworkError> {
        Err(offline())
    }

    fn delete_bundle(&self, _: &DeleteBundle) -> Result<(), NetworkError> {
        Err(offline())
    }

    fn download_device_list(&self, _: &DownloadDeviceList) -> Result<Option<DeviceList>, NetworkError> {
        Err(offline())
    }

    fn upload_device_list(&self, _: &UploadDeviceList) -> Result<(), NetworkError> {
        Err(offline())
    }

    fn send_message(&self, _: &SendMessage) -> Result<(), NetworkError> {
        Err(offline())
    }
}

fn offline() -> NetworkError {
    NetworkError::new("there is no network here")
}

/// The usual meanings, and undecided for levels that only another application understands.
#[derive(Debug)]
struct AnyLevel;

impl TrustPolicy for AnyLevel {
    fn meaning(&self, level: &TrustLevel) -> Option<Trust> {
        BlindTrustBeforeVerification
            .meaning(level)
            .or(Some(Trust::Undecided))
    }

    fn first_use(&self, _: &BareJid, _: &BTreeMap<PublicKey, TrustLevel>) -> Option<TrustLevel> {
        None
    }
}
