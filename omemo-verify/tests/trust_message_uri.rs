//! Trust message URIs (XEP-0434).
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use omemo_sansio::keys::{IdentityKey, IdentityKeyPair};
use omemo_sansio::trust::{KeyIdentifier, KeyOwner, Trust};
use omemo_sansio::{BareJid, DeviceId, DeviceInformation, Devices, Namespace};
use omemo_verify::{MAX_URI, TrustDecisions, TrustMessageUri, UriError};
use proptest::collection::vec;
use proptest::prelude::*;

/// The example of XEP-0434.
const EXAMPLE: &str = "xmpp:bob@example.com?trust-message;encryption=urn:xmpp:omemo:2;\
    trust=623548d3835c6d33ef5cb680f7944ef381cf712bf23a0119dabe5c4f252cd02f;\
    distrust=b423f5088de9a924d51b31581723d850c7cc67d0a4fe6b267c3d301ff56d2413;\
    distrust=d9f849b6b828309c5f2c8df4f38fd891887da5aaa24a22c50d52f69b4a80817e";

const DIGITS: &str = "623548d3835c6d33ef5cb680f7944ef381cf712bf23a0119dabe5c4f252cd02f";

fn parse(text: &str) -> Result<TrustMessageUri, UriError> {
    TrustMessageUri::parse(text)
}

#[test]
fn the_example_of_the_specification_is_read_and_written() {
    let uri = parse(EXAMPLE).unwrap();
    assert_eq!(uri.encryption, Namespace::OMEMO_2);
    assert_eq!(uri.owner.jid.as_str(), "bob@example.com");
    let first = |keys: &[KeyIdentifier]| keys.iter().map(|key| key.as_bytes()[0]).collect::<Vec<_>>();
    assert_eq!(first(&uri.owner.trust), [0x62]);
    assert_eq!(first(&uri.owner.distrust), [0xb4, 0xd9]);
    assert_eq!(uri.to_string(), EXAMPLE);
}

#[test]
fn what_differs_between_writers_does_not_matter() {
    let expected = parse(&format!(
        "xmpp:bob@example.com?trust-message;encryption=urn:xmpp:omemo:2;trust={DIGITS}"
    ));
    for text in [
        format!(
            "XMPP:Bob@Example.com?Trust-Message;Encryption=urn:xmpp:omemo:2;TRUST={}",
            DIGITS.to_uppercase()
        ),
        format!("xmpp:bob@example.com?trust-message&trust={DIGITS}&encryption=urn%3Axmpp%3Aomemo%3A2"),
        format!(
            "xmpp:bob@example.com?trust-message;encryption=urn:xmpp:omemo:2;trust=05{DIGITS};x=y;trust={DIGITS}#z"
        ),
    ] {
        assert_eq!(parse(&text), expected, "{text}");
    }
    let legacy = format!(
        "xmpp:bob@example.com?trust-message;encryption=eu.siacs.conversations.axolotl;trust={DIGITS}"
    );
    assert_eq!(parse(&legacy).unwrap().encryption, Namespace::LEGACY);
    assert_eq!(parse(&legacy).unwrap().to_string(), legacy);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let with = |query: &str| parse(&format!("xmpp:bob@example.com?{query}"));
    let omemo = "encryption=urn:xmpp:omemo:2";
    for (query, error) in [
        (String::new(), UriError::NotTrustMessage),
        (format!("omemo-sid-1={DIGITS}"), UriError::NotTrustMessage),
        (
            format!("message;{omemo};trust={DIGITS}"),
            UriError::NotTrustMessage,
        ),
        (format!("trust-message;trust={DIGITS}"), UriError::Encryption),
        (
            format!("trust-message;encryption=urn:xmpp:ox:0;trust={DIGITS}"),
            UriError::Encryption,
        ),
        (
            format!("trust-message;{omemo};encryption=eu.siacs.conversations.axolotl;trust={DIGITS}"),
            UriError::Encryption,
        ),
        (format!("trust-message;{omemo}"), UriError::NoKeys),
        (
            format!("trust-message;{omemo};trust={DIGITS};distrust={}", &DIGITS[2..]),
            UriError::Key,
        ),
        (format!("trust-message;{omemo};trust={DIGITS}00"), UriError::Key),
        (format!("trust-message;{omemo};trust"), UriError::Key),
        (
            format!("trust-message;{omemo};trust=%6"),
            UriError::PercentEncoding,
        ),
    ] {
        assert_eq!(with(&query), Err(error), "{query}");
    }
    assert_eq!(parse("https://example.com"), Err(UriError::NotXmpp));
    assert!(matches!(parse("xmpp:?trust-message"), Err(UriError::Jid(_))));
    let long = format!("{EXAMPLE};{}", "x".repeat(MAX_URI));
    assert_eq!(parse(&long), Err(UriError::TooLong(long.len())));
}

