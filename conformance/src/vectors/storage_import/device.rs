//! A device that was taken over.

use std::collections::BTreeSet;
use std::sync::Arc;

use omemo_import::{Levels, python_omemo};
use omemo_sansio::engine::{Effect, Operation, Step};
use omemo_sansio::protocol::{Legacy, Omemo2};
use omemo_sansio::trust::{Trust, TrustLevel};
use omemo_sansio::{
    Account, BareJid, Content, Decrypted, DeviceId, EncryptRequest, EncryptedMessage, Error, IncomingMessage,
    Settings, Timestamp,
};
use omemo_storage::blocking::wait;
use omemo_storage::{Batch, CommitId, Key, Query, Revision, Storage};
use omemo_storage_memory::MemoryStorage;

use super::draws::{Draw, Draws};
use super::network::Network;
use super::{Delivery, Dump, Expect, Letter, Message, Owner, Secret, namespace};
use crate::vectors::checks::{Checks, Context, Verdict};
use crate::vectors::script::Filler;

/// When the recordings were made.
const NOW: Timestamp = Timestamp::from_unix(1_768_435_200);

/// Where the empty messages are that are owed.
const REPLIES: &str = "outbox/reply/";

pub(super) struct Device<'a> {
    account: Account,
    id: DeviceId,
    storage: MemoryStorage,
    network: &'a Network,
    draws: Draws,
    sent: Vec<EncryptedMessage>,
}

impl<'a> Device<'a> {
    /// Takes over what a device had stored.
    pub(super) fn take_over(owner: &Owner, network: &'a Network, checks: &mut Checks) -> Verdict<Self> {
        let json = serde_json::to_vec(&owner.storage).context("storage")?;
        let reading = python_omemo::read(&json, None, &Levels::default()).context("reading")?;
        checks.equal("account", reading.jid.as_str(), owner.jid.as_str())?;
        checks.equal("device", reading.account.device.get(), owner.device_id)?;
        let mut settings = Settings::new(reading.jid);
        settings.protocols = vec![Arc::new(Omemo2), Arc::new(Legacy)];
        settings.trust = Arc::new(Recorded);
        let mut device = Self {
            account: Account::new(settings).context("settings")?,
            id: reading.account.device,
            storage: MemoryStorage::new(),
            network,
            draws: Draws::default(),
            sent: Vec::new(),
        };
        let sessions = reading.account.sessions() as u64;
        let import = device.account.import(reading.account);
        let imported = device.drive_with(import, &mut Filler).context("importing")?;
        checks.equal("sessions", imported.sessions, sessions)?;
        Ok(device)
    }

    /// Sends what the device sent; the message has to be the same.
    pub(super) fn send(&mut self, dump: &Dump, message: &Message, checks: &mut Checks) -> Verdict {
        let recorded = super::network::message(&message.namespace, &message.xml)?;
        let to = recipients(dump, &recorded)?;
        let draws = self.draws_for(message, &to)?;
        let sent = if message.auto {
            self.owe(message, &to)?;
            self.draws.record(draws);
            self.drive(self.account.flush()).context("flushing")?;
            std::mem::take(&mut self.sent)
        } else {
            let plaintext = message.plaintext.as_ref().context("there is no plaintext")?;
            let own = self.account.settings().jid.clone();
            let mut jids: Vec<_> = to.iter().map(|(jid, _)| jid.clone()).collect();
            jids.dedup();
            if jids.len() > 1 {
                jids.retain(|jid| *jid != own);
            }
            self.trust_blindly(&to)?;
            let request = EncryptRequest::new(jids, namespace(&message.namespace)?, plaintext.0.clone());
            self.draws.record(draws);
            let encrypted = self.drive(self.account.encrypt(request)).context("encrypting")?;
            encrypted.complete().context("encrypting")?.messages
        };
        self.draws.finish()?;
        let [sent] = sent.as_slice() else {
            return Err(format!("{} messages were sent", sent.len()));
        };
        checks.equal("sid", sent.sender_device, recorded.sender_device)?;
        checks.equal("sid", sent.sender_device, self.id)?;
        checks.that("payload", sent.payload == recorded.payload)?;
        checks.that("key elements", elements(sent) == elements(&recorded))
    }

    /// Decides as blind trust before verification does, before the message draws anything.
    fn trust_blindly(&mut self, to: &BTreeSet<(BareJid, DeviceId)>) -> Verdict {
        self.draws.record([]);
        for (jid, device) in to {
            let known = self.drive(self.account.device_information(jid.clone()));
            let devices = known.context("devices")?.devices.into_iter();
            let mut undecided = devices.filter(|known| known.device == *device && known.level.is_none());
            if let Some(key) = undecided.next().and_then(|known| known.identity_key) {
                let decision = self
                    .account
                    .set_trust(jid.clone(), key, TrustLevel::BLINDLY_TRUSTED);
                self.drive(decision).context("deciding")?;
            }
        }
        self.draws.finish()
    }

