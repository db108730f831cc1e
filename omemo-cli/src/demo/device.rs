//! A device on a database file of its own.

use std::path::Path;
use std::sync::Arc;

use omemo::blocking::Client;
use omemo::keys::Fingerprint;
use omemo::local::{Connection, Delivery, Server};
use omemo::trust::TrustLevel;
use omemo::{
    BareJid, Clock, Content, Decrypted, DeviceAddress, DeviceInformation, EncryptRequest, Encrypted,
    EncryptedMessage, Error, Namespace, Omemo2, Settings, SystemClock, Timestamp,
};
use omemo_storage::blocking::wait;
use omemo_storage::{Counts, Metered};
use omemo_storage_sqlite::SqliteStorage;

use super::cast::Role;
use super::letter;
use super::person::Careful;
use crate::failure::Failure;

/// The moment at which all of the demo happens, lest the second in which something arrives change what is counted.
#[derive(Clone, Copy)]
pub(super) struct Moment(Timestamp);

impl Moment {
    pub(super) fn now() -> Self {
        Self(SystemClock.now())
    }
}

impl Clock for Moment {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A device that runs.
pub(super) struct Device {
    role: Role,
    jid: BareJid,
    partner: BareJid,
    client: Client<Metered<SqliteStorage>, Connection>,
    owner: Careful,
    moment: Moment,
    /// Whether something may have to be sent that nobody said.
    owes: bool,
}

/// What came of something that arrived.
pub(super) enum Heard {
    /// A text.
    Text(String),
    /// A message that was read before.
    Again,
    /// Nothing for a person to see.
    Nothing,
}

impl Device {
    /// Starts the device on its file in `directory`, the first time with a new identity.
    pub(super) fn start(
        role: Role,
        directory: &Path,
        server: &Server,
        moment: Moment,
    ) -> Result<Self, Failure> {
        let (jid, partner) = (role.person().jid()?, role.person().partner().jid()?);
        let file = directory.join(role.file());
        let storage =
            wait(SqliteStorage::open(&file)).map_err(|error| Failure::because(file.display(), error))?;
        let owner = Careful::default();
        let connection = server.connect(&jid, role.name());
        let settings = Settings {
            protocols: vec![Arc::new(Omemo2)],
            ..Settings::new(jid.clone())
        };
        let builder = Client::builder(settings, Metered::new(storage), connection)
            .label(role.name())
            .prompt(owner.clone())
            .clock(moment);
        Ok(Self {
            role,
            jid,
            partner,
            client: builder.catch_up(false).open_blocking()?,
            owner,
            moment,
            owes: true,
        })
    }

    pub(super) fn address(&self) -> DeviceAddress {
        DeviceAddress {
            jid: self.jid.clone(),
            device: self.client.device(),
        }
    }

    pub(super) fn owner(&self) -> &Careful {
        &self.owner
    }

    /// The fingerprint that the device shows of itself.
    pub(super) fn fingerprint(&self) -> Result<Fingerprint, Failure> {
        self.knows(&self.address())?
            .identity_key
            .map(|key| key.fingerprint())
            .ok_or_else(|| Failure::new(format!("{} does not know itself", self.role)))
    }

    /// What this device knows of another one.
    pub(super) fn knows(&self, other: &DeviceAddress) -> Result<DeviceInformation, Failure> {
        self.client
            .device_information(other.jid.clone())?
            .devices
            .into_iter()
            .find(|information| information.device == other.device)
            .ok_or_else(|| Failure::new(format!("{} does not know device {}", self.role, other.device)))
    }

    /// The owner has compared fingerprints on both screens: the key of the other device is verified.
    pub(super) fn verify(&self, other: &Self) -> Result<(), Failure> {
        let shown = other.fingerprint()?;
        let known = self.knows(&other.address())?.identity_key;
        match known.filter(|key| key.fingerprint() == shown) {
            Some(key) => Ok(self
                .client
                .set_trust(other.jid.clone(), key, TrustLevel::TRUSTED)?),
            None => Err(Failure::new(format!(
                "{} and {} show different fingerprints",
                self.role, other.role
            ))),
        }
    }

    /// Encrypts a text to the partner, and to the own account's other devices.
    pub(super) fn encrypt(&self, text: &str) -> Result<Result<Encrypted, Error>, Failure> {
        let envelope = letter::seal(text, &self.jid, &self.partner, self.moment.0)?;
        let request = EncryptRequest::new(vec![self.partner.clone()], Namespace::OMEMO_2, envelope);
        Ok(self.client.encrypt(request))
    }

    pub(super) fn send(&self, message: &EncryptedMessage) {
        let to = std::slice::from_ref(&self.partner);
        self.client.network().send(to, message);
    }

    /// Takes the next thing out of the mailbox, if there is one.
    pub(super) fn receive(&self) -> Option<Delivery> {
        self.client.network().receive()
    }

    /// Takes in what arrived.
    pub(super) fn take_in(&mut self, delivery: Delivery) -> Result<Heard, Failure> {
        let incoming = match delivery {
            Delivery::DeviceList { namespace, jid, list } => {
                let change = self.client.update_device_list(namespace, jid, list)?;
                self.owes |= change.republish;
                return Ok(Heard::Nothing);
            }
            Delivery::Message(incoming) => incoming,
        };
        let received = match self.client.decrypt(incoming)? {
            Decrypted::Trusted(received) | Decrypted::Undecided(received) => received,
            Decrypted::AlreadyDecrypted => return Ok(Heard::Again),
            // An empty message between two other devices.
            Decrypted::NotForUs => return Ok(Heard::Nothing),
        };
        self.owes |= received.flush_wanted;
        let Content::Plaintext(plaintext) = received.content else {
            return Ok(Heard::Nothing);
        };
        let sender = received.sender.jid;
        // Copies of what the own account's other devices sent went to the partner.
        let to = if sender == self.jid {
            &self.partner
        } else {
            &self.jid
        };
        Ok(Heard::Text(letter::open(&plaintext, &sender, to, self.moment.0)?))
    }

    /// Sends what is owed.
    pub(super) fn settle(&mut self) -> Result<(), Failure> {
        if self.owes && !self.client.flush()?.failed.is_empty() {
            return Err(Failure::new(format!(
                "{} could not send everything that it owes",
                self.role
            )));
        }
        self.owes = false;
        Ok(())
    }

    /// What the storage did since the last time.
    pub(super) fn take_counts(&self) -> Counts {
        self.client.storage().take()
    }

    /// Ends the device in good order.
    pub(super) fn stop(self) {
        wait(self.client.storage().inner().close());
    }
}
