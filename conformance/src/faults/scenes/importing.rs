//! What another implementation has kept of an account is taken over.

use std::collections::BTreeMap;
use std::sync::Arc;

use omemo_sansio::keys::{IdentityKeyPair, KeyPair, PublicKey};
use omemo_sansio::protocol::{AssociatedData, Role};
use omemo_sansio::ratchet::{ChainParts, SessionParts, SkippedPart};
use omemo_sansio::transfer::{ImportedAccount, ImportedContact, ImportedDevice, ImportedProtocol};
use omemo_sansio::trust::{AutomaticTrustManagement, TrustLevel};
use omemo_sansio::{Account, BareJid, DeviceAddress, DeviceId, Error, Imported, Namespace, PreKeyId};
use omemo_storage::Storage;

use crate::faults::asking::ATTEMPTS;
use crate::faults::prepared::{JULIET, JULIET_JID, LAPTOP, ROMEO_JID};
use crate::faults::world::World;

/// The device that is imported, and one of somebody who never says anything.
const DESKTOP: DeviceId = DeviceId::new(77);
const MERCUTIO: DeviceId = DeviceId::new(5);
const MERCUTIO_JID: &str = "mercutio@verona.lit";

/// How many messages the imported session has had.
const SENT: u32 = 3;

/// All of it is there, or nothing; it is published, what was owed is sent, and the sessions go on where they were.
pub(super) fn tell<S: Storage>(world: &mut World<'_, S>) {
    let juliet = (world.jid(JULIET), world.id(JULIET));
    let import = move |account: &Account| account.import(imported(&juliet));
    let desktop = world.add("romeo's desktop", ROMEO_JID);
    world.sets(desktop, |settings| {
        settings.trust = Arc::new(AutomaticTrustManagement)
    });

    world.at_stake = true;
    let report = world.begins_anew(desktop, &import);
    let expected = Imported {
        contacts: 2,
        devices: 2,
        sessions: 1,
        skipped_keys: 1,
        records: 11,
    };
    assert!(report.is_none_or(|report| report == expected), "{report:?}");
    world.devices[desktop].id = Some(DESKTOP);
    world.is_refused(desktop, &import, |error| matches!(error, Error::AlreadyThere));
    assert_eq!(world.looks(desktop, Account::attach), DESKTOP);
    world.joins_the_list(desktop);
    world.flushes(desktop);
    let own = (Namespace::OMEMO_2, world.jid(desktop));
    let listed = &world.server.lists[&own].devices;
    assert!(listed.contains_key(&DESKTOP) && listed.contains_key(&world.id(LAPTOP)));
    let bundle = &world.server.bundles[&(own.0, own.1, DESKTOP)];
    assert_eq!(bundle.pre_keys[&PRE_KEY], *KeyPair::from_secret([1; 32]).public());

    world.at_stake = false;
    world.hears_of_lists();
    assert!(
        !world.devices[JULIET].mail.is_empty(),
        "what was owed did not come"
    );
    world.reads_all(JULIET);
    world.at_stake = true;
    world.says(desktop, MERCUTIO_JID, "in the imported session");
    world.ledger.excuse("in the imported session", MERCUTIO);
    let mercutio = DeviceAddress {
        jid: BareJid::new(MERCUTIO_JID).unwrap(),
        device: MERCUTIO,
    };
    let chains = world.looks(desktop, |account| account.sending_chains(mercutio.clone()));
    assert!(chains[&Namespace::OMEMO_2].is_some_and(|length| length > SENT));
    world.says(desktop, JULIET_JID, "from another implementation");
    world.reads_all(JULIET);
    world.tells_of_own_keys(desktop, MERCUTIO_JID);
}

const PRE_KEY: PreKeyId = PreKeyId::new(9);

fn imported((juliet, device): &(BareJid, DeviceId)) -> ImportedAccount {
    let identity = IdentityKeyPair::from_seed([77; 32]);
    let with_mercutio = ImportedDevice {
        protocols: [(Namespace::OMEMO_2, true)].into(),
        identity: None,
        sessions: [(Namespace::OMEMO_2, session(&identity))].into(),
    };
    let with_juliet = ImportedDevice {
        protocols: [(Namespace::OMEMO_2, true)].into(),
        ..ImportedDevice::default()
    };
    let peer = *IdentityKeyPair::from_seed([5; 32]).public();
    let contact = |device, known, trust| ImportedContact {
        devices: [(device, known)].into(),
        trust,
    };
    let trusted = BTreeMap::from([(peer.curve25519(), TrustLevel::TRUSTED)]);
    ImportedAccount {
        identity,
        device: DESKTOP,
        label: Some("a label".to_owned()),
        protocols: [(
            Namespace::OMEMO_2,
            ImportedProtocol {
                pre_keys: [(PRE_KEY, KeyPair::from_secret([1; 32]))].into(),
                last_pre_key: PRE_KEY.get(),
                owed_replies: vec![(juliet.clone(), *device)],
                ..ImportedProtocol::default()
            },
        )]
        .into(),
        contacts: [
            (juliet.clone(), contact(*device, with_juliet, BTreeMap::new())),
            (
                BareJid::new(MERCUTIO_JID).unwrap(),
                contact(MERCUTIO, with_mercutio, trusted),
            ),
        ]
        .into(),
    }
}

/// A session under way. Nobody has its other side.
fn session(own: &IdentityKeyPair) -> SessionParts {
    let peer = *IdentityKeyPair::from_seed([5; 32]).public();
    let public = |seed: u8| *KeyPair::from_secret([seed; 32]).public();
    let chain = |length, seed: u8| ChainParts {
        length,
        key: [seed; 32].into(),
    };
    SessionParts {
        role: Role::Initiator,
        peer,
        associated_data: AssociatedData {
            initiator: *own.public().ed25519(),
            responder: *peer.ed25519(),
        },
        pre_key: PreKeyId::new(1),
        signed_pre_key: PreKeyId::new(1),
        base_key: public(10),
        confirmed: true,
        own_ratchet: KeyPair::from_secret([11; 32]),
        peer_ratchet: public(12),
        root_key: [13; 32].into(),
        sending: chain(SENT, 14),
        receiving: Some(chain(2, 15)),
        previous_sending: 1,
        skipped: vec![skipped(public(12))],
    }
}

fn skipped(ratchet_key: PublicKey) -> SkippedPart {
    SkippedPart {
        ratchet_key,
        n: 0,
        message_key: [16; 32].into(),
    }
}

impl<S: Storage> World<'_, S> {
    /// Looks at the own lists, and puts the device on them.
    fn joins_the_list(&mut self, device: usize) {
        let jid = self.jid(device);
        self.asks(device, |account| account.open(None));
        self.refreshes(device, &jid);
    }

    /// Until the lists of all protocols could be downloaded.
    pub(in crate::faults) fn refreshes(&mut self, device: usize, jid: &BareJid) {
        for _ in 0..ATTEMPTS {
            let refreshed = self.asks(device, |account| account.refresh_device_lists(jid.clone()));
            if refreshed.values().all(Result::is_ok) {
                return;
            }
        }
        panic!("the lists cannot be refreshed");
    }
}
