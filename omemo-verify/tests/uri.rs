//! `xmpp:` URIs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use omemo_sansio::keys::Fingerprint;
use omemo_sansio::{BareJid, DeviceId, InvalidJid, MAX_DEVICES};
use omemo_verify::{MAX_URI, UriError, VerificationUri};
use proptest::collection::btree_map;
use proptest::prelude::*;

const DIGITS: &str = "623548d3835c6d33ef5cb680f7944ef381cf712bf23a0119dabe5c4f252cd02f";

fn parse(text: &str) -> Result<VerificationUri, UriError> {
    VerificationUri::parse(text)
}

/// The account, and the first byte of each device's fingerprint.
fn read(text: &str) -> (String, Vec<(u32, u8)>) {
    let uri = parse(text).unwrap();
    let devices = uri.fingerprints.iter();
    let devices = devices.map(|(device, fingerprint)| (device.get(), fingerprint.as_bytes()[0]));
    (uri.jid.as_str().to_owned(), devices.collect())
}

fn romeo(devices: &[(u32, u8)]) -> (String, Vec<(u32, u8)>) {
    ("romeo@montague.lit".into(), devices.to_vec())
}

#[test]
fn uris_of_other_clients_are_read() {
    // Conversations, Dino: one device, or several apart by semicolons.
    let one = format!("xmpp:romeo@montague.lit?omemo-sid-31415={DIGITS}");
    assert_eq!(read(&one), romeo(&[(31415, 0x62)]));
    let two = format!("{one};omemo-sid-27183=ff{}", &DIGITS[2..]);
    assert_eq!(read(&two), romeo(&[(27183, 0xff), (31415, 0x62)]));
    // With fingerprints for other protocols.
    let otr = format!(
        "xmpp:romeo@montague.lit?otr-fingerprint=811b9618014cdd1e610c63dc33a02560cd0e9215;omemo-sid-1={DIGITS}"
    );
    assert_eq!(read(&otr), romeo(&[(1, 0x62)]));
    // Without any.
    assert_eq!(read("xmpp:romeo@montague.lit"), romeo(&[]));
    assert_eq!(read("xmpp:romeo@montague.lit?message"), romeo(&[]));
}

