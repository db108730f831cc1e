//! A server, or a contact, that means harm.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod common;
use common::{Device, jid, open, settings, text};
use omemo::blocking::wait;
use omemo::local::{Delivery, Server};
use omemo::trust::{Trust, TrustLevel};
use omemo::*;
use omemo_sansio::{DeviceEntry, KeyElement, RecipientKeys};
use omemo_storage::{
    AccountId, Batch, Committed, Cursor, ErrorKind, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};
use std::sync::atomic::{AtomicBool, Ordering};

const NS: Namespace = Namespace::OMEMO_2;

fn fake_element() -> Vec<u8> {
    let mut m = vec![0x08, 0, 0x10, 0, 0x1a, 32];
    m.extend([9; 32]);
    m.extend([0x22, 16]);
    m.extend([1; 16]);
    let mut a = vec![0x0a, 16];
    a.extend([7; 16]);
    a.extend([0x12, m.len() as u8]);
    a.extend(m);
    a
}

fn messages(d: &Device) -> Vec<IncomingMessage> {
    let mut v = Vec::new();
    while let Some(x) = d.connection.receive() {
        match x {
            Delivery::Message(m) => v.push(m),
            Delivery::DeviceList { namespace, jid, list } => {
                wait(d.client.update_device_list(namespace, jid, list)).unwrap();
            }
        }
    }
    v
}

fn readdress(m: &mut IncomingMessage, from: u32, to: u32) {
    for r in &mut m.message.recipients {
        for k in &mut r.keys {
            if k.device.get() == from {
                k.device = DeviceId::new(to);
            }
        }
    }
}

#[test]
fn a_planted_session_is_never_taken_for_a_verified_key() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.flush();
    juliet.flush();
    messages(&romeo);
    messages(&juliet);
    let d = juliet.client.device();
    // the MITM
    let evil = Server::new();
    let mitm = open(&evil, "juliet@capulet.lit", "mitm");
    mitm.flush();
    let m = mitm.client.device();
    evil.publish_device_list(&romeo.jid, &NS, server.device_list(&romeo.jid, &NS).unwrap());
    evil.publish_bundle(
        &romeo.jid,
        &NS,
        romeo.client.device(),
        server.bundle(&romeo.jid, &NS, romeo.client.device()).unwrap(),
    );
    messages(&mitm);
    // 1. forged message makes romeo open a session with the bundle the server shows
    let honest = server.bundle(&juliet.jid, &NS, d).unwrap();
    server.publish_bundle(&juliet.jid, &NS, d, evil.bundle(&juliet.jid, &NS, m).unwrap());
    let fake = IncomingMessage {
        sender: juliet.jid.clone(),
        message: EncryptedMessage {
            namespace: NS,
            sender_device: d,
            payload: None,
            recipients: vec![RecipientKeys {
                jid: Some(romeo.jid.clone()),
                keys: vec![KeyElement {
                    device: romeo.client.device(),
                    key_exchange: false,
                    data: fake_element(),
                }],
            }],
        },
    };
    assert!(matches!(
        romeo.decrypt(fake),
        Err(Error::Decrypt(DecryptFailure::NoSession(_)))
    ));
    romeo.flush();
    for mut x in messages(&juliet) {
        readdress(&mut x, d.get(), m.get());
        let _ = mitm.decrypt(x).unwrap();
    }
    server.publish_bundle(&juliet.jid, &NS, d, honest);
    // 2. the honest device writes; romeo compares fingerprints and verifies
    juliet.send(&[&romeo.jid], "hello");
    // The device is known by the key of the planted session now: the honest one is refused, openly.
    for message in messages(&romeo) {
        let error = romeo.decrypt(message).unwrap_err();
        assert!(
            matches!(error, Error::Decrypt(DecryptFailure::PublicDataInconsistency(_))),
            "{error}"
        );
    }
    let honest_key = server.bundle(&juliet.jid, &NS, d).unwrap().identity_key;
    wait(
        romeo
            .client
            .set_trust(juliet.jid.clone(), honest_key, TrustLevel::TRUSTED),
    )
    .unwrap();
    // 3. MITM
    let e = mitm.encrypt(&[&romeo.jid], "forged by the server").unwrap();
    let mut forged = e.messages[0].clone();
    forged.sender_device = d;
    let r = romeo.decrypt(IncomingMessage {
        sender: juliet.jid.clone(),
        message: forged,
    });
    let sender = r.unwrap().received().unwrap().sender;
    assert!(
        sender.identity_key != honest_key && sender.trust != Trust::Trusted,
        "impersonation: {sender:?}"
    );
    // 4. outgoing: since a key was verified, the planted one is trusted no more blindly
    messages(&juliet);
    assert!(romeo.encrypt(&[&juliet.jid], "for juliet only").is_err());
}

