//! The operations: what an account can be asked to do, each an ordinary function over a view.

mod catch_up;
mod contacts;
mod decisions;
mod decrypt;
mod decrypted;
mod device_list;
mod encrypt;
mod flush;
mod information;
mod key_exchange;
mod maintain;
mod open;
mod pool;
mod receive;
mod recipients;
mod replies;
mod sender;
mod set_trust;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use omemo_storage::AccountId;

pub use catch_up::CatchUp;
pub use decrypt::MAX_PAYLOAD;
pub use decrypted::{Content, Decrypted, IncomingMessage, Sender};
pub use device_list::DeviceListChange;
pub use encrypt::{EncryptRequest, Encrypted, MAX_RECIPIENTS};
pub use flush::{Flushed, OutboxFailure, OutboxItem};
pub use information::{DeviceInformation, Devices};
pub use maintain::Maintained;
pub use open::{MAX_OWN_LABEL, Opened};

use crate::engine::{Env, Operation, Stop, View};
use crate::keys::IdentityKey;
use crate::records::{AccountRecord, Mark, MarkPlace, place};
use crate::settings::Settings;
use crate::trust::TrustLevel;
use crate::{BareJid, DeviceList, Error, Namespace};

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
    /// protocols that are new. `label` names the device to others, and counts at the first opening only.
    pub fn open(&self, label: Option<String>) -> Operation<Opened> {
        self.operation(move |view, env, settings| open::open(view, env, settings, label.as_deref()))
    }

    /// Encrypts for every active, trusted device of the recipients and of the own account, except this device.
    pub fn encrypt(&self, request: impl Into<Arc<EncryptRequest>>) -> Operation<Encrypted> {
        let request = request.into();
        self.operation(move |view, env, settings| encrypt::encrypt(view, env, settings, &request))
    }

    /// Decrypts a message.
    pub fn decrypt(&self, message: impl Into<Arc<IncomingMessage>>) -> Operation<Decrypted> {
        let message = message.into();
        self.operation(move |view, env, settings| decrypt::decrypt(view, env, settings, &message))
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
    pub fn set_trust(&self, jid: BareJid, identity_key: IdentityKey, level: TrustLevel) -> Operation<()> {
        self.operation(move |view, _, settings| {
            set_trust::set_trust(view, settings, &jid, &identity_key, &level)
        })
    }

    /// What is known of the devices of an account, the own one included. Downloads what is missing.
    pub fn device_information(&self, jid: BareJid) -> Operation<Devices> {
        self.operation(move |view, env, settings| information::devices(view, env, settings, &jid))
    }

    /// Begins a catch-up with the archive: until its end used pre keys are hidden instead of deleted, and replies wait
    /// in the outbox. It is given up after a day.
    pub fn begin_catch_up(&self) -> Operation<CatchUp> {
        self.operation(catch_up::begin)
    }

    /// Ends a catch-up. With the last one, hidden pre keys are deleted and replies may leave the outbox.
    pub fn end_catch_up(&self, catch_up: CatchUp) -> Operation<()> {
        self.operation(move |view, env, settings| catch_up::end(view, env, settings, &catch_up))
    }

    /// Empties the outbox: publishes what is marked, sends the replies that are owed.
    pub fn flush(&self) -> Operation<Flushed> {
        self.operation(flush::flush)
    }

    /// Rotates signed pre keys, refills pre keys, drops what has expired and empties the outbox.
    pub fn maintain(&self) -> Operation<Maintained> {
        self.operation(maintain::maintain)
    }

    fn operation<T>(
        &self,
        function: impl Fn(&mut View, &mut Env<'_>, &Settings) -> Result<T, Stop> + Send + 'static,
    ) -> Operation<T> {
        let settings = Arc::clone(&self.settings);
        Operation::new(move |view, env| function(view, env, &settings))
    }
}

/// The account's own record.
fn own_account(view: &mut View) -> Result<Arc<AccountRecord>, Stop> {
    view.read(&place::account()?)?.ok_or(Stop::Fail(Error::NotOpened))
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
