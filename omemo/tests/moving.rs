//! Backups without sessions, and the new device that one becomes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::{Device, jid, open, rng, settings, settle};
use omemo::blocking::wait;
use omemo::local::Server;
use omemo::transfer::{Backup, BackupError};
use omemo::trust::TrustLevel;
use omemo::{Client, Error, Namespace, RecordError};
use omemo_storage_memory::MemoryStorage;

const ROMEO: &str = "romeo@montague.lit";
const JULIET: &str = "juliet@capulet.lit";

/// Two people who have written to each other, one of whom has verified the other.
fn acquainted(server: &Server) -> [Device; 2] {
    let devices = [open(server, ROMEO, "phone"), open(server, JULIET, "phone")];
    devices[0].send(&[&devices[1].jid], "hello");
    settle(&[&devices[0], &devices[1]]);
    let known = wait(devices[0].client.device_information(jid(JULIET))).unwrap();
    let key = known.devices[0].identity_key.unwrap();
    wait(devices[0].client.set_trust(jid(JULIET), key, TrustLevel::TRUSTED)).unwrap();
    devices
}

fn restore(server: &Server, of: &str, backup: Backup) -> Result<Device<MemoryStorage>, Error> {
    let connection = server.connect(&jid(of), "restored");
    let builder = Client::builder(settings(jid(of)), MemoryStorage::new(), connection.clone())
        .rng(rng(&jid(of), "restored"));
    let client = wait(builder.restore(backup))?;
    Ok(Device {
        jid: jid(of),
        client,
        connection,
    })
}

#[test]
fn a_backup_becomes_a_new_device_with_the_same_identity_and_trust() {
    let server = Server::new();
    let [romeo, juliet] = acquainted(&server);
    let backup = wait(romeo.client.back_up(vec![jid(JULIET)])).unwrap();
    let bytes = backup.encode();
    let backup = Backup::decode(&bytes).unwrap();
    assert_eq!(
        (backup.jid(), backup.device()),
        (&romeo.jid, romeo.client.device())
    );

    let restored = restore(&server, ROMEO, backup).unwrap();
    assert_ne!(restored.client.device(), romeo.client.device());
    let own = wait(restored.client.device_information(jid(ROMEO))).unwrap();
    let [former, new] = [romeo.client.device(), restored.client.device()]
        .map(|id| own.devices.iter().find(|device| device.device == id).unwrap());
    let before = wait(romeo.client.device_information(jid(ROMEO))).unwrap();
    assert_eq!(new.identity_key, before.devices[0].identity_key);
    assert!(new.protocols[&Namespace::OMEMO_2]);
    assert!(!former.protocols[&Namespace::OMEMO_2]);

    // The one she has is not the one he lost: she meets a new device that has the key she knows.
    settle(&[&juliet]);
    restored.send(&[&juliet.jid], "a new phone");
    assert_eq!(juliet.texts(), ["a new phone"]);
    assert_eq!(restored.texts(), [""; 0]);
    let sent = juliet.send(&[&restored.jid], "at last");
    assert_eq!(sent.encrypted_to.len(), 1);
    assert_eq!(restored.texts(), ["at last"]);
    let known = wait(restored.client.device_information(jid(JULIET))).unwrap();
    assert_eq!(known.devices[0].level, Some(TrustLevel::TRUSTED));
}

#[test]
fn a_backup_is_restored_where_it_belongs_and_nothing_is() {
    let server = Server::new();
    let [romeo, _] = acquainted(&server);
    let backup = || wait(romeo.client.back_up(Vec::new())).unwrap();
    assert!(matches!(
        restore(&server, JULIET, backup()),
        Err(Error::OtherAccount(of)) if of == romeo.jid
    ));
    let storage = romeo.client.storage().clone();
    let builder = Client::builder(settings(jid(ROMEO)), storage, romeo.connection.clone());
    assert!(matches!(
        wait(builder.restore(backup())),
        Err(Error::AlreadyThere)
    ));
}

#[test]
fn damaged_backups_are_refused() {
    let server = Server::new();
    let [romeo, _] = acquainted(&server);
    let bytes = wait(romeo.client.back_up(vec![jid(JULIET)])).unwrap().encode();
    (0..bytes.len()).for_each(|length| assert!(Backup::decode(&bytes[..length]).is_err()));
    assert_eq!(Backup::decode(b"nonsense").unwrap_err(), BackupError::NotABackup);
    let mut newer = bytes.to_vec();
    newer[12] = 200;
    assert_eq!(
        Backup::decode(&newer).unwrap_err(),
        BackupError::Damaged(RecordError::Version(200))
    );
    let shown = format!("{:?}", Backup::decode(&bytes).unwrap());
    let identity = wait(romeo.client.device_information(jid(ROMEO))).unwrap().devices[0].identity_key;
    assert!(shown.contains(&format!("{:?}", identity.unwrap())));
    assert!(shown.len() < 700, "{shown}");
}
