//! The contacts that an operation looks at, most of which it leaves as they are.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use omemo_storage::Name;

use crate::BareJid;
use crate::engine::{Stop, View};
use crate::records::{Contact, place};

/// Contacts as they were loaded, each copied when it is changed for the first time.
#[derive(Default)]
pub(super) struct Contacts(BTreeMap<BareJid, Known>);

struct Known {
    /// Where its records lie.
    partition: Name,
    contact: Arc<Contact>,
    changed: bool,
}

impl Contacts {
    /// Reads the contacts of these accounts; one that is not stored knows nothing yet.
    pub(super) fn read<'a>(
        view: &mut View,
        jids: impl IntoIterator<Item = &'a BareJid>,
    ) -> Result<Self, Stop> {
        let mut contacts = BTreeMap::new();
        for jid in jids {
            let key = place::contact(jid)?;
            let known = Known {
                contact: view.read(&key)?.unwrap_or_default(),
                partition: key.partition,
                changed: false,
            };
            contacts.insert(jid.clone(), known);
        }
        Ok(Self(contacts))
    }

    /// All of them, ordered by JID.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&BareJid, &Contact)> {
        self.0.iter().map(|(jid, known)| (jid, &*known.contact))
    }

    pub(super) fn get(&self, jid: &BareJid) -> Option<&Contact> {
        self.0.get(jid).map(|known| &*known.contact)
    }

    /// The partition of a contact.
    pub(super) fn partition(&self, jid: &BareJid) -> Option<&Name> {
        self.0.get(jid).map(|known| &known.partition)
    }

    /// The contact to be changed; it will be written.
    pub(super) fn edit(&mut self, jid: &BareJid) -> Option<&mut Contact> {
        self.0.get_mut(jid).map(|known| {
            known.changed = true;
            Arc::make_mut(&mut known.contact)
        })
    }

    /// Writes those that were changed.
    pub(super) fn put(self, view: &mut View) -> Result<(), Stop> {
        for (jid, known) in self.0 {
            if known.changed {
                view.put_changed(&place::contact(&jid)?, Arc::unwrap_or_clone(known.contact))?;
            }
        }
        Ok(())
    }
}