    /// Receives what the device received; it has to say the same.
    pub(super) fn receive(
        &mut self,
        letter: &Letter<'_>,
        delivery: &Delivery,
        checks: &mut Checks,
    ) -> Verdict {
        let before = self.revisions()?;
        let ratchet_keys = delivery.recipient_secrets.iter().map(|secret| match secret {
            Secret::RatchetPriv { value } => Ok(Draw::Bytes(value.0.to_vec())),
            _ => Err("a receiver draws ratchet keys alone".to_owned()),
        });
        let mut new_pre_keys: Vec<_> = delivery.new_pre_keys.iter().collect();
        new_pre_keys.sort_by_key(|key| key.id);
        let pre_keys = new_pre_keys
            .iter()
            .map(|key| Ok(Draw::Bytes(key.secret.0.to_vec())));
        self.draws
            .record(ratchet_keys.chain(pre_keys).collect::<Verdict<Vec<_>>>()?);
        let message = IncomingMessage {
            sender: letter.sender.jid()?,
            message: letter.message.clone(),
        };
        let outcome = self.drive(self.account.decrypt(message));
        if delivery.expect == Expect::Fail {
            let received = outcome.ok().and_then(Decrypted::received);
            checks.that("it was decrypted", received.is_none())?;
            return checks.that("something was changed", self.revisions()? == before);
        }
        let received = outcome.context("decrypting")?.received();
        let decrypted = received.context("it was decrypted before, or is not for this device")?;
        self.draws.finish()?;
        let plaintext = match &decrypted.content {
            Content::Plaintext(plaintext) => Some(plaintext.as_slice()),
            _ => None,
        };
        checks.that(
            "plaintext",
            plaintext
                == delivery
                    .plaintext
                    .as_ref()
                    .map(|plaintext| plaintext.0.as_slice()),
        )?;
        let recorded = delivery.sender.as_ref().context("missing field `sender`")?;
        let sender = &decrypted.sender;
        checks.equal("sender", sender.jid.as_str(), recorded.jid.as_str())?;
        checks.equal("sender", sender.device.get(), recorded.device_id)?;
        checks.bytes(
            "identity key",
            sender.identity_key.ed25519(),
            recorded.identity_ed25519,
        )?;
        checks.equal(
            "trust",
            level_name(sender.level.as_ref()),
            recorded.trust.as_str(),
        )
    }

    /// What the core draws to send the message: first for its content, then for each session that is opened, in the
    /// order of the devices.
    fn draws_for(&self, message: &Message, to: &BTreeSet<(BareJid, DeviceId)>) -> Verdict<Vec<Draw>> {
        let mut content = Vec::new();
        let mut sessions = Vec::new();
        for secret in &message.sender_secrets {
            match secret {
                Secret::ContentKey { value } | Secret::ContentIv { value } => {
                    content.push(Draw::Bytes(value.0.clone()));
                }
                Secret::BuildSessionActive {
                    jid,
                    device_id,
                    pre_key_id,
                } => {
                    let address = (BareJid::new(jid).context(jid)?, DeviceId::new(*device_id));
                    let (jid, device) = address.clone();
                    let at = (namespace(&message.namespace)?, jid, device);
                    let bundle = self.network.bundles.get(&at).context("there is no bundle")?;
                    let index = bundle.pre_keys.keys().position(|id| id.get() == *pre_key_id);
                    let index = index.context("the bundle has no such pre key")?;
                    sessions.push((address, vec![Draw::Choice(index as u64)]));
                }
                Secret::X3dhEphemeralPriv { value } | Secret::RatchetPriv { value } => {
                    let (_, draws) = sessions.last_mut().context("a key of no session")?;
                    draws.push(Draw::Bytes(value.0.to_vec()));
                }
            }
        }
        if sessions.iter().any(|(address, _)| !to.contains(address)) {
            return Err("a session is opened that nothing is sent in".to_owned());
        }
        sessions.sort_by(|(one, _), (other, _)| one.cmp(other));
        content.extend(sessions.into_iter().flat_map(|(_, draws)| draws));
        Ok(content)
    }

    /// Leaves in the outbox just the empty messages to these devices. When one is due is each implementation's own
    /// decision; what it consists of is not.
    fn owe(&self, message: &Message, to: &BTreeSet<(BareJid, DeviceId)>) -> Verdict {
        let mut batch = Batch::new(CommitId::from_bytes(
            message
                .msg
                .to_be_bytes()
                .repeat(2)
                .try_into()
                .map_err(|_| "the number of a message is no id of a commit".to_owned())?,
        ));
        let wanted = to
            .iter()
            .map(|(jid, device)| {
                let item = format!("{REPLIES}{}/{jid}/{device}", message.namespace);
                Key::new("own", &item).context("a mark")
            })
            .collect::<Verdict<BTreeSet<_>>>()?;
        let mut present = BTreeSet::new();
        for (key, revision) in self.revisions()? {
            if key.item.as_str().starts_with(REPLIES) {
                if wanted.contains(&key) {
                    present.insert(key);
                } else {
                    batch.delete(key, Some(revision));
                }
            }
        }
        for key in wanted.difference(&present) {
            batch.put(key.clone(), None, vec![1].into());
        }
        let committed = wait(self.storage.commit(self.account.id(), &batch));
        committed.map(drop).context("marking")
    }

