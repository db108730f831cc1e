//! The operations: what an account can be asked to do, each an ordinary function over a view.

mod accept_copy;
mod automatic_trust;
mod backup;
mod catch_up;
mod consistency;
mod contacts;
mod decisions;
mod decrypt;
mod decrypt_many;
mod decrypted;
mod device_list;
mod encrypt;
mod flush;
mod import;
mod inbox;
mod information;
mod key_exchange;
mod maintain;
mod open;
mod own_device;
mod pool;
mod purge;
mod receive;
mod recipients;
mod repairs;
mod replies;
mod sender;
mod sessions;
mod set_trust;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use omemo_storage::AccountId;

pub use automatic_trust::{
    Ignored, IgnoredStatement, MAX_LOOKED_OVER, OwedTrustMessage, OwedTrustMessages, TrustChange,
    TrustMessageOutcome,
};
pub use catch_up::CatchUp;
pub use consistency::Consistency;
pub use decrypt_many::{DecryptedPage, MAX_PAGE, MAX_PAGE_BYTES};
pub use decrypted::{Content, Decrypted, IncomingMessage, Received, Sender};
pub use device_list::{DeviceListChange, Refreshed};
pub use encrypt::{Audience, EncryptRequest, Encrypted, Fallback, MAX_RECIPIENTS, Outgoing, PartlyEncrypted};
pub use flush::{Flushed, OutboxFailure, OutboxItem};
pub use import::Imported;
pub use inbox::{InboxId, Pending};
pub use information::{DeviceInformation, Devices};
pub use maintain::Maintained;
pub use open::{OpenOptions, Opened};
pub use purge::MAX_FORGOTTEN;
pub use sessions::{Replaced, SendingChains};

use crate::engine::{Env, Operation, Stop, View};
use crate::keys::IdentityKey;
use crate::records::{AccountRecord, Mark, MarkPlace, place};
use crate::settings::Settings;
use crate::transfer::{Backup, ImportedAccount};
use crate::trust::{TrustLevel, TrustMessage};
use crate::{BareJid, DeviceAddress, DeviceId, DeviceList, Error, Namespace, Timestamp};

/// An account of this device, as far as the core is concerned: its settings. What it knows lies in the storage, so any
/// number of these may stand for the same account, in any number of processes.
///
/// Every method makes an [`Operation`]; nothing happens before that is advanced.
#[derive(Clone, Debug)]
pub struct Account {
    id: AccountId,
    settings: Arc<Settings>,
}

