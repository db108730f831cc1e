//! A storage in which a record is damaged: every operation ends, with an error where it cannot do without the record, and
//! then nothing is changed.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use omemo_fuzz::{Choices, NOW, Person, Records, Scene, Server, drive, said_by, saying};
use omemo_sansio::keys::{IdentityKey, IdentityKeyPair};
use omemo_sansio::trust::TrustLevel;
use omemo_sansio::{
    BareJid, DeviceAddress, DeviceEntry, DeviceId, DeviceList, EncryptRequest, Error, Namespace,
    contact_records, examine_contact, examine_own, own_records,
};
use omemo_storage::blocking::wait;
use omemo_storage::{Query, Storage};

fuzz_target!(|data: &[u8]| {
    static SCENES: OnceLock<[Scene; 2]> = OnceLock::new();
    let [middle, full] = SCENES.get_or_init(|| [Scene::all().pop().expect("there are some"), Scene::full()]);
    let mut choices = Choices::new(data);
    let place = choices.byte();
    // Where nothing is in the inbox or open, what has to do with that need not be tried.
    let (scene, operations) = if place < 128 {
        (middle, COMMON)
    } else {
        (full, COMMON + FURTHER)
    };
    let mut records = scene.records.clone();
    let place = usize::from(place % 128) % records.len();
    if let Some(value) = records.values_mut().nth(place) {
        let mut bytes = value.as_bytes().to_vec();
        for _ in 0..=choices.byte() % 4 {
            choices.alter(&mut bytes);
        }
        *value = bytes.into();
    }
    let (mut receiver, mut server) = (scene.receiver(&records), scene.server.clone());
    for _ in 0..4 {
        let before = receiver.records();
        let kind = choices.byte() % operations;
        let result = match kind.checked_sub(COMMON) {
            None => operate(&mut receiver, &mut server, &mut choices, scene, kind),
            Some(kind) => operate_further(&mut receiver, &mut server, &mut choices, scene, kind),
        };
        judge(&receiver, &before, &result);
    }
});

/// What an operation must not end with, or not have done then.
fn judge(receiver: &Person, before: &Records, result: &Result<(), Error>) {
    match result {
        Err(Error::Internal(what)) => panic!("a fault of the library: {what}"),
        Err(Error::Corrupt { .. }) => {
            assert!(receiver.records() == *before, "a failure has changed something")
        }
        _ => {}
    }
}

fn juliet() -> BareJid {
    BareJid::new("juliet@capulet.lit").expect("a JID")
}

fn a_namespace(choices: &mut Choices<'_>) -> Namespace {
    choices.pick(&[Namespace::OMEMO_2, Namespace::LEGACY]).clone()
}

/// How many kinds of operations there are, each with its number.
const COMMON: u8 = 16;

fn operate(
    receiver: &mut Person,
    server: &mut Server,
    choices: &mut Choices<'_>,
    scene: &Scene,
    kind: u8,
) -> Result<(), Error> {
    let letter = choices.pick(&scene.letters).clone();
    let address = DeviceAddress {
        jid: juliet(),
        device: letter.message.message.sender_device,
    };
    let namespace = a_namespace(choices);
    match kind {
        0..=3 => drive(receiver, server, |account| account.decrypt(letter.message)).map(drop),
        4 => drive(receiver, server, |account| {
            let page: Vec<_> = scene
                .letters
                .iter()
                .map(|letter| letter.message.clone())
                .collect();
            account.decrypt_many(page)
        })
        .map(drop),
        5 | 6 => {
            let request = EncryptRequest::new(vec![juliet()], namespace, b"hello".to_vec());
            drive(receiver, server, |account| account.encrypt(request)).map(drop)
        }
        7 => drive(receiver, server, |account| account.maintain()).map(drop),
        8 => drive(receiver, server, |account| account.open(None)).map(drop),
        9 => drive(receiver, server, |account| account.device_information(juliet())).map(drop),
        10 => drive(receiver, server, |account| account.replace_sessions(address)).map(drop),
        11 => drive(receiver, server, |account| account.ensure_consistency()).map(drop),
        12 => drive(receiver, server, |account| account.back_up(vec![juliet()])).map(drop),
        13 => drive(receiver, server, |account| account.purge_contact(juliet())).map(drop),
        14 => drive(receiver, server, |account| account.begin_accepting_copy()).map(drop),
        _ => {
            let devices = drive(receiver, server, |account| account.device_information(juliet()))?;
            let Some(key) = devices.devices.first().and_then(|device| device.identity_key) else {
                return Ok(());
            };
            let level = choices
                .pick(&[TrustLevel::TRUSTED, TrustLevel::DISTRUSTED])
                .clone();
            // Judged by itself: what was asked for before has changed something.
            let before = receiver.records();
            let decided = drive(receiver, server, |account| {
                account.set_trust(juliet(), key, level)
            });
            judge(receiver, &before, &decided);
            Ok(())
        }
    }
}