/// romeo and juliet with a session in both directions
fn pair(server: &Server) -> (Device, Device) {
    let romeo = open(server, "romeo@montague.lit", "phone");
    let juliet = open(server, "juliet@capulet.lit", "phone");
    common::settle(&[&romeo, &juliet]);
    romeo.send(&[&juliet.jid], "hi");
    common::settle(&[&romeo, &juliet]);
    (romeo, juliet)
}

#[test]
fn a_key_element_of_another_message_is_not_spent() {
    let server = Server::new();
    let (romeo, juliet) = pair(&server);
    juliet.send(&[&romeo.jid], "one");
    juliet.send(&[&romeo.jid], "two");
    let ms = messages(&romeo);
    let mut spliced = ms[1].clone();
    let element = ms[0].message.recipients[0]
        .keys
        .iter()
        .find(|k| k.device == romeo.client.device())
        .unwrap()
        .clone();
    spliced.message.recipients[0].keys.insert(0, element);
    let error = romeo.decrypt(spliced).unwrap_err();
    assert!(
        matches!(error, Error::Decrypt(DecryptFailure::SeveralKeys(2))),
        "{error}"
    );
    // Where nobody is named, as in the legacy protocol, each is tried; the one that failed leaves nothing behind.
    let mut unnamed = ms[1].clone();
    let element = ms[0].message.recipients[0].keys[0].clone();
    unnamed.message.recipients[0].keys.insert(0, element);
    let decrypted = romeo.decrypt(without_names(unnamed)).unwrap();
    assert_eq!(text(&decrypted).unwrap(), "two");
    let r = romeo.decrypt(ms[0].clone());
    assert_eq!(text(&r.unwrap()).unwrap(), "one");
}

fn without_names(mut message: IncomingMessage) -> IncomingMessage {
    message
        .message
        .recipients
        .iter_mut()
        .for_each(|recipient| recipient.jid = None);
    message
}

/// Refused where recipients are named, and where they are not; no key is spent on it.
fn refuses_both_ways(romeo: &Device, forged: IncomingMessage) {
    let error = romeo.decrypt(forged.clone()).unwrap_err();
    assert!(
        matches!(error, Error::Decrypt(DecryptFailure::SeveralKeys(2))),
        "{error}"
    );
    let error = romeo.decrypt(without_names(forged)).unwrap_err();
    assert!(matches!(error, Error::Decrypt(_)), "{error}");
}

#[test]
fn a_key_exchange_that_failed_leaves_nothing() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    common::settle(&[&romeo, &juliet]);
    juliet.send(&[&romeo.jid], "one");
    let ms = messages(&romeo);
    let mut forged = ms[0].clone();
    forged.message.payload.as_mut().unwrap().ciphertext[0] ^= 1;
    forged.message.recipients[0].keys.insert(
        0,
        KeyElement {
            device: romeo.client.device(),
            key_exchange: false,
            data: fake_element(),
        },
    );
    refuses_both_ways(&romeo, forged);
    let r = romeo.decrypt(ms[0].clone());
    assert_eq!(text(&r.unwrap()).unwrap(), "one");
}

