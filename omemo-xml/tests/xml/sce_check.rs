//! Whether envelopes fit their stanzas.

use omemo_sansio::{BareJid, Timestamp};
use omemo_xml::sce::{Destination, Envelope, Expectations, Mismatch, SentTime};

fn jid(text: &str) -> BareJid {
    BareJid::new(text).unwrap()
}

/// An envelope as it may come: `affixes` beside an empty content.
fn envelope(affixes: &str) -> Envelope {
    let text = format!("<envelope xmlns='urn:xmpp:sce:1'><content/>{affixes}</envelope>");
    Envelope::from_bytes(text.as_bytes()).unwrap()
}

fn in_chat(affixes: &str) -> Vec<Mismatch> {
    envelope(affixes).check(&Expectations {
        sender: &jid("romeo@montague.lit"),
        destination: Destination::Account(&jid("juliet@capulet.lit")),
        sent: None,
    })
}

fn in_room(affixes: &str) -> Vec<Mismatch> {
    envelope(affixes).check(&Expectations {
        sender: &jid("romeo@montague.lit"),
        destination: Destination::Room(&jid("room@conference.lit")),
        sent: None,
    })
}

#[test]
fn all_fits() {
    assert_eq!(in_chat("<rpad/><from jid='romeo@montague.lit'/>"), []);
    assert_eq!(
        in_chat(
            "<rpad>x</rpad><from jid='romeo@montague.lit/orchard'/><to jid='juliet@capulet.lit/balcony'/>"
        ),
        []
    );
    assert_eq!(
        in_room("<rpad/><from jid='romeo@montague.lit'/><to jid='room@conference.lit'/>"),
        []
    );
}

#[test]
fn omissions_are_reported_and_told_from_spoofing() {
    let found = in_chat("");
    assert_eq!(found, [Mismatch::PaddingMissing, Mismatch::SenderMissing]);
    assert!(found.iter().all(Mismatch::is_omission));
}

#[test]
fn the_sender_must_match() {
    for claimed in [
        "tybalt@capulet.lit",
        "romeo@montague.lit.example",
        "romeo@montague",
        "Romeo@montague.lit",
        "/romeo@montague.lit",
        "",
    ] {
        let found = in_chat(&format!("<rpad/><from jid='{claimed}'/>"));
        assert_eq!(
            found,
            [Mismatch::Sender {
                claimed: claimed.into()
            }]
        );
        assert!(!found[0].is_omission());
    }
}

#[test]
fn the_recipient_must_match_where_it_is_named() {
    let found = in_chat("<rpad/><from jid='romeo@montague.lit'/><to jid='nurse@capulet.lit'/>");
    assert_eq!(
        found,
        [Mismatch::Recipient {
            claimed: "nurse@capulet.lit".into()
        }]
    );
    assert!(!found[0].is_omission());
}

#[test]
fn a_room_must_be_named_by_its_bare_jid() {
    let from = "<rpad/><from jid='romeo@montague.lit'/>";
    let missing = in_room(from);
    assert_eq!(missing, [Mismatch::RecipientMissing]);
    assert!(!missing[0].is_omission());
    for claimed in [
        "juliet@capulet.lit",
        "other@conference.lit",
        "room@conference.lit/juliet",
    ] {
        assert_eq!(
            in_room(&format!("{from}<to jid='{claimed}'/>")),
            [Mismatch::Recipient {
                claimed: claimed.into()
            }]
        );
    }
}

#[test]
fn what_was_for_a_room_is_no_private_message() {
    let found = in_chat("<rpad/><from jid='romeo@montague.lit'/><to jid='room@conference.lit'/>");
    assert!(matches!(found[..], [Mismatch::Recipient { .. }]));
}

#[test]
fn the_time_may_differ_by_the_tolerance_either_way() {
    let envelope = envelope("<rpad/><from jid='romeo@montague.lit'/><time stamp='1970-01-01T00:16:40Z'/>");
    let check = |sent: Option<(u64, u64)>| {
        envelope.check(&Expectations {
            sender: &jid("romeo@montague.lit"),
            destination: Destination::Account(&jid("juliet@capulet.lit")),
            sent: sent.map(|(at, tolerance)| SentTime {
                at: Timestamp::from_unix(at),
                tolerance,
            }),
        })
    };
    assert_eq!(check(None), []);
    assert_eq!(check(Some((1_000, 0))), []);
    assert_eq!(check(Some((1_060, 60))), []);
    assert_eq!(check(Some((940, 60))), []);
    for at in [1_061, 939] {
        let found = check(Some((at, 60)));
        assert_eq!(
            found,
            [Mismatch::Time {
                claimed: Timestamp::from_unix(1_000),
                sent: Timestamp::from_unix(at),
            }]
        );
        assert!(!found[0].is_omission());
    }
}

#[test]
fn without_a_time_there_is_nothing_to_compare() {
    let found = envelope("<rpad/><from jid='romeo@montague.lit'/>").check(&Expectations {
        sender: &jid("romeo@montague.lit"),
        destination: Destination::Account(&jid("juliet@capulet.lit")),
        sent: Some(SentTime {
            at: Timestamp::from_unix(5),
            tolerance: 0,
        }),
    });
    assert_eq!(found, []);
}