/// How many more there are.
const FURTHER: u8 = 20;

fn operate_further(
    receiver: &mut Person,
    server: &mut Server,
    choices: &mut Choices<'_>,
    scene: &Scene,
    kind: u8,
) -> Result<(), Error> {
    let namespace = a_namespace(choices);
    let jid = choices.pick(&[juliet(), scene.receiver.jid.clone()]).clone();
    let address = DeviceAddress {
        jid: juliet(),
        device: scene.letters[0].message.message.sender_device,
    };
    match kind {
        0 => {
            let ids = choices.some().iter().map(|id| DeviceId::new(u32::from(*id) + 1));
            let devices = ids.map(|id| (id, DeviceEntry::default())).collect();
            let list = DeviceList { devices };
            drive(receiver, server, |account| {
                account.update_device_list(namespace, jid, list)
            })
            .map(drop)
        }
        1 => drive(receiver, server, |account| {
            account.refresh_device_list(namespace, jid)
        })
        .map(drop),
        2 => drive(receiver, server, |account| account.refresh_device_lists(jid)).map(drop),
        3 => drive(receiver, server, |account| account.begin_catch_up()).map(drop),
        4 => match scene.catch_up.clone() {
            Some(catch_up) => drive(receiver, server, |account| account.end_catch_up(catch_up)),
            None => Ok(()),
        },
        5 | 6 => {
            let pending = drive(receiver, server, |account| account.pending())?;
            let ids = pending.iter().map(|pending| pending.id).collect();
            drive(receiver, server, |account| account.acknowledge(ids))
        }
        7 => {
            let label = choices.flag().then(|| "balcony".to_owned());
            drive(receiver, server, |account| account.set_own_label(label))
        }
        8 => drive(receiver, server, |account| account.clear_device_lists()).map(drop),
        9 => drive(receiver, server, |account| account.sending_chains(address)).map(drop),
        10 => drive(receiver, server, |account| account.purge_protocol(namespace)),
        11 => {
            let of = choices.flag().then_some(namespace);
            drive(receiver, server, |account| {
                account.forget_sessions(vec![juliet()], of)
            })
        }
        12 => drive(receiver, server, |account| account.end_accepting_copy()),
        13 => {
            let owed = drive(receiver, server, |account| account.owed_trust_messages())?;
            drive(receiver, server, |account| account.trust_messages_sent(owed))
        }
        14 => {
            let last = choices.flag();
            drive(receiver, server, |account| {
                account.look_over_trust(vec![juliet()], last)
            })
        }
        15 => {
            let sender = said_by(&jid, key(choices));
            let message = saying(&juliet(), key(choices));
            drive(receiver, server, |account| {
                account.receive_trust_message(sender, NOW, message)
            })
            .map(drop)
        }
        16 => drive(receiver, server, |account| account.flush()).map(drop),
        17 => drive(receiver, server, |account| account.attach()).map(drop),
        18 => {
            drop(examine_own(
                &scene.receiver.jid,
                &load(receiver, &own_records(&scene.receiver.jid)?),
                NOW,
            ));
            Ok(())
        }
        _ => {
            let records = load(receiver, &contact_records(&juliet())?);
            drop(examine_contact(&juliet(), &records));
            Ok(())
        }
    }
}

/// One of a few keys that no device has, the first of which was spoken of.
fn key(choices: &mut Choices<'_>) -> IdentityKey {
    *IdentityKeyPair::from_seed([7 + choices.byte() % 4; 32]).public()
}

fn load(
    receiver: &Person,
    query: &Query,
) -> std::collections::BTreeMap<omemo_storage::Key, omemo_storage::Record> {
    let id = receiver.account.id();
    wait(receiver.storage.load(id, query))
        .expect("memory does not fail")
        .records
}