#[test]
fn spliced_elements_do_no_harm() {
    let server = Server::new();
    let (romeo, juliet) = pair(&server);
    romeo.send(&[&juliet.jid], "x");
    juliet.receive();
    juliet.send(&[&romeo.jid], "one");
    let ms = messages(&romeo);
    let mut forged = ms[0].clone();
    forged.message.payload.as_mut().unwrap().ciphertext[0] ^= 1;
    forged.message.recipients[0].keys.push(KeyElement {
        device: romeo.client.device(),
        key_exchange: false,
        data: fake_element(),
    });
    refuses_both_ways(&romeo, forged);
    let r = romeo.decrypt(ms[0].clone());
    assert_eq!(text(&r.unwrap()).unwrap(), "one");
}

fn fake(romeo: &Device, from: &BareJid, d: DeviceId) -> IncomingMessage {
    IncomingMessage {
        sender: from.clone(),
        message: EncryptedMessage {
            namespace: NS,
            sender_device: d,
            payload: None,
            recipients: vec![RecipientKeys {
                jid: Some(romeo.jid.clone()),
                keys: vec![KeyElement {
                    device: romeo.client.device(),
                    key_exchange: false,
                    data: fake_element(),
                }],
            }],
        },
    }
}

#[test]
fn a_session_opened_for_repair_is_shown_with_its_own_key() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.flush();
    juliet.flush();
    messages(&romeo);
    messages(&juliet);
    let d = juliet.client.device();
    let evil = Server::new();
    let mitm = open(&evil, "juliet@capulet.lit", "mitm");
    mitm.flush();
    let m = mitm.client.device();
    evil.publish_device_list(&romeo.jid, &NS, server.device_list(&romeo.jid, &NS).unwrap());
    evil.publish_bundle(
        &romeo.jid,
        &NS,
        romeo.client.device(),
        server.bundle(&romeo.jid, &NS, romeo.client.device()).unwrap(),
    );
    messages(&mitm);
    let honest = server.bundle(&juliet.jid, &NS, d).unwrap();
    server.publish_bundle(&juliet.jid, &NS, d, evil.bundle(&juliet.jid, &NS, m).unwrap());
    let _ = romeo.decrypt(fake(&romeo, &juliet.jid, d));
    romeo.flush();
    for mut x in messages(&juliet) {
        readdress(&mut x, d.get(), m.get());
        let _ = mitm.decrypt(x).unwrap();
    }
    server.publish_bundle(&juliet.jid, &NS, d, honest.clone());
    // Romeo looks at her devices: what he is shown, and compares, is the key of the session there is.
    let info = wait(romeo.client.device_information(juliet.jid.clone())).unwrap();
    let shown = info.devices[0].identity_key.unwrap();
    assert!(shown != honest.identity_key);
    wait(
        romeo
            .client
            .set_trust(juliet.jid.clone(), shown, TrustLevel::DISTRUSTED),
    )
    .unwrap();
    wait(
        romeo
            .client
            .set_trust(juliet.jid.clone(), honest.identity_key, TrustLevel::TRUSTED),
    )
    .unwrap();
    assert!(romeo.encrypt(&[&juliet.jid], "for juliet only").is_err());
}

#[test]
fn marks_that_can_never_be_met_are_removed() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    romeo.flush();
    messages(&romeo);
    let evil = jid("evil@example.org");
    let mut devices = 0;
    for round in 0..5_u32 {
        let list = DeviceList {
            devices: (0..200)
                .map(|n| (DeviceId::new(1 + round * 200 + n), DeviceEntry::default()))
                .collect(),
        };
        wait(romeo.client.update_device_list(NS, evil.clone(), list)).unwrap();
        for n in 0..200 {
            let _ = romeo.decrypt(fake(&romeo, &evil, DeviceId::new(1 + round * 200 + n)));
            devices += 1;
        }
    }
    wait(
        romeo
            .client
            .update_device_list(NS, evil.clone(), DeviceList::default()),
    )
    .unwrap();
    // Each flush deals with some; in the end all are gone, and nothing was downloaded for devices that are not listed.
    let before = server.seen().bundle_downloads;
    for _ in 0..devices / 256 + 1 {
        wait(romeo.client.maintain()).unwrap();
    }
    assert_eq!(server.seen().bundle_downloads, before);
    let flushed = romeo.flush();
    assert!(flushed.failed.is_empty() && flushed.postponed == 0, "{flushed:?}");
}

