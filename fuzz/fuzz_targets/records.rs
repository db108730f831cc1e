//! Stored records of every kind, and the names they lie under.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omemo_fuzz::Choices;
use omemo_sansio::contact_of;
use omemo_sansio::hazmat::{RecordKind, rename, send_both_ways};
use omemo_sansio::protocol::{Legacy, Omemo2, Protocol};
use omemo_storage::Key;

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let kind = usize::from(choices.byte());
    let bytes = choices.rest();
    let Some(kind) = RecordKind::ALL.get(kind) else {
        return name(bytes);
    };
    let Ok(written) = kind.rewrite(bytes) else { return };
    assert!(
        written.len() <= bytes.len() + 64,
        "a record grows when it is read"
    );
    assert_eq!(kind.rewrite(&written).as_ref(), Ok(&written), "{kind:?}");
    if *kind == RecordKind::Session {
        assert!(written.len() <= 512);
        for protocol in [&Omemo2 as &dyn Protocol, &Legacy] {
            let [whole, stored] = send_both_ways(bytes, protocol).expect("it was read just now");
            assert_eq!(whole, stored);
        }
    }
});

fn name(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (partition, item) = text.split_once('\n').unwrap_or((text, "contact"));
    let Ok(key) = Key::new(partition, item) else {
        return;
    };
    if let Some(jid) = contact_of(&key) {
        assert!(partition.ends_with(jid.as_str()));
    }
    if let Some(renamed) = rename(&key) {
        assert_eq!(renamed.partition, key.partition);
        assert_eq!(rename(&renamed), Some(renamed));
    }
}
