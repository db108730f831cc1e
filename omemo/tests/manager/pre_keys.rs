//! What becomes of pre keys that were used.

use std::sync::Arc;

use omemo::blocking::wait;
use omemo::{BareJid, DecryptFailure, Error, IncomingMessage, PreKeyPolicy, Settings, UsedPreKey};
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, MAX_VALUE, Query, Storage};

use super::world::{DAY, Device, OMEMO_2, ROMEO, World, both, settings, text};

/// The same for every key.
#[derive(Debug)]
struct Always(UsedPreKey);

impl PreKeyPolicy for Always {
    fn used(&self, _: &BareJid, _: bool) -> UsedPreKey {
        self.0
    }
}

/// Romeo, whose published bundle has one pre key left, and what two people have written to him with it.
fn one_pre_key_for_two(world: &World, used: UsedPreKey) -> (Device, [IncomingMessage; 2]) {
    let settings = Settings {
        pre_key_policy: Arc::new(Always(used)),
        ..settings(ROMEO, both())
    };
    let romeo = world.open(settings, "phone", Arc::default(), |builder| builder);
    let id = romeo.client.device();
    let mut bundle = world.server.bundle(&romeo.jid, &OMEMO_2, id).unwrap();
    bundle.pre_keys = bundle.pre_keys.pop_last().into_iter().collect();
    world.server.publish_bundle(&romeo.jid, &OMEMO_2, id, bundle);
    let messages = ["juliet@capulet.lit", "nurse@capulet.lit"].map(|of| {
        let sender = world.device(of, "phone");
        let mut messages = sender.encrypt(&romeo.jid, of, &[OMEMO_2]).messages;
        IncomingMessage {
            sender: sender.jid,
            message: messages.remove(0),
        }
    });
    romeo.arrived();
    (romeo, messages)
}

#[test]
fn a_pre_key_is_kept_if_the_application_wants_so() {
    let world = World::default();
    let (romeo, messages) = one_pre_key_for_two(&world, UsedPreKey::Keep);
    let offered = || {
        let bundle = world.server.bundle(&romeo.jid, &OMEMO_2, romeo.client.device());
        bundle.unwrap().pre_keys
    };
    let used = *offered().keys().next().unwrap();
    for message in messages {
        let catch_up = wait(romeo.client.begin_catch_up()).unwrap();
        let decrypted = romeo.decrypt(message.clone()).unwrap();
        assert_eq!(text(&decrypted).unwrap(), message.sender.as_str());
        // It outlives catch-ups, and is offered to nobody.
        wait(romeo.client.end_catch_up(&catch_up)).unwrap();
        romeo.flush();
        assert_eq!(offered().len(), 100);
        assert!(!offered().contains_key(&used), "a used pre key is offered");
    }
}

#[test]
fn a_pre_key_is_deleted_even_during_a_catch_up_if_the_application_wants_so() {
    let world = World::default();
    let (romeo, [first, second]) = one_pre_key_for_two(&world, UsedPreKey::Delete);
    drop(wait(romeo.client.begin_catch_up()).unwrap());
    assert!(text(&romeo.decrypt(first).unwrap()).is_some());
    let error = romeo.decrypt(second).unwrap_err();
    assert!(
        matches!(error, Error::Decrypt(DecryptFailure::PreKeyGone(_))),
        "{error}"
    );
}

#[test]
fn the_pool_is_filled_up_when_no_more_than_the_threshold_is_left() {
    let world = World::default();
    let settings = Settings {
        pre_key_threshold: 98,
        ..settings(ROMEO, both())
    };
    let romeo = world.open(settings, "phone", Arc::default(), |builder| builder);
    let offered = || {
        let bundle = world.server.bundle(&romeo.jid, &OMEMO_2, romeo.client.device());
        bundle.unwrap().pre_keys.len()
    };
    assert_eq!(offered(), 100);
    for (of, left) in [("juliet@capulet.lit", 99), ("nurse@capulet.lit", 100)] {
        let sender = world.device(of, "phone");
        sender.send(&romeo.jid, "hello", &[OMEMO_2]);
        assert_eq!(romeo.texts(), ["hello"]);
        romeo.flush();
        assert_eq!(offered(), left);
    }
}