#[test]
fn many_elements_for_one_device_cost_nothing() {
    let server = Server::new();
    let (romeo, juliet) = pair(&server);
    juliet.send(&[&romeo.jid], "one");
    let message = messages(&romeo).remove(0);
    let mut crowded = message.clone();
    let element = crowded.message.recipients[0].keys[0].clone();
    crowded.message.recipients[0].keys = vec![element; 10_000];
    let error = romeo.decrypt(crowded).unwrap_err();
    assert!(
        matches!(error, Error::Decrypt(DecryptFailure::SeveralKeys(10_000))),
        "{error}"
    );
    assert_eq!(text(&romeo.decrypt(message).unwrap()).unwrap(), "one");
}

#[derive(Clone)]
struct Lossy {
    inner: omemo_storage_memory::MemoryStorage,
    lose: std::sync::Arc<AtomicBool>,
}
impl Storage for Lossy {
    async fn load(&self, a: &AccountId, q: &Query) -> Result<Snapshot, StorageError> {
        self.inner.load(a, q).await
    }
    async fn commit(&self, a: &AccountId, b: &Batch) -> Result<Committed, StorageError> {
        let r = self.inner.commit(a, b).await;
        if self.lose.load(Ordering::SeqCst) {
            return Err(StorageError::new(ErrorKind::OutcomeUnknown, "lost"));
        }
        r
    }
    async fn accounts(&self, a: Option<&Cursor>, l: usize) -> Result<Page<AccountId>, StorageError> {
        self.inner.accounts(a, l).await
    }
    async fn records(
        &self,
        x: &AccountId,
        a: Option<&Cursor>,
        l: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.inner.records(x, a, l).await
    }
    async fn purge(&self, a: &AccountId) -> Result<(), StorageError> {
        self.inner.purge(a).await
    }
}

#[test]
fn a_dropped_decrypt_survives_a_storage_that_forgot_its_commit() {
    let server = Server::new();
    let lose = std::sync::Arc::new(AtomicBool::new(false));
    let inner = omemo_storage_memory::MemoryStorage::new();
    let romeo = common::open_on(
        &server,
        "romeo@montague.lit",
        "phone",
        Lossy {
            inner: inner.clone(),
            lose: lose.clone(),
        },
    );
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.flush();
    juliet.flush();
    romeo.receive();
    messages(&juliet);
    juliet.send(&[&romeo.jid], "one");
    let mut msg = None;
    while let Some(x) = romeo.connection.receive() {
        if let Delivery::Message(m) = x {
            msg = Some(m);
        }
    }
    let msg = msg.unwrap();
    lose.store(true, Ordering::SeqCst);
    assert_unknown(romeo.decrypt(msg.clone()).unwrap_err());
    lose.store(false, Ordering::SeqCst);
    // ten minutes, or 4096 commits, later
    for n in 0..4200 {
        wait(romeo.client.update_device_list(
            NS,
            jid("nurse@capulet.lit"),
            DeviceList {
                devices: [(DeviceId::new(n + 1), DeviceEntry::default())].into(),
            },
        ))
        .unwrap();
    }
    let r = romeo.decrypt(msg).map(|d| text(&d));
    assert_eq!(r.unwrap().unwrap(), "one");
}

#[test]
fn a_message_encrypted_before_distrust_is_not_handed_out_after() {
    let server = Server::new();
    let lose = std::sync::Arc::new(AtomicBool::new(false));
    let inner = omemo_storage_memory::MemoryStorage::new();
    let romeo = common::open_on(
        &server,
        "romeo@montague.lit",
        "phone",
        Lossy {
            inner: inner.clone(),
            lose: lose.clone(),
        },
    );
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let laptop = open(&server, "juliet@capulet.lit", "laptop");
    for _ in 0..3 {
        romeo.receive();
        romeo.flush();
        juliet.receive();
        juliet.flush();
        laptop.receive();
        laptop.flush();
    }
    romeo.send(&[&juliet.jid], "hi");
    lose.store(true, Ordering::SeqCst);
    assert_unknown(romeo.encrypt(&[&juliet.jid], "secret").unwrap_err());
    lose.store(false, Ordering::SeqCst);
    let info = wait(romeo.client.device_information(juliet.jid.clone())).unwrap();
    let stolen = info
        .devices
        .iter()
        .find(|d| d.device == laptop.client.device())
        .unwrap()
        .identity_key
        .unwrap();
    wait(
        romeo
            .client
            .set_trust(juliet.jid.clone(), stolen, TrustLevel::DISTRUSTED),
    )
    .unwrap();
    let e = romeo.encrypt(&[&juliet.jid], "secret").unwrap();
    assert!(!e.encrypted_to.iter().any(|a| a.device == laptop.client.device()));
}