fn key(seed: u8) -> IdentityKey {
    *IdentityKeyPair::from_seed([seed; 32]).public()
}

fn known(keys: &[Option<IdentityKey>]) -> Devices {
    let device = |(id, identity_key): (u32, &Option<IdentityKey>)| DeviceInformation {
        heard: None,
        listed: None,
        device: DeviceId::new(id),
        protocols: Default::default(),
        identity_key: *identity_key,
        trust: Trust::Undecided,
        level: None,
        label: None,
        is_own: false,
    };
    Devices {
        devices: (1..).zip(keys).map(device).collect(),
        unlisted: Vec::new(),
        unidentified: Vec::new(),
    }
}

/// By either form of a key; distrust outweighs trust; of what is not known nothing is decided.
#[test]
fn decisions_follow_for_known_keys() {
    let fingerprint = |seed| KeyIdentifier::from(key(seed).curve25519());
    let ed25519 = |seed| KeyIdentifier::from_bytes(*key(seed).ed25519());
    let uri = TrustMessageUri {
        encryption: Namespace::OMEMO_2,
        owner: KeyOwner {
            jid: BareJid::new("bob@example.com").unwrap(),
            trust: vec![fingerprint(1), ed25519(2), fingerprint(3), fingerprint(5)],
            distrust: vec![ed25519(3), fingerprint(4), fingerprint(6)],
        },
    };
    let known = known(&[
        Some(key(1)),
        Some(key(2)),
        None,
        Some(key(3)),
        Some(key(4)),
        Some(key(7)),
    ]);
    let expected = TrustDecisions {
        trust: vec![key(1), key(2)],
        distrust: vec![key(3), key(4)],
        unknown: vec![fingerprint(6), fingerprint(5)],
    };
    assert_eq!(uri.decisions(&known), expected);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        name in "[a-z?;&#%/=é ]{1,12}",
        trust in vec(any::<[u8; 32]>(), 0..5),
        distrust in vec(any::<[u8; 32]>(), 1..5),
    ) {
        let Ok(jid) = BareJid::new(&format!("{name}@example.com").replace('/', "")) else {
            return Ok(());
        };
        let sorted = |keys: Vec<[u8; 32]>| {
            let keys: std::collections::BTreeSet<_> = keys.into_iter().map(KeyIdentifier::from_bytes).collect();
            keys.into_iter().collect::<Vec<_>>()
        };
        let uri = TrustMessageUri {
            encryption: Namespace::LEGACY,
            owner: KeyOwner { jid, trust: sorted(trust), distrust: sorted(distrust) },
        };
        prop_assert_eq!(parse(&uri.to_string()), Ok(uri));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "xmpp:[a-z@%]{0,9}\\?(trust-message)?[;&=a-f0-9%]{0,99}") {
        if let Ok(uri) = parse(&text) {
            prop_assert_eq!(parse(&uri.to_string()), Ok(uri));
        }
    }
}
