//! The storages of other implementations: read, taken over, and then in use.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omemo_fuzz::{Person, Server, drive};
use omemo_import::{Levels, Reading, python_omemo, python_omemo_legacy};
use omemo_sansio::{Account, BareJid, EncryptRequest, Namespace};

fuzz_target!(|data: &[u8]| {
    let jid = BareJid::new("juliet@capulet.lit").expect("a JID");
    let readings = [
        python_omemo::read(data, None, &Levels::default()),
        python_omemo::read(data, Some(&jid), &Levels::default()),
        python_omemo_legacy::read(data),
    ];
    for reading in readings.into_iter().flatten() {
        take_over(reading);
    }
});

/// What could be read is taken over or refused; and what was taken over is an account like any other.
fn take_over(reading: Reading) {
    let Reading { jid, account, .. } = reading;
    let (mut person, mut server) = (Person::new(jid), Server::default());
    let (device, contacts) = (
        account.device,
        account.contacts.keys().cloned().collect::<Vec<_>>(),
    );
    let before = person.records();
    if drive(&mut person, &mut server, |person| person.import(account)).is_err() {
        assert_eq!(person.records(), before);
        return;
    }
    let opened = drive(&mut person, &mut server, |account| account.open(None));
    assert_eq!(opened.expect("what was taken over can be opened").device, device);
    drive(&mut person, &mut server, Account::maintain).expect("what was taken over can be kept");
    let request = EncryptRequest::new(contacts, Namespace::OMEMO_2, b"hello".to_vec());
    let _ = drive(&mut person, &mut server, |account| account.encrypt(request));
}