#[test]
fn a_forgotten_device_comes_back_without_its_sessions() {
    // eviction: the mitm as device d first (known, unverified), then evicted, then the honest device
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    common::settle(&[&romeo, &juliet]);
    juliet.send(&[&romeo.jid], "hi");
    common::settle(&[&romeo, &juliet]);
    let d = juliet.client.device();
    let list = |ids: std::ops::Range<u32>| DeviceList {
        devices: ids.map(|n| (DeviceId::new(n), DeviceEntry::default())).collect(),
    };
    let late = juliet.encrypt(&[&romeo.jid], "late").unwrap().messages.remove(0);
    // juliet's server pushes 200 other devices, then the old list
    wait(
        romeo
            .client
            .update_device_list(NS, juliet.jid.clone(), list(1..201)),
    )
    .unwrap();
    wait(
        romeo
            .client
            .update_device_list(NS, juliet.jid.clone(), list(d.get()..d.get() + 1)),
    )
    .unwrap();
    let evil = Server::new();
    let mitm = open(&evil, "juliet@capulet.lit", "mitm");
    mitm.flush();
    evil.publish_device_list(&romeo.jid, &NS, server.device_list(&romeo.jid, &NS).unwrap());
    evil.publish_bundle(
        &romeo.jid,
        &NS,
        romeo.client.device(),
        server.bundle(&romeo.jid, &NS, romeo.client.device()).unwrap(),
    );
    let e = mitm.encrypt(&[&romeo.jid], "forged").unwrap();
    let mut forged = e.messages[0].clone();
    forged.sender_device = d;
    let r = romeo.decrypt(IncomingMessage {
        sender: juliet.jid.clone(),
        message: forged,
    });
    // A device that was forgotten comes back as a new one: its sessions are gone, and it is judged by the key it has now.
    let sender = r.unwrap().received().unwrap().sender;
    let evils = evil
        .bundle(&juliet.jid, &NS, mitm.client.device())
        .unwrap()
        .identity_key;
    assert_eq!(sender.identity_key, evils);
    assert!(
        romeo
            .decrypt(IncomingMessage {
                sender: juliet.jid.clone(),
                message: late
            })
            .is_err()
    );
}

fn mitm_of(server: &Server, romeo: &Device, evil: &Server) -> Device {
    // What romeo offers now: a pre key that was used is not among it.
    romeo.flush();
    let mitm = open(evil, "juliet@capulet.lit", "mitm");
    mitm.flush();
    evil.publish_device_list(&romeo.jid, &NS, server.device_list(&romeo.jid, &NS).unwrap());
    evil.publish_bundle(
        &romeo.jid,
        &NS,
        romeo.client.device(),
        server.bundle(&romeo.jid, &NS, romeo.client.device()).unwrap(),
    );
    messages(&mitm);
    mitm
}

