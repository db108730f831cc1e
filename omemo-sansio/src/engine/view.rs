//! What an operation's function sees of the world.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use omemo_storage::{Batch, CommitId, InvalidName, Key, Name, Query, Revision, Value};

use super::Stop;
use super::effect::{
    AskTrust, DeleteBundle, DownloadBundle, DownloadDeviceList, Load, Outcome, SendMessage, UploadBundle,
    UploadDeviceList, Wanted,
};
use super::outside::{Listed, Outside};
use super::stored::StoredView;
use crate::records::{MarkPlace, Receiver, Stored, place};
use crate::trust::{TrustDecision, UndecidedKey};
use crate::{Bundle, DeviceId, DeviceList, Error, Namespace, NetworkError};

/// What the function of an operation sees: records as loaded, answers of the network and of people. What it lacks it
/// notes down; [`settle`](Self::settle) then stops the run, and the next run finds it.
#[derive(Default)]
pub(crate) struct View {
    stored: StoredView,
    outside: Outside,
    /// The contact's revision at the time each device list was asked for.
    bases: BTreeMap<DownloadDeviceList, Option<Revision>>,
    /// The revision each mark had when a message was sent for it.
    sent_for: BTreeMap<MarkPlace, Revision>,
    wanted: Vec<Wanted>,
    after_commit: Vec<Wanted>,
}

/// Reading and writing records.
impl View {
    /// Asks for records that will be needed, all at once; stops if any is not there yet.
    pub(crate) fn require(&mut self, keys: impl IntoIterator<Item = Key>) -> Result<(), Stop> {
        keys.into_iter().for_each(|key| self.stored.want(key));
        self.settle()
    }

    /// Notes down that a record will be needed, without stopping yet.
    pub(crate) fn want(&mut self, key: Key) {
        self.stored.want(key);
    }

    /// Notes down that a whole partition will be needed, without stopping yet.
    pub(crate) fn want_partition(&mut self, partition: &Name) {
        self.stored.want_partition(partition);
    }

    /// As [`want_partition`](Self::want_partition), of many.
    pub(crate) fn want_partitions<'a>(&mut self, partitions: impl Iterator<Item = &'a Name>) {
        self.stored.want_partitions(partitions);
    }

    /// Stops the run if anything was found lacking so far.
    pub(crate) fn settle(&self) -> Result<(), Stop> {
        if self.stored.lacks_anything() || !self.wanted.is_empty() {
            Err(Stop::Need)
        } else {
            Ok(())
        }
    }

    /// The key of an item, for those who make many: of one that was loaded, in the memory that its name has already.
    pub(crate) fn key(&mut self, partition: &Name, item: &str) -> Result<Key, InvalidName> {
        self.stored.key(partition, item)
    }

    /// The record as this run has left it so far; relies on it, or on its absence.
    pub(crate) fn read<T: Stored>(&mut self, key: &Key) -> Result<Option<Arc<T>>, Stop> {
        self.stored.read(key)
    }

    /// The record to be changed and [`put`](Self::put) again.
    pub(crate) fn take<T: Stored>(&mut self, key: &Key) -> Result<Option<T>, Stop> {
        self.stored.take(key)
    }

    /// As [`take`](Self::take), of a large record that nobody else has a part in.
    pub(crate) fn take_alone<T: Stored>(&mut self, key: &Key) -> Result<Option<Arc<T>>, Stop> {
        self.stored.take_alone(key)
    }

    /// Writes a record, even if it is the same as before: its revision changes.
    pub(crate) fn put<T: Stored>(&mut self, key: &Key, record: T) -> Result<(), Stop> {
        self.put_alone(key, Arc::new(record))
    }

    /// As [`put`](Self::put), of what [`take_alone`](Self::take_alone) has given.
    pub(crate) fn put_alone<T: Stored>(&mut self, key: &Key, record: Arc<T>) -> Result<(), Stop> {
        self.stored.put(key, record)
    }

    /// As [`put`](Self::put), of a record whose bytes are at hand.
    pub(crate) fn put_bytes(&mut self, key: &Key, value: Value) -> Result<(), Stop> {
        self.stored.put_bytes(key, value)
    }

    /// Writes a record if it differs from what is stored.
    pub(crate) fn put_changed<T: Stored>(&mut self, key: &Key, record: T) -> Result<(), Stop> {
        self.stored.put_changed(key, record)
    }

    /// Deletes a record.
    pub(crate) fn delete(&mut self, key: &Key) -> Result<(), Stop> {
        self.stored.delete(key)
    }

    /// Lets [`roll_back`](Self::roll_back) go back to here from now on.
    pub(crate) fn set_savepoint(&mut self) {
        self.stored.set_savepoint();
    }

    /// Takes back everything this run has written so far, since the savepoint if there is one; what it has read stays
    /// relied on.
    pub(crate) fn roll_back(&mut self) {
        self.stored.roll_back();
        self.after_commit.clear();
    }

    /// Whether this run has set a mark.
    pub(crate) fn is_marked(&mut self, mark: &MarkPlace) -> Result<bool, Stop> {
        Ok(self.stored.is_written(&mark.key()?))
    }

    /// The records of a partition that was loaded whole. What is done about each is decided by itself.
    pub(crate) fn items(&mut self, partition: &Name) -> Result<Vec<Key>, Stop> {
        let items = self.stored.items(partition)?.map(|item| Key {
            partition: partition.clone(),
            item: item.clone(),
        });
        Ok(items.collect())
    }

    /// The marks in the outbox. What is done about each is decided by its own record.
    pub(crate) fn marks(&mut self) -> Result<Vec<MarkPlace>, Stop> {
        let own = Name::new(place::OWN)?;
        Ok(self
            .stored
            .items(&own)?
            .filter_map(|item| MarkPlace::parse(item.as_str()))
            .collect())
    }
}

