//! `omemo fingerprint`: what others verify a device by.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

use common::{demo_in, fingerprints, good, url};
use omemo_verify::VerificationUri;
use tempfile::TempDir;

#[test]
fn the_uri_holds_the_fingerprint_of_this_device() {
    let directory = TempDir::new().unwrap();
    demo_in(directory.path());
    let phone = url(directory.path(), "romeo-phone.db");
    let shown = good(&["fingerprint", &phone]);
    // This device comes first; nothing is coloured where nobody looks.
    let own = fingerprints(&shown)[0].replace(' ', "");
    assert!(!shown.contains('\u{1b}'));

    let uri = good(&["fingerprint", &phone, "--uri"]);
    let read = VerificationUri::parse(&uri).unwrap();
    assert_eq!(uri, format!("{read}\n"));
    assert_eq!(read.jid.as_str(), shown.lines().next().unwrap());
    let in_uri: Vec<_> = read
        .fingerprints
        .values()
        .map(|fingerprint| fingerprint.to_string().replace(' ', ""))
        .collect();
    // Of the demo's devices none was verified here.
    assert_eq!(in_uri, [own]);

    let qr = good(&["fingerprint", &phone, "--qr"]);
    let (code, below) = qr.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(below, uri.trim_end());
    assert!(code.lines().count() > 20);
    assert!(code.chars().all(|character| "\n ▀▄█".contains(character)));
}
