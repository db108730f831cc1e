//! Keeping an account in order: what is published, what is kept, and what is forgotten.

use std::sync::PoisonError;

use omemo_sansio::{
    BareJid, Consistency, DeviceAddress, DeviceId, Error, Flushed, InboxId, Namespace, Pending, Refreshed,
    Replaced, SendingChains,
};
use omemo_storage::Storage;

use crate::client::Client;
use crate::network::Network;
use crate::parked::Request;

/// The own device.
impl<S: Storage, N: Network> Client<S, N> {
    /// Names this device, or takes its name away; at most 212 bytes. The name is signed and published on the lists of the
    /// protocols that have labels, through the outbox.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`]; [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`].
    pub async fn set_own_label(&self, label: Option<String>) -> Result<(), Error> {
        self.driver
            .run(Request::Repeatable, |account| account.set_own_label(label))
            .await?;
        self.driver.outbox.notify(usize::MAX);
        Ok(())
    }

    /// Refreshes the own device lists, puts this device back on those it is missing from, and compares the published bundles
    /// with the keys there are. What is not as it should be waits in the outbox to be published again. Worth a call once
    /// after each start, if the traffic does not matter.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`]. What cannot be downloaded is in the answer.
    pub async fn ensure_consistency(&self) -> Result<Consistency, Error> {
        let _changing = self.driver.parked.forget_encrypts();
        let found = self
            .driver
            .run(Request::Repeatable, |account| account.ensure_consistency())
            .await?;
        if !found.repaired.is_empty() {
            self.driver.outbox.notify(usize::MAX);
        }
        Ok(found)
    }

    /// Takes every other device off the own device lists, and tells which: for an account whose lists are full of devices
    /// that are gone. Those that are still in use put themselves back. What others know of the devices stays.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`].
    pub async fn clear_device_lists(&self) -> Result<Vec<DeviceId>, Error> {
        let _changing = self.driver.parked.forget_encrypts();
        let removed = self
            .driver
            .run(Request::Repeatable, |account| account.clear_device_lists())
            .await?;
        self.driver.outbox.notify(usize::MAX);
        Ok(removed)
    }

    /// Ends the catch-up that opening has begun, if it has and that was not ended before.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`].
    pub async fn caught_up(&self) -> Result<(), Error> {
        let begun = self.begun_catch_up().clone();
        if let Some(catch_up) = begun {
            self.end_catch_up(&catch_up).await?;
            let mut begun = self.begun_catch_up();
            if begun.as_ref() == Some(&catch_up) {
                *begun = None;
            }
        }
        Ok(())
    }

    fn begun_catch_up(&self) -> std::sync::MutexGuard<'_, Option<omemo_sansio::CatchUp>> {
        self.driver
            .catch_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Others.
impl<S: Storage, N: Network> Client<S, N> {
    /// The other accounts that anything is known of, in order of their JIDs. Looks through all records.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn contacts(&self) -> Result<Vec<BareJid>, Error> {
        let own = self.driver.account().settings().jid.clone();
        let known = self.driver.known_accounts().await?;
        Ok(known.into_iter().filter(|jid| *jid != own).collect())
    }

    /// Downloads the device lists of every protocol, at once, and takes them in.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`]. What cannot be downloaded is in the answer.
    pub async fn refresh_device_lists(&self, jid: BareJid) -> Result<Refreshed, Error> {
        let _changing = self.driver.parked.forget_encrypts();
        let refreshed = self
            .driver
            .run(Request::Repeatable, |account| account.refresh_device_lists(jid))
            .await?;
        if refreshed.values().flatten().any(|change| change.republish) {
            self.driver.outbox.notify(usize::MAX);
        }
        Ok(refreshed)
    }

    /// Opens new sessions with a device, in every protocol that there is one in, in place of sessions that seem broken.
    /// The old ones are archived: what is on its way in them can still be read. The device is told by an empty message for
    /// each, through the outbox. Never to be done automatically: it would do no good, and forged messages would cause it.
    ///
    /// Whatever can be read in an old session makes that the live one again, until something comes in the new one: so end a
    /// catch-up and [`flush`](Client::flush) first, and call this again if the old one has come back.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`]. Why a session could not be replaced is in the answer.
    pub async fn replace_sessions(&self, device: DeviceAddress) -> Result<Replaced, Error> {
        let _changing = self.driver.parked.forget_encrypts();
        let replaced = self
            .driver
            .run(Request::Repeatable, |account| account.replace_sessions(device))
            .await?;
        self.driver.outbox.notify(usize::MAX);
        Ok(replaced)
    }

    /// How many messages were sent to a device since it last answered, for each protocol: long chains tell of a device that
    /// is gone, or whose session is broken.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`].
    pub async fn sending_chains(&self, device: DeviceAddress) -> Result<SendingChains, Error> {
        self.driver
            .run(Request::Repeatable, |account| account.sending_chains(device))
            .await
    }
}

/// The inbox: [`Settings::inbox`](crate::Settings::inbox).
impl<S: Storage, N: Network> Client<S, N> {
    /// What was decrypted and not acknowledged yet, in the order it was decrypted in: after a start, what the application may
    /// not have got into its own database. Its senders are judged by what was decided until now.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::UnknownTrustLevel`].
    pub async fn pending(&self) -> Result<Vec<Pending>, Error> {
        self.driver
            .run(Request::Repeatable, |account| account.pending())
            .await
    }

    /// Says that the application has these messages: they are kept no more. Ids that are not in the inbox do no harm.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] over 10,000 at once; [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`].
    pub async fn acknowledge(&self, ids: Vec<InboxId>) -> Result<(), Error> {
        self.driver
            .run(Request::Repeatable, |account| account.acknowledge(ids))
            .await
    }
}

/// Forgetting.
impl<S: Storage, N: Network> Client<S, N> {
    /// Removes a protocol, whether it is among the settings' protocols or not: its place on the own device list, the bundle,
    /// its keys and all its sessions. This client does not speak it any more; other processes of the account have to be
    /// started anew without it. What could not be taken back yet is in the answer, and stays in the outbox.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] if it is the only protocol there is; [`Error::Storage`], [`Error::Corrupt`],
    /// [`Error::Contention`].
    pub async fn purge_protocol(&self, namespace: Namespace) -> Result<Flushed, Error> {
        let _changing = self.driver.parked.forget_encrypts();
        let others = self.driver.account().without(&namespace)?;
        let purged = namespace.clone();
        self.driver
            .run(Request::Repeatable, |account| account.purge_protocol(purged))
            .await?;
        *self
            .driver
            .account
            .write()
            .unwrap_or_else(PoisonError::into_inner) = others;
        self.driver.forget_sessions(Some(&namespace)).await?;
        self.flush().await
    }

    /// Deletes all that is known of another account: its devices, whom of them is trusted, all sessions, and what is owed to
    /// it. Should it write again, it is a stranger. What it wrote and waits in the inbox stays until it is acknowledged, and
    /// is undecided from now on.
    ///
    /// # Errors
    ///
    /// [`Error::OwnAccount`]; [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`].
    pub async fn purge_contact(&self, jid: BareJid) -> Result<(), Error> {
        let _changing = self.driver.parked.forget_encrypts();
        self.driver
            .run(Request::Repeatable, |account| account.purge_contact(jid))
            .await
    }
}
