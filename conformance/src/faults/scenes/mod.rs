//! What the story leaves out, a short scene each. Whoever adds an operation to the core adds a scene that plays it.
//!
//! A scene first sets the stage, where no fault strikes; then all is at stake, until only the end is left, which is the
//! same for all: everybody must still be able to talk to everybody.

mod asked;
mod backups;
mod copies;
mod importing;
mod inbox;
mod labels;
mod lists;
mod page;
mod policies;
mod protocols;
mod published;
mod purging;
mod sessions;
mod trust_messages;

use omemo_storage::Storage;

use super::story;
use super::world::World;

/// A scene, or the story, and what it is called.
pub(super) struct Tale<S> {
    pub(super) name: &'static str,
    /// Whether the devices are acquainted before it begins.
    pub(super) prepared: bool,
    tell: fn(&mut World<'_, S>),
}

/// All there are. The first is the story, which begins with nothing.
pub(super) fn all<S: Storage>() -> Vec<Tale<S>> {
    let scene = |name, tell| Tale {
        name,
        prepared: true,
        tell,
    };
    vec![
        Tale {
            name: "the story",
            prepared: false,
            tell: story::tell,
        },
        scene("an inbox", inbox::tell),
        scene("a page of messages", page::tell),
        scene("sessions are replaced and forgotten", sessions::tell),
        scene("a contact is forgotten", purging::tell),
        scene("a protocol is purged", protocols::purged),
        scene("a protocol rests", protocols::rests),
        scene("a backup is restored", backups::tell),
        scene("another implementation's account is imported", importing::tell),
        scene("an older copy is accepted", copies::tell),
        scene("what is published was changed", published::tell),
        scene("a device gets a name", labels::tell),
        scene("device lists are cleared and refreshed", lists::tell),
        scene("keys are trusted by others' word", trust_messages::tell),
        scene("keys were trusted under another policy", policies::tell),
        scene("a person is asked", asked::tell),
    ]
}

impl<S: Storage> Tale<S> {
    pub(super) fn tell(&self, world: &mut World<'_, S>) {
        (self.tell)(world);
        if self.prepared {
            world.at_stake = false;
            world.hears_of_lists();
            world.all_talk(1);
        }
    }
}
