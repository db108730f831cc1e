//! Automatic trust management (XEP-0450), as calls of the client.

use omemo_sansio::trust::TrustMessage;
use omemo_sansio::{Error, OwedTrustMessages, Sender, Timestamp, TrustMessageOutcome};
use omemo_storage::Storage;

use crate::client::Client;
use crate::network::Network;
use crate::parked::Request;

/// Automatic trust management, for the policy
/// [`AutomaticTrustManagement`](omemo_sansio::trust::AutomaticTrustManagement).
impl<S: Storage, N: Network> Client<S, N> {
    /// The trust messages that are owed since a person has decided about keys: see
    /// [`Account::owed_trust_messages`](omemo_sansio::Account::owed_trust_messages).
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`].
    pub async fn owed_trust_messages(&self) -> Result<OwedTrustMessages, Error> {
        self.driver
            .run(Request::Repeatable, |account| account.owed_trust_messages())
            .await
    }

    /// Takes note that owed trust messages were sent.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`].
    pub async fn trust_messages_sent(&self, sent: OwedTrustMessages) -> Result<(), Error> {
        self.driver
            .run(Request::Repeatable, |account| account.trust_messages_sent(sent))
            .await
    }

    /// Takes in a trust message that `sender` has sent encrypted, whose envelope has the time `sent`: see
    /// [`Account::receive_trust_message`](omemo_sansio::Account::receive_trust_message).
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] if it speaks of too many keys; [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`].
    pub async fn receive_trust_message(
        &self,
        sender: Sender,
        sent: Timestamp,
        message: TrustMessage,
    ) -> Result<TrustMessageOutcome, Error> {
        let _changing = self.driver.parked.forget_encrypts();
        self.driver
            .run(Request::Repeatable, |account| {
                account.receive_trust_message(sender, sent, message)
            })
            .await
    }
}