/// Asking the outside.
impl View {
    /// The bundle of a device, once it was downloaded.
    pub(crate) fn bundle(
        &mut self,
        request: DownloadBundle,
    ) -> Option<&Result<Option<Bundle>, NetworkError>> {
        if !self.outside.bundles.contains_key(&request) {
            self.wanted.push(Wanted::DownloadBundle(request));
            return None;
        }
        self.outside.bundles.get(&request)
    }

    /// The device list of an account, once it was downloaded. It is asked for again if the contact has changed since.
    pub(crate) fn device_list(
        &mut self,
        request: DownloadDeviceList,
    ) -> Result<Option<Result<Option<DeviceList>, NetworkError>>, Stop> {
        let revision = self.stored.revision(&place::contact(&request.jid)?)?;
        match self.outside.lists.get(&request) {
            Some(listed) if listed.basis == revision => Ok(Some(listed.answer.clone())),
            _ => {
                // Several messages of a page may ask for one list; a second answer would find no basis.
                if !self.is_wanted(&request) {
                    self.bases.insert(request.clone(), revision);
                    self.wanted.push(Wanted::DownloadDeviceList(request));
                }
                Ok(None)
            }
        }
    }

    fn is_wanted(&self, request: &DownloadDeviceList) -> bool {
        let is_it = |wanted: &Wanted| matches!(wanted, Wanted::DownloadDeviceList(known) if known == request);
        self.wanted.iter().any(is_it)
    }

    /// What a person has decided; stops to ask, once.
    pub(crate) fn decisions(
        &mut self,
        undecided: Vec<UndecidedKey>,
        context: &str,
    ) -> Result<&Result<Vec<TrustDecision>, NetworkError>, Stop> {
        match &self.outside.decisions {
            Some(decisions) => Ok(decisions),
            None => {
                self.wanted.push(Wanted::AskTrust(AskTrust {
                    undecided,
                    context: String::from(context),
                }));
                Err(Stop::Need)
            }
        }
    }

    /// How taking the own bundle back ended, once it was tried.
    pub(crate) fn delete_bundle(&mut self, request: DeleteBundle) -> Option<Result<(), NetworkError>> {
        let answer = self.outside.deleted_bundles.get(&request).cloned();
        if answer.is_none() {
            self.wanted.push(Wanted::DeleteBundle(request));
        }
        answer
    }

    /// How publishing exactly this bundle ended, once it was tried.
    pub(crate) fn upload_bundle(
        &mut self,
        namespace: &Namespace,
        device: DeviceId,
        bundle: Bundle,
    ) -> Option<Result<(), NetworkError>> {
        if let Some(uploaded) = self.outside.uploaded_bundles.get(namespace)
            && uploaded.content == bundle
        {
            return Some(uploaded.answer.clone());
        }
        let namespace = namespace.clone();
        self.wanted.push(Wanted::UploadBundle(UploadBundle {
            namespace,
            device,
            bundle,
        }));
        None
    }

    /// Whether this operation has published some bundle of this protocol, maybe an older one.
    pub(crate) fn has_uploaded_bundle(&self, namespace: &Namespace) -> bool {
        self.outside.uploaded_bundles.contains_key(namespace)
    }

    /// How publishing exactly this device list ended, once it was tried.
    pub(crate) fn upload_device_list(
        &mut self,
        namespace: &Namespace,
        list: DeviceList,
    ) -> Option<Result<(), NetworkError>> {
        if let Some(uploaded) = self.outside.uploaded_lists.get(namespace)
            && uploaded.content == list
        {
            return Some(uploaded.answer.clone());
        }
        let namespace = namespace.clone();
        self.wanted
            .push(Wanted::UploadDeviceList(UploadDeviceList { namespace, list }));
        None
    }

