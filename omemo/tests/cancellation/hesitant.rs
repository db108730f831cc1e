//! A storage and a network whose calls wait, and which know where a call is.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use omemo::{
    Bundle, DeleteBundle, DeviceList, DownloadBundle, DownloadDeviceList, Network, NetworkError, SendMessage,
    UploadBundle, UploadDeviceList,
};
use omemo_storage::{
    AccountId, Batch, Committed, Cursor, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};

/// Something whose calls are pending once before they begin and once before they answer.
pub struct Hesitant<T> {
    inner: T,
    route: Route,
}

/// The places that a call has passed, such as `before load 1`. Shared by its clones.
#[derive(Clone, Default)]
pub struct Route(Arc<Mutex<Passed>>);

#[derive(Default)]
struct Passed {
    places: Vec<String>,
    calls: BTreeMap<&'static str, usize>,
}

impl Route {
    /// Forgets the call before.
    pub fn begin(&self) {
        *self.0.lock().unwrap() = Passed::default();
    }

    pub fn last(&self) -> String {
        self.0.lock().unwrap().places.last().unwrap().clone()
    }

    pub fn places(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().places.iter().cloned().collect()
    }

    /// The name of a call, by how many of its kind there were.
    fn name(&self, kind: &'static str) -> String {
        let mut passed = self.0.lock().unwrap();
        let number = passed.calls.entry(kind).or_default();
        *number += 1;
        format!("{kind} {number}")
    }

    fn pass(&self, place: String) {
        self.0.lock().unwrap().places.push(place);
    }
}

/// Pending once.
async fn hesitate() {
    let mut hesitated = false;
    poll_fn(|context| {
        if std::mem::replace(&mut hesitated, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl<T> Hesitant<T> {
    pub fn new(inner: T) -> Self {
        Self::on(inner, Route::default())
    }

    pub fn on(inner: T, route: Route) -> Self {
        Self { inner, route }
    }

    async fn slowly<A>(&self, kind: &'static str, call: impl Future<Output = A>) -> A {
        let name = self.route.name(kind);
        self.route.pass(format!("before {name}"));
        hesitate().await;
        self.route.pass(format!("in {name}"));
        let answer = call.await;
        self.route.pass(format!("after {name}"));
        hesitate().await;
        answer
    }
}

impl<S: Storage> Storage for Hesitant<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.slowly("load", self.inner.load(account, query)).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        self.slowly("commit", self.inner.commit(account, batch)).await
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        self.inner.accounts(after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.inner.records(account, after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.inner.purge(account).await
    }
}

impl<N: Network> Network for Hesitant<N> {
    async fn download_bundles(&self, wanted: &[DownloadBundle]) -> Vec<Result<Option<Bundle>, NetworkError>> {
        self.inner.download_bundles(wanted).await
    }

    async fn upload_bundle(&self, upload: &UploadBundle) -> Result<(), NetworkError> {
        self.inner.upload_bundle(upload).await
    }

    async fn delete_bundle(&self, deletion: &DeleteBundle) -> Result<(), NetworkError> {
        self.inner.delete_bundle(deletion).await
    }

    async fn download_device_list(
        &self,
        wanted: &DownloadDeviceList,
    ) -> Result<Option<DeviceList>, NetworkError> {
        self.slowly("download", self.inner.download_device_list(wanted))
            .await
    }

    async fn upload_device_list(&self, upload: &UploadDeviceList) -> Result<(), NetworkError> {
        self.inner.upload_device_list(upload).await
    }

    async fn send_message(&self, message: &SendMessage) -> Result<(), NetworkError> {
        self.inner.send_message(message).await
    }
}
