//! `xmpp:` URIs with fingerprints or trust messages: what is read is written, and then reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omemo_sansio::Devices;
use omemo_verify::{TrustMessageUri, VerificationUri, compare, qr};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(uri) = TrustMessageUri::parse(text) {
        assert_eq!(TrustMessageUri::parse(&uri.to_string()).as_ref(), Ok(&uri));
    }
    let Ok(uri) = VerificationUri::parse(text) else {
        return;
    };
    let written = uri.to_string();
    assert_eq!(VerificationUri::parse(&written).as_ref(), Ok(&uri));
    let nobody = Devices {
        devices: Vec::new(),
        unlisted: Vec::new(),
        unidentified: Vec::new(),
    };
    assert_eq!(compare(&uri, &nobody).len(), uri.fingerprints.len());
    // A code takes longer than all of this; one is like the other.
    if uri.fingerprints.len() == 1 {
        let _ = qr::unicode(&written);
    }
});