#[test]
fn the_identity_key_in_a_repeated_key_exchange_is_not_believed() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    common::settle(&[&romeo, &juliet]);
    juliet.send(&[&romeo.jid], "hi");
    let honest = messages(&romeo)
        .into_iter()
        .map(|x| romeo.decrypt(x).unwrap())
        .next()
        .and_then(Decrypted::received)
        .unwrap()
        .sender
        .identity_key;
    wait(
        romeo
            .client
            .set_trust(juliet.jid.clone(), honest, TrustLevel::TRUSTED),
    )
    .unwrap();
    let d = juliet.client.device();
    // juliet's server lists one more device, whose key nobody trusts
    let evil = Server::new();
    let mitm = mitm_of(&server, &romeo, &evil);
    let m = mitm.client.device();
    let list = |ids: Vec<u32>| DeviceList {
        devices: ids
            .into_iter()
            .map(|n| (DeviceId::new(n), DeviceEntry::default()))
            .collect(),
    };
    let push = |ids| wait(romeo.client.update_device_list(NS, juliet.jid.clone(), list(ids))).unwrap();
    push(vec![d.get(), m.get()]);
    let send = |text: &str| IncomingMessage {
        sender: juliet.jid.clone(),
        message: mitm.encrypt(&[&romeo.jid], text).unwrap().messages[0].clone(),
    };
    let first = romeo.decrypt(send("first")).unwrap().received().unwrap();
    assert_eq!(first.sender.trust, Trust::Undecided);
    // evicted, and listed again
    push((0..199).map(|n| n + 1).chain([d.get()]).collect());
    push(vec![d.get(), m.get()]);
    let mut second = send("forged");
    for k in second.message.recipients.iter_mut().flat_map(|r| &mut r.keys) {
        if let Some(at) = k.data.windows(2).position(|w| w == [0x1a, 0x20]) {
            k.data[at + 2..at + 34].copy_from_slice(honest.ed25519());
        }
    }
    let r = romeo.decrypt(second);
    assert!(r.is_err());
}

#[test]
fn forgotten_devices_leave_no_sessions() {
    let server = Server::new();
    let romeo = common::open_on(
        &server,
        "romeo@montague.lit",
        "phone",
        omemo_storage_memory::MemoryStorage::new(),
    );
    romeo.flush();
    let evil = Server::new();
    let r = romeo.client.device();
    evil.publish_device_list(&romeo.jid, &NS, server.device_list(&romeo.jid, &NS).unwrap());
    let sender = jid("evil@example.org");
    for round in 0..260_u32 {
        evil.publish_bundle(&romeo.jid, &NS, r, server.bundle(&romeo.jid, &NS, r).unwrap());
        let x = open(&evil, &format!("evil{round}@example.org"), "x");
        let mut message = x.encrypt(&[&romeo.jid], "x").unwrap().messages[0].clone();
        message.sender_device = DeviceId::new(round + 1);
        wait(romeo.client.update_device_list(
            NS,
            sender.clone(),
            DeviceList {
                devices: [(DeviceId::new(round + 1), DeviceEntry::default())].into(),
            },
        ))
        .unwrap();
        let _ = romeo
            .decrypt(IncomingMessage {
                sender: sender.clone(),
                message,
            })
            .unwrap();
        romeo.flush();
    }
    let page = wait(romeo.client.storage().records(
        &AccountId::new("romeo@montague.lit").unwrap(),
        None,
        100_000,
    ))
    .unwrap();
    let of_evil = page
        .entries
        .iter()
        .filter(|e| e.key.partition.as_str() == "contact/evil@example.org")
        .count();
    assert!(of_evil <= 201);
}

#[test]
fn many_marks_do_not_end_publishing() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    romeo.flush();
    messages(&romeo);
    let evil = jid("evil@example.org");
    for round in 0..83_u32 {
        let list = DeviceList {
            devices: (0..200)
                .map(|n| (DeviceId::new(1 + round * 200 + n), DeviceEntry::default()))
                .collect(),
        };
        wait(romeo.client.update_device_list(NS, evil.clone(), list)).unwrap();
        for n in 0..200 {
            let _ = romeo.decrypt(fake(&romeo, &evil, DeviceId::new(1 + round * 200 + n)));
        }
    }
    // romeo falls off his own list, and wants to publish it again
    let change = wait(
        romeo
            .client
            .update_device_list(NS, romeo.jid.clone(), DeviceList::default()),
    )
    .unwrap();
    assert!(change.republish);
    let f = wait(romeo.client.flush());
    assert!(f.is_ok());
    wait(romeo.client.maintain()).unwrap();
    assert!(
        server
            .device_list(&romeo.jid, &NS)
            .unwrap()
            .devices
            .contains_key(&romeo.client.device())
    );
}

