//! An older copy of the storage is put back.

use std::collections::BTreeSet;
use std::sync::Arc;

use omemo::blocking::wait;
use omemo::trust::TrustLevel;
use omemo::{BareJid, Error, Legacy, Namespace, Omemo2, Outgoing, PreKeyId, Protocol};
use omemo_storage::{AccountId, Batch, CommitId, Committed, Query, Storage};
use omemo_storage_memory::MemoryStorage;

use super::world::{Device, JULIET, LEGACY, OMEMO_2, ROMEO, World, both, newer, settings};

/// A copy of all records of an account.
fn copy(device: &Device) -> Arc<MemoryStorage> {
    copy_of(&device.jid, &device.storage)
}

fn copy_of(jid: &BareJid, storage: &MemoryStorage) -> Arc<MemoryStorage> {
    let account = AccountId::new(jid.as_str()).unwrap();
    let copied = MemoryStorage::new();
    let listed = wait(storage.records(&account, None, 10_000)).unwrap();
    let mut query = Query::new();
    query
        .records
        .extend(listed.entries.into_iter().map(|record| record.key));
    let snapshot = wait(storage.load(&account, &query)).unwrap();
    let mut batch = Batch::new(CommitId::from_bytes([7; 16]));
    for (key, record) in snapshot.records {
        batch.put(key, None, record.value);
    }
    assert_eq!(wait(copied.commit(&account, &batch)).unwrap(), Committed::Applied);
    Arc::new(copied)
}

/// The places of the message keys that a message uses.
fn keys_of(outgoing: &Outgoing) -> Vec<([u8; 32], u32)> {
    outgoing
        .messages
        .iter()
        .flat_map(|message| {
            let protocol: &dyn Protocol = if message.namespace == OMEMO_2 {
                &Omemo2
            } else {
                &Legacy
            };
            let keys = message.recipients.iter().flat_map(|recipient| &recipient.keys);
            keys.map(|key| {
                let header = *protocol.parse(&key.data).unwrap().message.header();
                (*header.ratchet_key.as_bytes(), header.n)
            })
        })
        .collect()
}

/// Each has a session of each protocol with the other then.
fn talk_in_both(world: &World, romeo: &Device, juliet: &Device) {
    world.settle(&[romeo, juliet]);
    for namespace in [OMEMO_2, LEGACY] {
        romeo.send(&juliet.jid, "hello", std::slice::from_ref(&namespace));
        world.settle(&[romeo, juliet]);
        juliet.send(&romeo.jid, "hello", &[namespace]);
        world.settle(&[romeo, juliet]);
    }
}

#[test]
fn a_copy_that_was_put_back_is_healed_and_no_key_is_used_twice() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    talk_in_both(&world, &romeo, &juliet);
    let devices = wait(romeo.client.device_information(juliet.jid.clone())).unwrap();
    let (key, id) = (devices.devices[0].identity_key.unwrap(), romeo.client.device());
    wait(
        romeo
            .client
            .set_trust(juliet.jid.clone(), key, TrustLevel::TRUSTED),
    )
    .unwrap();
    let fingerprint = |device: &Device| {
        let devices = wait(device.client.device_information(device.jid.clone())).unwrap();
        devices.devices[0].identity_key.unwrap()
    };
    let identity = fingerprint(&romeo);

    let old = copy(&romeo);
    let mut used = BTreeSet::new();
    for namespace in [OMEMO_2, LEGACY] {
        let outgoing = romeo.encrypt(&juliet.jid, "after the copy", &[namespace]);
        used.extend(keys_of(&outgoing));
        outgoing
            .messages
            .iter()
            .for_each(|message| romeo.connection.send(std::slice::from_ref(&juliet.jid), message));
    }
    assert_eq!(juliet.texts(), ["after the copy", "after the copy"]);
    let published = |namespace| {
        let bundle = world
            .server
            .bundle(&super::world::jid(ROMEO), &namespace, id)
            .unwrap();
        (
            bundle.signed_pre_key.id,
            bundle.pre_keys.keys().copied().collect::<BTreeSet<_>>(),
        )
    };
    let before = [OMEMO_2, LEGACY].map(published);
    drop(romeo);

    let romeo = world.open(settings(ROMEO, both()), "phone", old, |builder| {
        builder.accept_copy()
    });
    assert!(!romeo.holds("contact/", "session/"), "old sessions are left");
    assert_eq!((romeo.client.device(), fingerprint(&romeo)), (id, identity));
    let devices = wait(romeo.client.device_information(juliet.jid.clone())).unwrap();
    assert_eq!(devices.devices[0].level, Some(TrustLevel::TRUSTED), "trust stays");
    romeo.flush();
    for (namespace, (signed, pre_keys)) in [OMEMO_2, LEGACY].into_iter().zip(before) {
        let (new_signed, new_pre_keys) = published(namespace);
        assert!(new_signed > signed && new_pre_keys.is_disjoint(&pre_keys));
    }
    reads_again_in_both(&world, &romeo, &juliet, used);
}

