//! `<envelope>`, case by case.

use minidom::Element;
use omemo_sansio::{BareJid, Timestamp};
use omemo_xml::XmlError;
use omemo_xml::sce::{Envelope, MAX_PADDING};

use crate::{Counter, element};

fn body(text: &str) -> Element {
    Element::builder("body", "jabber:client").append(text).build()
}

fn jid(text: &str) -> BareJid {
    BareJid::new(text).unwrap()
}

fn text_of(envelope: &Envelope, seed: u64) -> String {
    String::from_utf8(envelope.to_bytes(&mut Counter(seed)).unwrap()).unwrap()
}

fn padding_of(text: &str) -> String {
    element(text).get_child("rpad", "urn:xmpp:sce:1").unwrap().text()
}

#[test]
fn one_as_qxmpp_writes_it_parses() {
    // Not captured: put together in the order in which QXmpp writes, with base64 as padding; milliseconds may come.
    let envelope = Envelope::from_bytes(
        b"<envelope xmlns=\"urn:xmpp:sce:1\"><time stamp=\"2026-11-20T23:44:56.789Z\"/><to jid=\"bob@localhost\"/>\
          <from jid=\"quinn@localhost\"/><rpad>cGFk+/==</rpad><content><body xmlns=\"jabber:client\">Hi</body>\
          <active xmlns=\"http://jabber.org/protocol/chatstates\"/></content></envelope>",
    )
    .unwrap();
    assert_eq!(envelope.content.len(), 2);
    assert_eq!(envelope.content[0], body("Hi"));
    assert_eq!(envelope.from.as_deref(), Some("quinn@localhost"));
    assert_eq!(envelope.to.as_deref(), Some("bob@localhost"));
    assert_eq!(envelope.time, Some(Timestamp::from_unix(1_795_218_296)));
    assert!(envelope.padded);
}

