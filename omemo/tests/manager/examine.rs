//! What is found of records that do not fit together.

use std::collections::BTreeMap;

use omemo::blocking::wait;
use omemo::{BareJid, Timestamp};
use omemo_sansio::{Finding, Problem, contact_records, examine_contact, examine_own, own_records};
use omemo_storage::{AccountId, Key, Query, Record, Storage, Value};

use super::world::{DAY, Device, JULIET, OMEMO_2, ROMEO, World};

type Records = BTreeMap<Key, Record>;

fn load(of: &Device, query: &Query) -> Records {
    let account = AccountId::new(of.jid.as_str()).unwrap();
    wait(of.storage.load(&account, query)).unwrap().records
}

fn key(partition: &str, item: &str) -> Key {
    Key::new(partition, item).unwrap()
}

/// Two who have talked, he with a skipped key of hers; her jid, and what is stored of both at his phone.
struct Talked {
    juliet: BareJid,
    own: Records,
    contact: Records,
    session: Key,
    skipped: Key,
}

fn talked() -> Talked {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    world.device(JULIET, "laptop");
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    world.settle(&[&romeo, &juliet]);
    for text in ["late", "first"] {
        juliet.send(&romeo.jid, text, &[OMEMO_2]);
    }
    let last = romeo.arrived().pop().unwrap();
    drop(romeo.decrypt(last).unwrap());
    let device = juliet.client.device();
    Talked {
        own: load(&romeo, &own_records(&romeo.jid).unwrap()),
        contact: load(&romeo, &contact_records(&juliet.jid).unwrap()),
        session: key(
            &format!("contact/{JULIET}"),
            &format!("session/{OMEMO_2}/{device}"),
        ),
        skipped: key(&format!("cold/{JULIET}"), &format!("skipped/{OMEMO_2}/{device}")),
        juliet: juliet.jid,
    }
}

fn now() -> Timestamp {
    Timestamp::from_unix(1_800_000_000)
}

/// What is found of the device itself, once something was changed.
fn of_own(talked: &Talked, days: u64, change: impl FnOnce(&mut Records)) -> Vec<(Key, Problem)> {
    let mut records = talked.own.clone();
    change(&mut records);
    let romeo = BareJid::new(ROMEO).unwrap();
    let found = examine_own(&romeo, &records, now() + days * DAY);
    found
        .into_iter()
        .map(|Finding { key, problem }| (key, problem))
        .collect()
}

/// What is found of the contact, once something was changed.
fn of_contact(talked: &Talked, change: impl FnOnce(&mut Records)) -> Vec<(Key, Problem)> {
    let mut records = talked.contact.clone();
    change(&mut records);
    let found = examine_contact(&talked.juliet, &records);
    found
        .into_iter()
        .map(|Finding { key, problem }| (key, problem))
        .collect()
}

fn cut(records: &mut Records, key: &Key) {
    let record = records.get_mut(key).unwrap();
    let half = record.value.len() / 2;
    record.value = Value::from(record.value.as_bytes()[..half].to_vec());
}

#[test]
fn what_is_sound_is_found_sound() {
    let talked = talked();
    assert!(talked.contact.contains_key(&talked.session) && talked.contact.contains_key(&talked.skipped));
    assert_eq!(of_own(&talked, 179, |_| {}), []);
    assert_eq!(of_contact(&talked, |_| {}), []);
}

