//! Backups of an identity: read, written, read again, and restored.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omemo_fuzz::{Person, Server, drive};
use omemo_sansio::transfer::Backup;

fuzz_target!(|data: &[u8]| {
    let Ok(backup) = Backup::decode(data) else { return };
    let written = backup.encode();
    let again = Backup::decode(&written).expect("what was written can be read");
    assert_eq!(again.encode(), written);
    assert_eq!(
        (again.jid(), again.device(), again.trust()),
        (backup.jid(), backup.device(), backup.trust())
    );

    let mut person = Person::new(backup.jid().clone());
    let (former, mut server) = (backup.device(), Server::default());
    if let Ok(opened) = drive(&mut person, &mut server, |account| account.restore(backup)) {
        assert_ne!(opened.device, former);
        drive(&mut person, &mut server, |account| account.open(None))
            .expect("what was restored can be opened");
    }
});