    /// Every record, with its revision.
    fn revisions(&self) -> Verdict<Vec<(Key, Revision)>> {
        let page = wait(self.storage.records(self.account.id(), None, usize::MAX)).context("listing")?;
        let mut query = Query::new();
        query
            .records
            .extend(page.entries.into_iter().map(|record| record.key));
        let snapshot = wait(self.storage.load(self.account.id(), &query)).context("loading")?;
        let records = snapshot.records.into_iter();
        Ok(records.map(|(key, record)| (key, record.revision)).collect())
    }

    fn drive<T>(&mut self, operation: Operation<T>) -> Result<T, Error> {
        let mut draws = std::mem::take(&mut self.draws);
        let outcome = self.drive_with(operation, &mut draws);
        self.draws = draws;
        outcome
    }

    fn drive_with<T>(
        &mut self,
        mut operation: Operation<T>,
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<T, Error> {
        loop {
            match operation.advance(NOW, rng) {
                Step::Done(result) => return result,
                Step::Perform(effects) => {
                    for effect in effects {
                        self.perform(&mut operation, effect);
                    }
                }
            }
        }
    }

    fn perform<T>(&mut self, operation: &mut Operation<T>, effect: Effect) {
        let account = self.account.id();
        let answered = match effect {
            Effect::Load(load, reply) => {
                operation.fulfil(reply, wait(self.storage.load(account, &load.query)))
            }
            Effect::Store(store, reply) => {
                operation.fulfil(reply, wait(self.storage.commit(account, &store.batch)))
            }
            Effect::DownloadBundle(wanted, reply) => {
                let at = (wanted.namespace, wanted.jid, wanted.device);
                operation.fulfil(reply, Ok(self.network.bundles.get(&at).cloned()))
            }
            Effect::DownloadDeviceList(wanted, reply) => {
                let at = (wanted.namespace, wanted.jid);
                operation.fulfil(reply, Ok(self.network.lists.get(&at).cloned()))
            }
            Effect::UploadBundle(_, reply) => operation.fulfil(reply, Ok(())),
            Effect::DeleteBundle(_, reply) => operation.fulfil(reply, Ok(())),
            Effect::UploadDeviceList(_, reply) => operation.fulfil(reply, Ok(())),
            Effect::SendMessage(send, reply) => {
                self.sent.push(send.message);
                operation.fulfil(reply, Ok(()))
            }
            Effect::AskTrust(_, reply) => operation.fulfil(reply, Ok(Vec::new())),
        };
        // The effect was asked for just now.
        debug_assert!(answered.is_ok());
    }
}

/// The trust that was recorded; nothing is trusted at first use, which the recording has decided when it sent.
#[derive(Debug)]
struct Recorded;

impl omemo_sansio::trust::TrustPolicy for Recorded {
    fn meaning(&self, level: &TrustLevel) -> Option<Trust> {
        omemo_sansio::trust::BlindTrustBeforeVerification.meaning(level)
    }

    fn first_use(
        &self,
        _: &BareJid,
        _: &std::collections::BTreeMap<omemo_sansio::keys::PublicKey, TrustLevel>,
    ) -> Option<TrustLevel> {
        None
    }
}

fn level_name(level: Option<&TrustLevel>) -> &'static str {
    match level {
        Some(level) if *level == TrustLevel::TRUSTED => "TRUSTED",
        Some(level) if *level == TrustLevel::BLINDLY_TRUSTED => "BLINDLY_TRUSTED",
        Some(level) if *level == TrustLevel::DISTRUSTED => "DISTRUSTED",
        _ => "UNDECIDED",
    }
}

/// The devices that a message has key elements for.
fn recipients(dump: &Dump, message: &EncryptedMessage) -> Verdict<BTreeSet<(BareJid, DeviceId)>> {
    let mut to = BTreeSet::new();
    for recipient in &message.recipients {
        for key in &recipient.keys {
            let jid = match &recipient.jid {
                Some(jid) => jid.clone(),
                None => dump.account_of(key.device)?,
            };
            to.insert((jid, key.device));
        }
    }
    Ok(to)
}

/// The key elements; their order does not matter.
fn elements(message: &EncryptedMessage) -> BTreeSet<(DeviceId, bool, &[u8])> {
    message
        .recipients
        .iter()
        .flat_map(|recipient| &recipient.keys)
        .map(|key| (key.device, key.key_exchange, key.data.as_slice()))
        .collect()
}