#[test]
fn what_differs_between_writers_does_not_matter() {
    let expected = romeo(&[(31415, 0x62)]);
    let upper = DIGITS.to_uppercase();
    let spaced: String = DIGITS
        .as_bytes()
        .chunks(8)
        .map(|group| format!("{}%20", std::str::from_utf8(group).unwrap()))
        .collect();
    for text in [
        format!("XMPP:Romeo@Montague.LIT?OMEMO-SID-31415={upper}"),
        format!("xmpp:romeo%40montague.lit?%6fmemo-sid-31415={DIGITS}"),
        format!("xmpp:romeo@montague.lit?message;body=Hi%20there;omemo-sid-31415={DIGITS}"),
        format!("xmpp:romeo@montague.lit?roster&omemo-sid-31415={DIGITS}&x"),
        format!("xmpp:romeo@montague.lit/balcony?omemo-sid-31415={DIGITS}#fragment"),
        format!("xmpp://nurse@capulet.lit/romeo@montague.lit?omemo-sid-31415={DIGITS}"),
        format!("xmpp:romeo@montague.lit?omemo-sid-31415=05{DIGITS}"),
        format!("xmpp:romeo@montague.lit?omemo-sid-31415={spaced}"),
        format!("  xmpp:romeo@montague.lit?omemo-sid-31415={DIGITS}\r\n"),
        format!("xmpp:romeo@montague.lit?omemo-sid-31415={DIGITS};omemo-sid-31415={upper}"),
    ] {
        assert_eq!(read(&text), expected, "{text}");
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let device = DeviceId::new(1);
    let with = |parameter: &str| parse(&format!("xmpp:romeo@montague.lit?{parameter}"));
    assert_eq!(parse("https://example.org"), Err(UriError::NotXmpp));
    assert_eq!(parse(""), Err(UriError::NotXmpp));
    assert_eq!(parse("xmpp"), Err(UriError::NotXmpp));
    assert_eq!(parse("xmp\u{e9}:a@b"), Err(UriError::NotXmpp));
    assert_eq!(parse("xmpp:"), Err(UriError::Jid(InvalidJid::Empty)));
    assert_eq!(parse("xmpp:?message"), Err(UriError::Jid(InvalidJid::Empty)));
    assert_eq!(
        parse("xmpp://nurse@capulet.lit"),
        Err(UriError::Jid(InvalidJid::Empty))
    );
    assert_eq!(parse("xmpp:@b"), Err(UriError::Jid(InvalidJid::EmptyPart)));
    assert_eq!(parse("xmpp:a@"), Err(UriError::Jid(InvalidJid::EmptyPart)));
    assert_eq!(parse("xmpp:a%00@b"), Err(UriError::Jid(InvalidJid::NotBare)));
    for encoding in ["xmpp:%", "xmpp:a%4", "xmpp:a%zz", "xmpp:a%ff", "xmpp:a%+1"] {
        assert_eq!(parse(encoding), Err(UriError::PercentEncoding), "{encoding}");
    }
    for id in ["", "-1", "4294967296", "x"] {
        assert_eq!(
            with(&format!("omemo-sid-{id}={DIGITS}")),
            Err(UriError::Device),
            "{id}"
        );
    }
    for value in [
        "",
        "=",
        "00",
        &DIGITS[1..],
        &format!("{DIGITS}00"),
        &format!("06{DIGITS}"),
        &format!("g{}", &DIGITS[1..]),
    ] {
        assert_eq!(
            with(&format!("omemo-sid-1={value}")),
            Err(UriError::Fingerprint(device)),
            "{value}"
        );
    }
    assert_eq!(with("omemo-sid-1"), Err(UriError::Fingerprint(device)));
    assert_eq!(
        with(&format!("omemo-sid-1={DIGITS};omemo-sid-1=ff{}", &DIGITS[2..])),
        Err(UriError::Contradiction(device))
    );
}

#[test]
fn what_is_too_much_is_refused() {
    let many = |count: usize| {
        let parameters: Vec<_> = (0..count).map(|id| format!("omemo-sid-{id}={DIGITS}")).collect();
        parse(&format!("xmpp:romeo@montague.lit?{}", parameters.join(";")))
    };
    assert_eq!(many(MAX_DEVICES).unwrap().fingerprints.len(), MAX_DEVICES);
    assert_eq!(many(MAX_DEVICES + 1), Err(UriError::TooManyDevices));
    let long = format!("xmpp:a@b?{}", "x".repeat(MAX_URI));
    assert_eq!(parse(&long), Err(UriError::TooLong(MAX_URI + 9)));
    // All that may be, fits.
    let full = many(MAX_DEVICES).unwrap().to_string();
    assert!(full.len() < MAX_URI);
}

fn uri() -> impl Strategy<Value = VerificationUri> {
    let jid = "\\PC{1,20}".prop_filter_map("a JID that stays what it is", |text| {
        let normal = text.to_lowercase();
        (normal == text && normal.trim() == normal).then(|| BareJid::new(&text).ok())?
    });
    let fingerprint = any::<[u8; 32]>().prop_map(Fingerprint::from_bytes);
    let devices = btree_map(any::<u32>().prop_map(DeviceId::new), fingerprint, 0..9);
    (jid, devices).prop_map(|(jid, fingerprints)| VerificationUri { jid, fingerprints })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(uri in uri()) {
        let text = uri.to_string();
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert_eq!(parse(&text), Ok(uri));
    }

    #[test]
    fn anything_is_read_or_refused(
        words in proptest::collection::vec(prop_oneof![
            Just("xmpp:".to_owned()), Just("a@b".to_owned()), Just("?".to_owned()), Just("omemo-sid-1=".to_owned()),
            Just(DIGITS.to_owned()), Just(";".to_owned()), Just("%".to_owned()), Just("//".to_owned()), ".{0,3}",
        ], 0..12)
    ) {
        if let Ok(uri) = parse(&words.concat()) {
            prop_assert!(uri.fingerprints.len() <= MAX_DEVICES);
            prop_assert_eq!(parse(&uri.to_string()), Ok(uri));
        }
    }
}