/// She writes in a session that he does not have: he opens another, and the next message is read. His have other keys than
/// those that were used.
fn reads_again_in_both(world: &World, romeo: &Device, juliet: &Device, mut used: BTreeSet<([u8; 32], u32)>) {
    for namespace in [OMEMO_2, LEGACY] {
        let spoken = std::slice::from_ref(&namespace);
        juliet.send(&romeo.jid, "lost", spoken);
        let outcome = romeo.receive().remove(0);
        assert!(outcome.is_err(), "{outcome:?}");
        romeo.flush();
        world.settle(&[romeo, juliet]);
        juliet.send(&romeo.jid, "found", spoken);
        assert_eq!(romeo.texts(), ["found"]);
        let outgoing = romeo.encrypt(&juliet.jid, "thanks", spoken);
        for key in keys_of(&outgoing) {
            assert!(used.insert(key), "a message key was used twice");
        }
        world.clock.pass(super::world::DAY);
    }
}

/// What the account has published.
fn published(world: &World, device: &Device, namespace: &Namespace) -> BTreeSet<(bool, PreKeyId)> {
    let bundle = world
        .server
        .bundle(&device.jid, namespace, device.client.device())
        .unwrap();
    let pre_keys = bundle.pre_keys.keys().map(|id| (false, *id));
    pre_keys.chain([(true, bundle.signed_pre_key.id)]).collect()
}

#[test]
fn the_same_copy_put_back_twice_goes_on_at_other_ids_and_with_other_keys() {
    let world = World::default();
    let mut romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    world.settle(&[&romeo, &juliet]);
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    world.settle(&[&romeo, &juliet]);
    let old = copy(&romeo);
    let mut ids = [OMEMO_2, LEGACY].map(|namespace| published(&world, &romeo, &namespace));
    let mut used = BTreeSet::new();
    for time in 1..=4 {
        for namespace in [OMEMO_2, LEGACY] {
            let outgoing = romeo.encrypt(&juliet.jid, "after the copy", &[namespace]);
            for key in keys_of(&outgoing) {
                assert!(used.insert(key), "a message key was used twice");
            }
        }
        let storage = copy_of(&romeo.jid, &old);
        romeo = world.open(settings(ROMEO, both()), "phone", storage, |builder| {
            builder.accept_copy()
        });
        romeo.flush();
        for (namespace, ids) in [OMEMO_2, LEGACY].iter().zip(&mut ids) {
            for id in published(&world, &romeo, namespace) {
                assert!(ids.insert(id), "{time}: {id:?} was published before");
            }
            assert_eq!(ids.len(), 101 * (time + 1));
        }
    }
}

/// Its pre keys went with the copy, while it was not loaded.
#[test]
fn a_protocol_that_comes_back_after_a_copy_is_published_with_keys() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let storage = copy(&romeo);
    world.open(
        settings(ROMEO, newer()),
        "phone",
        Arc::clone(&storage),
        |builder| builder.accept_copy(),
    );
    world.clock.pass(40 * super::world::DAY);
    let with = world.open(settings(ROMEO, both()), "phone", storage, |builder| builder);
    let bundle = world
        .server
        .bundle(&with.jid, &LEGACY, with.client.device())
        .unwrap();
    assert_eq!(bundle.pre_keys.len(), 100);
    assert!(bundle.signed_pre_key.id.get() > 1, "it was due");
}

#[test]
fn accepting_a_copy_lets_nothing_happen_before_it_is_ended() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    // The first step alone, as if the process had died after it.
    let account = omemo_sansio::Account::new(settings(ROMEO, both())).unwrap();
    let mut operation = account.begin_accepting_copy();
    drive(&romeo, &mut operation);
    let request = Device::request(&juliet.jid, "too early", &[OMEMO_2]);
    let error = wait(romeo.client.encrypt(request)).unwrap_err();
    assert!(matches!(error, Error::AcceptingCopy), "{error}");
    let storage = Arc::clone(&romeo.storage);
    let builder = omemo::Client::builder(
        settings(ROMEO, both()),
        Arc::clone(&storage),
        romeo.connection.clone(),
    );
    let error = wait(builder.open()).unwrap_err();
    assert!(matches!(error, Error::AcceptingCopy), "{error}");
    let romeo = world.open(settings(ROMEO, both()), "phone", storage, |builder| {
        builder.accept_copy()
    });
    assert!(!romeo.holds("contact/", "session/"));
    romeo.send(&juliet.jid, "now", &[OMEMO_2]);
    assert_eq!(juliet.texts(), ["hello", "now"]);
}

fn drive(device: &Device, operation: &mut omemo_sansio::engine::Operation<()>) {
    use omemo_sansio::engine::{Effect, Step};
    let account = AccountId::new(device.jid.as_str()).unwrap();
    let now = omemo::Timestamp::from_unix(1_800_000_000);
    loop {
        match operation.advance(now, &mut omemo::system_rng()) {
            Step::Done(result) => return result.unwrap(),
            Step::Perform(effects) => {
                for effect in effects {
                    match effect {
                        Effect::Load(load, reply) => {
                            let answer = wait(device.storage.load(&account, &load.query));
                            operation.fulfil(reply, answer).unwrap();
                        }
                        Effect::Store(store, reply) => {
                            let answer = wait(device.storage.commit(&account, &store.batch));
                            operation.fulfil(reply, answer).unwrap();
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
    }
}