#[derive(Clone, Default)]
struct Hands(std::sync::Arc<std::sync::atomic::AtomicU64>);
impl omemo::Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + self.0.load(Ordering::SeqCst))
    }
}

#[test]
fn the_own_list_does_not_grow_for_ever() {
    let server = Server::new();
    let hands = Hands::default();
    let me = jid("romeo@montague.lit");
    let connection = server.connect(&me, "phone");
    let client = wait(
        Client::builder(
            settings(me.clone()),
            omemo_storage_memory::MemoryStorage::new(),
            connection.clone(),
        )
        .clock(hands.clone())
        .catch_up(false)
        .open(),
    )
    .unwrap();
    for round in 0..40_u32 {
        hands.0.fetch_add(61, Ordering::SeqCst);
        let list = DeviceList {
            devices: (0..200)
                .map(|n| (DeviceId::new(1 + round * 200 + n), DeviceEntry::default()))
                .collect(),
        };
        server.publish_device_list(&me, &NS, list);
        let m = IncomingMessage {
            sender: me.clone(),
            message: EncryptedMessage {
                namespace: NS,
                sender_device: DeviceId::new(u32::MAX),
                payload: None,
                recipients: vec![RecipientKeys {
                    jid: Some(me.clone()),
                    keys: vec![KeyElement {
                        device: client.device(),
                        key_exchange: false,
                        data: fake_element(),
                    }],
                }],
            },
        };
        let r = wait(client.decrypt(m));
        if round % 10 == 0 {
            println!("{round}: {:?}", r.map(|_| ()).unwrap_err());
        }
    }
    let n = wait(client.device_information(me)).unwrap().devices.len();
    assert!(n <= 201);
}

#[test]
fn expired_archived_session_is_gone() {
    let server = Server::new();
    let hands = Hands::default();
    let me = jid("romeo@montague.lit");
    let connection = server.connect(&me, "phone");
    let client = wait(
        Client::builder(
            settings(me.clone()),
            omemo_storage_memory::MemoryStorage::new(),
            connection.clone(),
        )
        .clock(hands.clone())
        .catch_up(false)
        .open(),
    )
    .unwrap();
    let romeo = Device2 { client, connection };
    let store = omemo_storage_memory::MemoryStorage::new();
    let juliet = common::open_on(&server, "juliet@capulet.lit", "phone", store.clone());
    romeo.take();
    juliet.receive();
    juliet.send(&[&me], "hi");
    romeo.take();
    wait(romeo.client.flush()).unwrap();
    juliet.receive();
    let late = juliet.encrypt(&[&me], "late").unwrap().messages[0].clone();
    // juliet forgets her session, and opens another
    let account = AccountId::new("juliet@capulet.lit").unwrap();
    let all = wait(store.records(&account, None, 1000)).unwrap().entries;
    let mut batch = Batch::new(omemo_storage::CommitId::from_bytes([3; 16]));
    for e in all {
        if e.key.partition.as_str() == "contact/romeo@montague.lit"
            && e.key.item.as_str().starts_with("session")
        {
            batch.delete(e.key, Some(e.revision));
        }
    }
    assert_eq!(wait(store.commit(&account, &batch)).unwrap(), Committed::Applied);
    juliet.send(&[&me], "anew");
    romeo.take();
    hands.0.fetch_add(400 * 86_400, Ordering::SeqCst);
    wait(romeo.client.maintain()).unwrap();
    let r = wait(romeo.client.decrypt(IncomingMessage {
        sender: juliet.jid.clone(),
        message: late,
    }))
    .map(|d| text(&d));
    assert!(r.is_err());
}
struct Device2 {
    client: Client<omemo_storage_memory::MemoryStorage, omemo::local::Connection>,
    connection: omemo::local::Connection,
}
impl Device2 {
    fn take(&self) {
        while let Some(x) = self.connection.receive() {
            match x {
                Delivery::Message(m) => {
                    let _ = wait(self.client.decrypt(m)).unwrap();
                }
                Delivery::DeviceList { namespace, jid, list } => {
                    wait(self.client.update_device_list(namespace, jid, list)).unwrap();
                }
            }
        }
    }
}