impl Account {
    /// Takes the settings.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] if a setting is out of its bounds.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        settings.check().map_err(Error::Settings)?;
        let id = AccountId::new(settings.jid.as_str())?;
        Ok(Self {
            id,
            settings: Arc::new(settings),
        })
    }

    /// The account's name in the storage: its bare JID.
    pub fn id(&self) -> &AccountId {
        &self.id
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Opens the account. The first time this draws a device id that no device list of the account holds, makes the
    /// identity and the keys, and leaves bundle and device list in the outbox; later it adds what is missing for
    /// protocols that are new, and takes back what is published of protocols that are not spoken any more.
    pub fn open(&self, options: impl Into<OpenOptions>) -> Operation<Opened> {
        let options = options.into();
        self.operation(move |view, env, settings| open::open(view, env, settings, &options))
    }

    /// The id of the device, if the account was opened before: another process has opened it, and this one only joins.
    /// Nothing is changed.
    pub fn attach(&self) -> Operation<DeviceId> {
        self.operation(|view, _, _| {
            view.require([place::account()?])?;
            Ok(own_account(view)?.device)
        })
    }

    /// The same account, without one of its protocols.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] if it was the last.
    pub fn without(&self, namespace: &Namespace) -> Result<Self, Error> {
        let mut settings = Settings::clone(&self.settings);
        settings
            .protocols
            .retain(|protocol| protocol.namespace() != *namespace);
        Self::new(settings)
    }

    /// The first of three steps after an older copy of the storage was put back: replaces pre keys and signed pre keys, and
    /// refuses every operation until the third. The second is [`forget_sessions`](Self::forget_sessions) for every contact.
    pub fn begin_accepting_copy(&self) -> Operation<()> {
        self.operation(accept_copy::begin)
    }

    /// The third step: the account may be used again.
    pub fn end_accepting_copy(&self) -> Operation<()> {
        self.operation(|view, _, _| accept_copy::end(view))
    }

    /// Forgets the sessions with these accounts, at most [`MAX_FORGOTTEN`], of one protocol that is purged or of all.
    pub fn forget_sessions(&self, jids: Vec<BareJid>, namespace: Option<Namespace>) -> Operation<()> {
        self.operation(move |view, _, _| purge::sessions(view, &jids, namespace.as_ref()))
    }

    /// Deletes the keys of a protocol, loaded or not, and takes back what is published of it, through the outbox. For its
    /// sessions there is [`forget_sessions`](Self::forget_sessions).
    pub fn purge_protocol(&self, namespace: Namespace) -> Operation<()> {
        self.operation(move |view, _, settings| purge::protocol(view, settings, &namespace))
    }

    /// Deletes all that is known of another account: devices, trust, sessions, and what is owed to it.
    pub fn purge_contact(&self, jid: BareJid) -> Operation<()> {
        self.operation(move |view, _, settings| purge::contact(view, settings, &jid))
    }

    /// Compares what is published with what there is, and puts what has to be published again in the outbox.
    pub fn ensure_consistency(&self) -> Operation<Consistency> {
        self.operation(consistency::ensure)
    }

    /// Names this device, or takes its name away; at most as many bytes as [`Limits::label`](crate::Limits::label).
    pub fn set_own_label(&self, label: Option<String>) -> Operation<()> {
        self.operation(move |view, env, settings| {
            own_device::set_label(view, env, settings, label.as_deref())
        })
    }

    /// Takes every other device off the own device lists; tells which.
    pub fn clear_device_lists(&self) -> Operation<Vec<DeviceId>> {
        self.operation(|view, env, settings| own_device::clear_lists(view, env, settings))
    }

    /// Opens new sessions with a device in place of those there are; it is told through the outbox.
    pub fn replace_sessions(&self, device: DeviceAddress) -> Operation<Replaced> {
        self.operation(move |view, env, settings| sessions::replace(view, env, settings, &device))
    }

    /// How many messages were sent to a device since it last answered, for each protocol.
    pub fn sending_chains(&self, device: DeviceAddress) -> Operation<SendingChains> {
        self.operation(move |view, _, settings| sessions::sending_chains(view, settings, &device))
    }

    /// What was decrypted and not acknowledged yet, in that order.
    pub fn pending(&self) -> Operation<Vec<Pending>> {
        self.operation(|view, _, settings| inbox::pending(view, settings))
    }

    /// Takes messages out of the inbox: the application has them.
    pub fn acknowledge(&self, ids: Vec<InboxId>) -> Operation<()> {
        self.operation(move |view, _, _| inbox::acknowledge(view, &ids))
    }

    /// Downloads the device lists of every protocol and takes them in.
    pub fn refresh_device_lists(&self, jid: BareJid) -> Operation<Refreshed> {
        self.operation(move |view, env, settings| device_list::refresh_all(view, env, settings, &jid))
    }

    /// Encrypts for every active, trusted device of the recipients and of the own account, except this device.
    pub fn encrypt(&self, request: impl Into<Arc<EncryptRequest>>) -> Operation<Encrypted> {
        let request = request.into();
        let mut addressed = Vec::new();
        self.operation(move |view, env, settings| {
            encrypt::encrypt(view, env, settings, &request, &mut addressed)
        })
    }

    /// Decrypts a message. One that was decrypted before, or is for others, is an outcome of its own and no failure.
    pub fn decrypt(&self, message: impl Into<Arc<IncomingMessage>>) -> Operation<Decrypted> {
        let message = message.into();
        self.operation(move |view, env, settings| decrypt::decrypt(view, env, settings, &message))
    }

    /// Decrypts a page of messages from any senders, in their order: one load and one commit, and more loads only for
    /// what single messages need besides. Each ends for itself; one that cannot be decrypted does the others no harm.
    pub fn decrypt_many(&self, page: impl Into<Arc<[IncomingMessage]>>) -> Operation<DecryptedPage> {
        let page = page.into();
        self.operation(move |view, env, settings| decrypt_many::decrypt_many(view, env, settings, &page))
    }

    /// Takes in a device list that was pushed (a PEP event).
    pub fn update_device_list(
        &self,
        namespace: Namespace,
        jid: BareJid,
        list: DeviceList,
    ) -> Operation<DeviceListChange> {
        self.operation(move |view, env, settings| {
            device_list::update(view, env, settings, &namespace, &jid, &list)
        })
    }

    /// Downloads a device list and takes it in.
    pub fn refresh_device_list(&self, namespace: Namespace, jid: BareJid) -> Operation<DeviceListChange> {
        self.operation(move |view, env, settings| device_list::refresh(view, env, settings, &namespace, &jid))
    }

    /// Sets the trust level of an identity key.
    ///
    /// Under an [automatic](crate::trust::TrustPolicy::automatic) policy it fails with [`Error::TooLarge`] if 1,000 decisions
    /// wait already to be told to others: those that are owed have to be sent first, and
    /// [reported](Self::trust_messages_sent).
    pub fn set_trust(&self, jid: BareJid, identity_key: IdentityKey, level: TrustLevel) -> Operation<()> {
        self.operation(move |view, env, settings| {
            set_trust::set_trust(view, env, settings, &jid, &identity_key, &level)
        })
    }

    /// The trust messages that are owed to others (XEP-0450, section 4) since a person has authenticated or distrusted keys.
    /// None, unless the policy is [automatic](crate::trust::TrustPolicy::automatic).
    ///
    /// Each stands in an SCE envelope with the time and is encrypted to its account for
    /// [`Audience::Authenticated`]; if nobody can read it ([`EncryptFailure`](crate::EncryptFailure)`::NoEligibleDevices`)
    /// there is nobody to tell. When all are sent, [`trust_messages_sent`](Self::trust_messages_sent) ends it; until then
    /// they stay owed, also after a crash, or as long as an account among them is damaged
    /// ([`untold`](OwedTrustMessages::untold)). To be told twice does no harm.
    pub fn owed_trust_messages(&self) -> Operation<OwedTrustMessages> {
        self.operation(|view, _, settings| automatic_trust::owed(view, settings))
    }

    /// Takes note that owed trust messages were sent.
    pub fn trust_messages_sent(&self, sent: OwedTrustMessages) -> Operation<()> {
        self.operation(move |view, _, _| automatic_trust::sent(view, &sent))
    }

    /// Looks which of these accounts, at most [`MAX_LOOKED_OVER`], have authenticated keys: they are told of decisions about
    /// own keys, what these keys have said before counts, and what was trusted blindly beside them is not trusted any more
    /// (XEP-0450, sections 5.1 and 6.2). To be called for all accounts that the storage holds anything about ([`contact_of`](crate::contact_of)),
    /// if [`Opened::look_over_trust`] says so; `last` with the last of them. Without, only those are told whose keys a
    /// person authenticates from now on.
    pub fn look_over_trust(&self, jids: Vec<BareJid>, last: bool) -> Operation<()> {
        self.operation(move |view, env, settings| {
            automatic_trust::look_over(view, env, settings, &jids, last)
        })
    }

    /// Takes in a trust message (XEP-0434) that came in an encrypted message from `sender`, whose envelope has the time
    /// `sent`. What it says changes the levels of keys
    ///
    /// - if the sender's key is authenticated; otherwise it is kept until then (XEP-0450, section 5.1), at most 200
    ///   statements a key and 1,000 an account, about accounts whose JIDs have 64 KiB and 256 KiB at most, and lost if the
    ///   key is distrusted;
    /// - about keys of the sender's own account; from an own device about any. Never about the sender's key itself or this
    ///   device's;
    /// - unless the key was decided about later than `sent`, or at the same time and the message trusts it;
    /// - unless a person here has distrusted the key.
    ///
    /// Levels are also given to keys that no device is known with yet (section 5.2). The message must not be shown.
    pub fn receive_trust_message(
        &self,
        sender: Sender,
        sent: Timestamp,
        message: TrustMessage,
    ) -> Operation<TrustMessageOutcome> {
        self.operation(move |view, env, settings| {
            automatic_trust::receive(view, env, settings, &sender, sent, &message)
        })
    }

    /// What is known of the devices of an account, the own one included. Downloads what is missing.
    pub fn device_information(&self, jid: BareJid) -> Operation<Devices> {
        self.operation(move |view, env, settings| information::devices(view, env, settings, &jid))
    }

    /// Begins a catch-up with the archive: until its end used pre keys are hidden instead of deleted, and replies wait
    /// in the outbox. It is given up after a day.
    pub fn begin_catch_up(&self) -> Operation<CatchUp> {
        self.operation(|view, env, _| catch_up::begin(view, env))
    }

    /// Ends a catch-up. With the last one, hidden pre keys are deleted and replies may leave the outbox.
    pub fn end_catch_up(&self, catch_up: CatchUp) -> Operation<()> {
        self.operation(move |view, env, settings| catch_up::end(view, env, settings, &catch_up))
    }

    /// Takes over what another implementation has kept of the account: all of it, or nothing. Refused where the account
    /// was opened before.
    pub fn import(&self, imported: impl Into<Arc<ImportedAccount>>) -> Operation<Imported> {
        let imported = imported.into();
        self.operation(move |view, env, settings| import::import(view, env, settings, &imported))
    }

    /// Makes a backup without sessions, which is safe to restore: the identity, and the trust decisions about the keys of
    /// `contacts` and of the own account.
    pub fn back_up(&self, contacts: Vec<BareJid>) -> Operation<Backup> {
        self.operation(move |view, _, settings| backup::back_up(view, settings, &contacts))
    }

    /// Opens the account with the identity and the decisions of a backup, as a new device that takes the place of the one
    /// the backup was made of. Refused where the account was opened before.
    pub fn restore(&self, backup: impl Into<Arc<Backup>>) -> Operation<Opened> {
        let backup = backup.into();
        self.operation(move |view, env, settings| backup::restore(view, env, settings, &backup))
    }

    /// Empties the outbox: publishes what is marked, sends the replies that are owed.
    pub fn flush(&self) -> Operation<Flushed> {
        self.operation(flush::flush)
    }

    /// Rotates signed pre keys, refills pre keys and empties the outbox.
    ///
    /// It drops signed pre keys that were replaced, once their time is over; catch-ups that nobody has ended within a day, and
    /// with the last of them the pre keys that were hidden meanwhile; and from the outbox what nobody can meet. It does not look
    /// for archived sessions: those that have expired are never used, and go when the next of their device is archived or
    /// taken up again.
    pub fn maintain(&self) -> Operation<Maintained> {
        self.operation(maintain::maintain)
    }

    fn operation<T>(
        &self,
        mut function: impl FnMut(&mut View, &mut Env<'_>, &Settings) -> Result<T, Stop> + Send + 'static,
    ) -> Operation<T> {
        let settings = Arc::clone(&self.settings);
        Operation::new(move |view, env| function(view, env, &settings))
    }
}

/// The account's own record.
fn own_account(view: &mut View) -> Result<Arc<AccountRecord>, Stop> {
    let account: Arc<AccountRecord> = view.read(&place::account()?)?.ok_or(Error::NotOpened)?;
    if account.accepting_copy {
        return Err(Error::AcceptingCopy.into());
    }
    Ok(account)
}

/// Sets a mark in the outbox. Setting one that stands renews it: what is being sent for it meanwhile is not enough.
fn mark(view: &mut View, place: &MarkPlace) -> Result<(), Stop> {
    view.put(&place.key()?, Mark)
}

/// Refuses more than is taken.
fn within(what: &'static str, size: usize, limit: usize) -> Result<(), Stop> {
    if size > limit {
        Err(Error::TooLarge { what, size, limit }.into())
    } else {
        Ok(())
    }
}

/// Removes duplicates, keeping the first of each.
fn distinct<T: Clone + Ord>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = alloc::collections::BTreeSet::new();
    all.into_iter().filter(|one| seen.insert(one.clone())).collect()
}
