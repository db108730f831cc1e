//! The contacts that an operation looks at, most of which it leaves as they are.

use alloc::sync::Arc;
use alloc::vec::Vec;

use omemo_storage::{Key, Name};

use super::encrypt::EncryptRequest;
use crate::engine::{Stop, View};
use crate::records::{Contact, place};
use crate::settings::Settings;
use crate::{BareJid, Error};

/// An account whose devices a message is for.
#[derive(Clone)]
pub(super) struct Addressed {
    pub(super) jid: BareJid,
    /// Where its records lie.
    pub(super) partition: Name,
    /// Otherwise it is the own account, whose other devices get a copy.
    pub(super) is_recipient: bool,
}

impl Addressed {
    /// The recipients and the own account, ordered by JID, each once.
    pub(super) fn of(settings: &Settings, request: &EncryptRequest) -> Result<Vec<Self>, Error> {
        let recipients = request.recipients.iter().map(|jid| (jid, true));
        let addressed = recipients.chain([(&settings.jid, false)]);
        let mut addressed: Vec<_> = addressed
            .map(|(jid, is_recipient)| {
                let (jid, partition) = (jid.clone(), place::contact_partition(jid)?);
                Ok(Self {
                    jid,
                    partition,
                    is_recipient,
                })
            })
            .collect::<Result<_, Error>>()?;
        addressed.sort_by(|one, other| one.jid.cmp(&other.jid));
        // The first stays: the own account is a recipient if it was named as one.
        addressed.dedup_by(|later, earlier| later.jid == earlier.jid);
        Ok(addressed)
    }
}

/// Contacts as they were loaded, each copied when it is changed for the first time. Each is known by its place, so that
/// it need not be looked for again for each of its devices.
#[derive(Default)]
pub(super) struct Contacts(Vec<Known>);

/// A contact, and whether it has to be written.
pub(super) struct Known {
    pub(super) account: Addressed,
    pub(super) contact: Arc<Contact>,
    changed: bool,
}

impl Contacts {
    /// Reads the contacts of these accounts; one that is not stored knows nothing yet.
    pub(super) fn read(view: &mut View, accounts: &[Addressed]) -> Result<Self, Stop> {
        let item = place::contact_item()?;
        let known = accounts.iter().map(|account| {
            let key = Key {
                partition: account.partition.clone(),
                item: item.clone(),
            };
            Ok(Known {
                account: account.clone(),
                contact: view.read(&key)?.unwrap_or_default(),
                changed: false,
            })
        });
        known.collect::<Result<_, Stop>>().map(Self)
    }

    /// All of them, ordered by JID.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Known> {
        self.0.iter()
    }

    /// The contact at this place.
    pub(super) fn get(&self, place: usize) -> Option<&Known> {
        self.0.get(place)
    }

    /// The contact at this place, to be changed; it will be written.
    pub(super) fn edit(&mut self, place: usize) -> Option<&mut Contact> {
        self.0.get_mut(place).map(|known| {
            known.changed = true;
            Arc::make_mut(&mut known.contact)
        })
    }

    /// Where the contact of an account is.
    pub(super) fn find(&self, jid: &BareJid) -> Option<usize> {
        self.0.binary_search_by(|known| known.account.jid.cmp(jid)).ok()
    }

    /// Writes those that were changed.
    pub(super) fn put(self, view: &mut View) -> Result<(), Stop> {
        for known in self.0.into_iter().filter(|known| known.changed) {
            let key = Key {
                partition: known.account.partition,
                item: place::contact_item()?,
            };
            view.put_changed(&key, Arc::unwrap_or_clone(known.contact))?;
        }
        Ok(())
    }
}
