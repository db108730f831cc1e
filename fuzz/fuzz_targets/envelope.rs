//! SCE envelopes: what is read is written, and then reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omemo_conformance::faults::TestRng;
use omemo_sansio::{BareJid, Timestamp};
use omemo_xml::sce::{Destination, Envelope, Expectations, SentTime};

fuzz_target!(|data: &[u8]| {
    let Ok(mut envelope) = Envelope::from_bytes(data) else {
        return;
    };
    check(&envelope);
    let written = envelope
        .to_bytes(&mut TestRng::new(1))
        .expect("what was read can be written");
    let again = Envelope::from_bytes(&written).expect("what was written can be read");
    envelope.padded = true;
    assert_eq!(again, envelope);
});

/// Whoever says somebody else's name is found out.
fn check(envelope: &Envelope) {
    let jid = BareJid::new("juliet@capulet.lit").expect("a JID");
    for destination in [Destination::Account(&jid), Destination::Room(&jid)] {
        let sent = Some(SentTime {
            at: Timestamp::from_unix(1_800_000_000),
            tolerance: 60,
        });
        let mismatches = envelope.check(&Expectations {
            sender: &jid,
            destination,
            sent,
        });
        let from = envelope
            .from
            .as_deref()
            .map(|from| from.split('/').next().unwrap_or(from));
        if from.is_some_and(|from| from != jid.as_str()) {
            assert!(mismatches.iter().any(|mismatch| !mismatch.is_omission()));
        }
    }
}