#[test]
fn what_is_wrong_with_the_device_itself_is_found() {
    let talked = talked();
    let [account, protocol, pre_keys, nonsense, index] = [
        ("own", "account"),
        ("own", "protocol/urn:xmpp:omemo:2"),
        ("own", "prekeys/urn:xmpp:omemo:2"),
        ("own", "nonsense"),
        ("inbox", "index"),
    ]
    .map(|(partition, item)| key(partition, item));
    let contact = key(&format!("contact/{ROMEO}"), "contact");
    let found = |change: &dyn Fn(&mut Records)| of_own(&talked, 0, change);
    let without = |key: &Key| found(&|records| drop(records.remove(key)));
    assert_eq!(without(&account), [(account.clone(), Problem::NoAccount)]);
    assert_eq!(without(&pre_keys), [(pre_keys.clone(), Problem::NoPreKeys)]);
    assert_eq!(without(&protocol), [(pre_keys.clone(), Problem::NoSignedPreKey)]);
    assert_eq!(
        without(&contact),
        [(contact.clone(), Problem::NotAmongOwnDevices)]
    );
    let old = of_own(&talked, 181, |_| {});
    assert!(
        old.contains(&(protocol.clone(), Problem::OldSignedPreKey(181))),
        "{old:?}"
    );
    let copied = |from: &Key, to: &Key| {
        found(&|records| {
            let record = records[from].clone();
            records.insert(to.clone(), record);
        })
    };
    assert_eq!(
        copied(&account, &nonsense),
        [(nonsense.clone(), Problem::Unknown)]
    );
    let of_another = key("contact/juliet@capulet.lit", "contact");
    let hers = talked.contact[&of_another].clone();
    let other = found(&|records| drop(records.insert(contact.clone(), hers.clone())));
    assert_eq!(other, [(contact, Problem::NotAmongOwnDevices)]);
    let miscounted = found(&|records| {
        let record = records[&account].clone();
        records.insert(key("inbox", &format!("message/{}", "0a".repeat(32))), record);
    });
    let problem = Problem::InboxMiscounted { counted: 0, there: 1 };
    assert!(miscounted.contains(&(index, problem)), "{miscounted:?}");
    for (place, others) in [(&account, 0), (&protocol, 0), (&pre_keys, 0)] {
        let found = found(&|records| cut(records, place));
        assert!(
            matches!(&found[..], [(key, Problem::Unreadable(_))] if key == place),
            "{found:?} {others}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_contact_is_found() {
    let talked = talked();
    let (session, skipped) = (&talked.session, &talked.skipped);
    let contact = key(&format!("contact/{JULIET}"), "contact");
    let found = |change: &dyn Fn(&mut Records)| of_contact(&talked, change);
    let without = |key: &Key| found(&|records| drop(records.remove(key)));
    assert_eq!(without(session), [(skipped.clone(), Problem::SkippedKeysAlone)]);
    let problem = Problem::SkippedKeysMiscounted { counted: 1, kept: 0 };
    assert_eq!(without(skipped), [(session.clone(), problem)]);
    let sessions = talked
        .contact
        .keys()
        .filter(|key| key.item.as_str().starts_with("session/"))
        .count();
    assert_eq!(without(&contact).len(), sessions);
    assert!(without(&contact).contains(&(session.clone(), Problem::NoContact)));
    for place in [&contact, session, skipped] {
        let found = found(&|records| cut(records, place));
        let is_it =
            |(key, problem): &(Key, Problem)| key == place && matches!(problem, Problem::Unreadable(_));
        assert!(found.iter().any(is_it), "{found:?}");
    }
    // The session stands at another device, and at one that is not known.
    let laptop = talked
        .contact
        .keys()
        .find(|key| key.item.as_str().starts_with("session/") && *key != session)
        .cloned();
    let stranger = key(&format!("contact/{JULIET}"), &format!("session/{OMEMO_2}/1"));
    for (at, problem) in [
        (laptop, Problem::OtherKey),
        (Some(stranger), Problem::UnknownDevice),
    ] {
        let at = at.unwrap();
        let found = found(&|records| {
            let record = records[session].clone();
            records.insert(at.clone(), record);
        });
        assert!(found.contains(&(at, problem)), "{found:?}");
    }
    // What lies where no record of its kind does.
    for at in [
        key(session.partition.as_str(), skipped.item.as_str()),
        key(skipped.partition.as_str(), session.item.as_str()),
        key(session.partition.as_str(), "trust"),
        key(skipped.partition.as_str(), "contact"),
    ] {
        let misplaced = found(&|records| {
            let record = records[session].clone();
            records.insert(at.clone(), record);
        });
        assert_eq!(misplaced, [(at.clone(), Problem::Unknown)]);
    }
}