#[test]
fn an_odd_one_parses() {
    let envelope = Envelope::from_bytes(
        "<?xml version='1.0' encoding='utf-8'?>
         <sce:envelope xmlns:sce='urn:xmpp:sce:1' xmlns:c='jabber:client' version='9'>
           <sce:rpad/> <unknown/>
           <sce:content>
             text <c:body><![CDATA[<3 & \u{1f600}]]></c:body>
           </sce:content>
           <sce:from jid='a@b/phone' extra=''/>
         </sce:envelope>"
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(envelope.content, [body("<3 & \u{1f600}")]);
    assert_eq!(envelope.from.as_deref(), Some("a@b/phone"));
    assert!(envelope.padded);
}

#[test]
fn errors_say_what_and_where() {
    let error = |inner: &str| {
        Envelope::from_bytes(format!("<envelope xmlns='urn:xmpp:sce:1'>{inner}</envelope>").as_bytes())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(error("<rpad/>"), "<envelope> has no <content>");
    assert_eq!(error("<content/><from/>"), "<from> has no attribute jid");
    assert_eq!(error("<content/><to/>"), "<to> has no attribute jid");
    assert_eq!(error("<content/><time/>"), "<time> has no attribute stamp");
    assert_eq!(
        error("<content/><time stamp='now'/>"),
        "the attribute stamp of <time> is not a date and time (XEP-0082)"
    );
    assert_eq!(Envelope::from_bytes(b"<a>\xff</a>"), Err(XmlError::NotUtf8));
    assert!(matches!(Envelope::from_bytes(b""), Err(XmlError::Malformed(_))));
    assert!(matches!(
        Envelope::from_bytes(b"<envelope xmlns='urn:xmpp:sce:0'><content/></envelope>"),
        Err(XmlError::WrongElement {
            element: "envelope",
            ..
        })
    ));
    let deep = format!(
        "<envelope xmlns='urn:xmpp:sce:1'><content>{}",
        "<a>".repeat(1_000_000)
    );
    assert_eq!(Envelope::from_bytes(deep.as_bytes()), Err(XmlError::TooDeep));
}

#[test]
fn what_servers_process_is_neither_read_nor_written() {
    let forbidden = [
        "<store xmlns='urn:xmpp:hints'/>",
        "<stanza-id xmlns='urn:xmpp:sid:0' id='1'/>",
        "<addresses xmlns='http://jabber.org/protocol/address'/>",
        "<encryption xmlns='urn:xmpp:eme:0'/>",
    ];
    for text in forbidden {
        let plaintext = format!(
            "<envelope xmlns='urn:xmpp:sce:1'><content>{text}<body xmlns='jabber:client'>x</body>\
             <origin-id xmlns='urn:xmpp:sid:0' id='1'/></content></envelope>"
        );
        let read = Envelope::from_bytes(plaintext.as_bytes()).unwrap();
        assert_eq!(read.content.len(), 2, "{text}");
        assert!(read.to_bytes(&mut Counter(0)).is_ok());
        let envelope = Envelope::new(vec![element(text)]);
        assert!(matches!(
            envelope.to_bytes(&mut Counter(0)),
            Err(XmlError::NoPlace {
                element: "content",
                ..
            })
        ));
    }
}

#[test]
fn what_is_written_is_read() {
    let envelope = Envelope::new(vec![body("a'b\"<>&\r\n\t"), Element::bare("x", "urn:x")])
        .with_from(&jid("romeo@montague.lit"))
        .with_to(&jid("room@conference.capulet.lit"))
        .with_time(Timestamp::from_unix(1_795_218_296));
    let text = text_of(&envelope, 1);
    assert_eq!(Envelope::from_bytes(text.as_bytes()).unwrap(), envelope);
    let (head, tail) = text.split_once("<rpad>").unwrap();
    assert!(head.starts_with("<envelope xmlns='urn:xmpp:sce:1'><content><body xmlns='jabber:client'>a"));
    assert!(tail.ends_with(
        "</rpad><time stamp='2026-11-20T23:44:56Z'/><to jid='room@conference.capulet.lit'/>\
         <from jid='romeo@montague.lit'/></envelope>"
    ));
}

#[test]
fn padding_hides_the_length() {
    let envelope = |length| Envelope::new(vec![body(&"x".repeat(length))]);
    let mut totals: Vec<std::collections::BTreeSet<usize>> = Vec::new();
    for length in 0..64 {
        let mut lengths = std::collections::BTreeSet::new();
        for seed in 0..1_200 {
            let text = text_of(&envelope(length), seed * 97);
            let padding = padding_of(&text);
            assert!(padding.len() <= MAX_PADDING, "{}", padding.len());
            assert!(
                padding
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            );
            lengths.insert(text.len());
        }
        // 138 lengths on top of the bucket, each of which occurs.
        assert_eq!(lengths.len(), MAX_PADDING - 62);
        assert_eq!(lengths.first().unwrap() % 64, 0);
        totals.push(lengths);
    }
    // Of 64 lengths in a row all fall into two buckets, within which nothing tells them apart.
    totals.dedup();
    assert_eq!(totals.len(), 2);
}

#[test]
fn padding_is_random() {
    let envelope = Envelope::new(vec![body("Hi")]);
    let padding = |seed| padding_of(&text_of(&envelope, seed));
    assert_eq!(padding(3), padding(3));
    let characters: std::collections::BTreeSet<char> = (0..100)
        .flat_map(|seed| padding(seed).chars().collect::<Vec<_>>())
        .collect();
    assert_eq!(characters.len(), 64);
}

#[test]
fn debug_shows_no_content() {
    let envelope = Envelope::new(vec![body("secret")]).with_from(&jid("romeo@montague.lit"));
    let shown = format!("{envelope:?}");
    assert_eq!(
        shown,
        "Envelope(1 elements, from: true, to: false, time: false, padded: true)"
    );
}