#[test]
fn a_pre_key_that_was_hidden_is_good_until_the_catch_up_ends() {
    let world = World::default();
    let (romeo, [first, second]) = one_pre_key_for_two(&world, UsedPreKey::Hide);
    let catch_up = wait(romeo.client.begin_catch_up()).unwrap();
    assert!(text(&romeo.decrypt(first).unwrap()).is_some());
    wait(romeo.client.end_catch_up(&catch_up)).unwrap();
    assert!(matches!(
        romeo.decrypt(second),
        Err(Error::Decrypt(DecryptFailure::PreKeyGone(_)))
    ));
}

/// Hidden pre keys are planted until not one more key exchange fits into their record: as many as there can be of each.
fn fill_up(romeo: &Device) {
    const BASE_KEYS: usize = 32;
    let key = Key::new("own", &format!("prekeys/{OMEMO_2}")).unwrap();
    let account = AccountId::new(romeo.jid.as_str()).unwrap();
    let mut query = Query::new();
    query.records.insert(key.clone());
    let mut found = wait(romeo.storage.load(&account, &query)).unwrap();
    let record = found.records.remove(&key).unwrap();
    let mut bytes = record.value.as_bytes().to_vec();
    let pair = bytes[9..73].to_vec();
    // None are hidden yet.
    assert_eq!(bytes.split_off(bytes.len() - 4), [0; 4]);
    let mut hidden = Vec::new();
    let mut count: u32 = 0;
    loop {
        let left = MAX_VALUE - bytes.len() - 4 - hidden.len();
        let Some(for_base_keys) = left.checked_sub(4 + 64 + 4 + 1 + 32) else {
            break;
        };
        let base_keys = BASE_KEYS.min(1 + for_base_keys / 32);
        hidden.extend((1 + count).to_be_bytes());
        hidden.extend(&pair);
        hidden.extend((base_keys as u32).to_be_bytes());
        hidden.extend([7; 32].repeat(base_keys));
        hidden.push(0);
        count += 1;
    }
    bytes.extend(count.to_be_bytes());
    bytes.extend(hidden);
    let mut batch = Batch::new(CommitId::from_bytes([0x5a; 16]));
    batch.put(key, Some(record.revision), bytes.into());
    let committed = wait(romeo.storage.commit(&account, &batch)).unwrap();
    assert_eq!(committed, Committed::Applied);
}

#[test]
fn key_exchanges_are_read_however_many_there_were_during_a_catch_up() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let catch_up = wait(romeo.client.begin_catch_up()).unwrap();
    fill_up(&romeo);
    for n in 0..4 {
        let sender = world.device(&format!("contact{n}@verona.lit"), "phone");
        sender.send(&romeo.jid, "hello", &[OMEMO_2]);
        assert_eq!(romeo.texts(), ["hello"]);
    }
    wait(romeo.client.end_catch_up(&catch_up)).unwrap();
}

#[test]
fn a_signed_pre_key_is_kept_for_one_more_period_and_then_gone() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let offered = || {
        let bundle = world.server.bundle(&romeo.jid, &OMEMO_2, romeo.client.device());
        bundle.unwrap().signed_pre_key.id
    };
    let passes = |seconds: u64| {
        world.clock.pass(seconds);
        wait(romeo.client.maintain()).unwrap();
        offered()
    };
    let oldest = offered();
    let [late, too_late] = ["juliet@capulet.lit", "nurse@capulet.lit"].map(|of| {
        let sender = world.device(of, "phone");
        let message = sender.encrypt(&romeo.jid, of, &[OMEMO_2]).messages.remove(0);
        IncomingMessage {
            sender: sender.jid,
            message,
        }
    });
    let second = passes(7 * DAY);
    assert_ne!(second, oldest);
    assert_eq!(passes(7 * DAY - 1), second);
    assert!(romeo.decrypt(late).is_ok());
    assert_ne!(passes(1), second);
    let error = romeo.decrypt(too_late).unwrap_err();
    assert!(
        matches!(error, Error::Decrypt(DecryptFailure::SignedPreKeyGone(gone)) if gone == oldest),
        "{error}"
    );
}