fn assert_unknown(error: Error) {
    assert!(
        matches!(&error, Error::Storage(error) if error.kind() == ErrorKind::OutcomeUnknown),
        "{error}"
    );
}

/// Romeo with a session with each of Juliet's devices, on a storage that a test can write to.
fn with_two_sessions() -> (
    common::Device<omemo_storage_memory::MemoryStorage>,
    Device,
    Device,
) {
    let server = Server::new();
    let phone = open(&server, "juliet@capulet.lit", "phone");
    let laptop = open(&server, "juliet@capulet.lit", "laptop");
    let romeo = common::open_on(
        &server,
        "romeo@montague.lit",
        "phone",
        omemo_storage_memory::MemoryStorage::new(),
    );
    romeo.send(&[&phone.jid], "hello");
    for device in [&phone, &laptop] {
        device.receive();
        device.flush();
    }
    romeo.receive();
    (romeo, phone, laptop)
}

fn session_key(of: &Device) -> omemo_storage::Key {
    let item = format!("session/{NS}/{}", of.client.device());
    omemo_storage::Key::new("contact/juliet@capulet.lit", &item).unwrap()
}

/// The stored bytes of a record and its revision, if it is there.
fn stored(
    storage: &omemo_storage_memory::MemoryStorage,
    key: &omemo_storage::Key,
) -> (Vec<u8>, Option<omemo_storage::Revision>) {
    let mut query = Query::new();
    query.records.insert(key.clone());
    let account = AccountId::new("romeo@montague.lit").unwrap();
    let snapshot = wait(storage.load(&account, &query)).unwrap();
    let record = snapshot.records.get(key);
    (
        record.map_or(Vec::new(), |record| record.value.as_bytes().to_vec()),
        record.map(|record| record.revision),
    )
}

fn plant(storage: &omemo_storage_memory::MemoryStorage, key: omemo_storage::Key, bytes: Vec<u8>) {
    let (_, revision) = stored(storage, &key);
    let mut batch = Batch::new(omemo_storage::CommitId::from_bytes([0x5a; 16]));
    batch.put(key, revision, bytes.into());
    let account = AccountId::new("romeo@montague.lit").unwrap();
    assert_eq!(
        wait(storage.commit(&account, &batch)).unwrap(),
        Committed::Applied
    );
}

#[test]
fn a_session_with_another_key_than_the_device_has_is_not_written_in() {
    let (romeo, phone, laptop) = with_two_sessions();
    let (laptops, _) = stored(romeo.client.storage(), &session_key(&laptop));
    plant(romeo.client.storage(), session_key(&phone), laptops);
    romeo.send(&[&phone.jid], "for the phone");
    assert_eq!(phone.texts(), ["for the phone"]);
}

#[test]
fn an_archived_session_with_another_key_is_not_tried() {
    let (romeo, phone, laptop) = with_two_sessions();
    let (laptops, _) = stored(romeo.client.storage(), &session_key(&laptop));
    let skipped = omemo_sansio::ratchet::SkippedKeys::default().encode();
    let mut archive = vec![1, 0, 0, 0, 1];
    archive.extend(u64::MAX.to_be_bytes());
    for part in [laptops.as_slice(), &skipped] {
        archive.extend((part.len() as u32).to_be_bytes());
        archive.extend(part);
    }
    let item = format!("archive/{NS}/{}", phone.client.device());
    plant(
        romeo.client.storage(),
        omemo_storage::Key::new("cold/juliet@capulet.lit", &item).unwrap(),
        archive,
    );
    // The laptop writes, and says that it is the phone.
    let mut message = laptop
        .encrypt(&[&romeo.jid], "I am the phone")
        .unwrap()
        .messages
        .remove(0);
    message.sender_device = phone.client.device();
    let error = romeo
        .decrypt(IncomingMessage {
            sender: phone.jid.clone(),
            message,
        })
        .unwrap_err();
    assert!(
        matches!(error, Error::Decrypt(DecryptFailure::Session(_))),
        "{error}"
    );
}