    /// Whether this operation has published some device list of this protocol, maybe an older one.
    pub(crate) fn has_uploaded_device_list(&self, namespace: &Namespace) -> bool {
        self.outside.uploaded_lists.contains_key(namespace)
    }

    /// How sending the message of a mark ended, once it was tried for the mark as it is now. A mark that was set again
    /// meanwhile asks for another message.
    pub(crate) fn sent(&mut self, mark: &MarkPlace) -> Result<Option<Result<(), NetworkError>>, Stop> {
        let revision = self.stored.revision(&mark.key()?)?;
        let receiver = mark.receiver();
        let answer = match receiver.and_then(|receiver| self.outside.sent.get(&receiver)) {
            Some(answer) if self.sent_for.get(mark).copied() == revision => Some(answer.clone()),
            _ => None,
        };
        Ok(answer)
    }

    /// The devices that messages have been sent to so far.
    pub(crate) fn receivers(&self) -> impl Iterator<Item = &Receiver> {
        let sent = self.outside.sent.iter().filter(|(_, answer)| answer.is_ok());
        sent.map(|(receiver, _)| receiver)
    }

    /// Sends the message of a mark once the checkpoint that this run ends in is committed, never before.
    pub(crate) fn send_after_commit(&mut self, mark: &MarkPlace, message: SendMessage) -> Result<(), Stop> {
        if let Some(revision) = self.stored.revision(&mark.key()?)? {
            self.sent_for.insert(mark.clone(), revision);
        }
        if let Some(receiver) = mark.receiver() {
            self.outside.sent.remove(&receiver);
        }
        self.after_commit.push(Wanted::SendMessage(message));
        Ok(())
    }
}

/// For the engine.
impl View {
    pub(super) fn begin_run(&mut self) {
        self.stored.begin_run();
        self.wanted.clear();
        self.after_commit.clear();
    }

    /// Everything the run lacked: one load, and what the outside is asked.
    pub(super) fn take_needs(&mut self) -> Vec<Wanted> {
        let mut wanted = core::mem::take(&mut self.wanted);
        let query = self.stored.take_needs();
        if !query.is_empty() {
            wanted.push(Wanted::Load(Load {
                query: Arc::new(query),
            }));
        }
        wanted
    }

    /// Takes back everything that the run has written.
    pub(super) fn discard_writes(&mut self) {
        self.stored.discard_writes();
        self.after_commit.clear();
    }

    pub(super) fn take_after_commit(&mut self) -> Vec<Wanted> {
        core::mem::take(&mut self.after_commit)
    }

    pub(super) fn batch(&mut self, id: CommitId) -> Batch {
        self.stored.batch(id)
    }

    pub(super) fn is_one_snapshot(&self) -> bool {
        self.stored.is_one_snapshot()
    }

    pub(super) fn applied(&mut self, batch: &Batch) {
        self.stored.applied(batch);
    }

    /// After a conflict: nothing stored is believed any more.
    pub(super) fn forget_stored(&mut self) {
        drop(self.take_stored());
    }

    /// Leaves nothing stored that is known.
    pub(super) fn take_stored(&mut self) -> StoredView {
        core::mem::take(&mut self.stored)
    }

    /// Takes in how an effect ended. A commit is none of the view's business.
    pub(super) fn record(&mut self, wanted: Wanted, outcome: Outcome) -> Result<(), Error> {
        match (wanted, outcome) {
            (Wanted::Load(request), Outcome::Load(answer)) => {
                let query: &Query = &request.query;
                self.stored.loaded(query, answer.map_err(Error::Storage)?);
            }
            (Wanted::DownloadBundle(request), Outcome::DownloadBundle(answer)) => {
                self.outside.bundles.insert(request, answer);
            }
            (Wanted::DownloadDeviceList(request), Outcome::DownloadDeviceList(answer)) => {
                let basis = self.bases.remove(&request).flatten();
                self.outside.lists.insert(request, Listed { answer, basis });
            }
            (Wanted::UploadBundle(request), Outcome::UploadBundle(answer)) => {
                self.outside.bundle_uploaded(request, answer);
            }
            (Wanted::DeleteBundle(request), Outcome::DeleteBundle(answer)) => {
                self.outside.deleted_bundles.insert(request, answer);
            }
            (Wanted::UploadDeviceList(request), Outcome::UploadDeviceList(answer)) => {
                self.outside.list_uploaded(request, answer);
            }
            (Wanted::SendMessage(request), Outcome::SendMessage(answer)) => {
                self.outside.message_sent(request, answer);
            }
            (Wanted::AskTrust(_), Outcome::AskTrust(decisions)) => self.outside.decisions = Some(decisions),
            _ => {
                return Err(Error::Internal(
                    "an effect was answered with the outcome of another",
                ));
            }
        }
        Ok(())
    }
}
