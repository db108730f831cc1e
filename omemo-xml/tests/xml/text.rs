//! Parsing and writing text, and its bounds.

use minidom::Element;
use omemo_xml::{MAX_DEPTH, MAX_DOCUMENT, MAX_NODES, XmlError, parse, write};

use crate::element;

fn nested(depth: usize) -> String {
    format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth))
}

#[test]
fn depth_is_bounded_without_overflow() {
    let deepest = element(&nested(MAX_DEPTH));
    assert_eq!(write(&deepest).unwrap().len(), MAX_DEPTH * 7 - 3);
    assert_eq!(parse(&nested(MAX_DEPTH + 1)), Err(XmlError::TooDeep));
    // A small stack would not survive a million levels.
    std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(|| {
            assert_eq!(parse(&nested(1_000_000)), Err(XmlError::TooDeep));
            assert_eq!(parse(&"<a>".repeat(1_000_000)), Err(XmlError::TooDeep));
            drop(element(&nested(MAX_DEPTH)).clone());
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn what_is_too_deep_is_not_written() {
    let wrap = |inner| Element::builder("a", "").append(inner).build();
    let deepest = (1..MAX_DEPTH).fold(Element::bare("a", ""), |inner, _| wrap(inner));
    assert!(write(&deepest).is_ok());
    assert_eq!(write(&wrap(deepest)), Err(XmlError::TooDeep));
}

#[test]
fn length_is_bounded() {
    let text = |length: usize| format!("<a>{}</a>", "x".repeat(length - 7));
    let longest = element(&text(MAX_DOCUMENT));
    assert_eq!(write(&longest).unwrap().len(), MAX_DOCUMENT);
    assert_eq!(
        parse(&text(MAX_DOCUMENT + 1)),
        Err(XmlError::TooLong {
            bytes: MAX_DOCUMENT + 1
        })
    );
    let longer = Element::builder("a", "").append("x".repeat(MAX_DOCUMENT)).build();
    assert!(matches!(write(&longer), Err(XmlError::TooLong { .. })));
}

#[test]
fn the_number_of_nodes_is_bounded() {
    let document = |elements: usize| format!("<a>{}</a>", "<b c=''/>".repeat(elements));
    assert!(parse(&document(MAX_NODES / 2 - 1)).is_ok());
    assert_eq!(parse(&document(MAX_NODES / 2)), Err(XmlError::TooManyNodes));
}

#[test]
fn namespaces_are_bounded_as_often_as_they_count() {
    let long = "n".repeat(MAX_DOCUMENT / 2_000);
    let elements = |count: usize| format!("<a xmlns='{long}'>{}</a>", "<b/>".repeat(count));
    assert!(parse(&elements(1_990)).is_ok());
    assert!(matches!(parse(&elements(2_100)), Err(XmlError::TooLong { .. })));
    let attributes = |count: usize| format!("<a xmlns:p='{long}'>{}</a>", "<b p:c=''/>".repeat(count));
    assert!(parse(&attributes(1_990)).is_ok());
    assert!(matches!(parse(&attributes(2_100)), Err(XmlError::TooLong { .. })));
}

#[test]
fn only_one_well_formed_document_is_parsed() {
    for text in [
        "",
        " ",
        "text",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>text",
        "<a b='1' b='2'/>",
        "<a xmlns:p='n' xmlns:q='n' p:b='1' q:b='2'/>",
        "<p:a/>",
        "<a p:b=''/>",
        "<a>&nbsp;</a>",
        "<a>&#0;</a>",
        "<a>\u{1}</a>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
        "<a><!-- no --></a>",
        "<a><?pi?></a>",
        "<?xml version='1.1'?><a/>",
        "<?xml version='1.0' encoding='latin1'?><a/>",
    ] {
        assert!(
            matches!(parse(text), Err(XmlError::Malformed(_))),
            "{text}: {:?}",
            parse(text)
        );
    }
}

#[test]
fn what_is_the_same_parses_as_the_same() {
    let plain = element("<a xmlns='n'><b c='&lt;'>x&amp;y</b></a>");
    for text in [
        "<?xml version='1.0'?><a xmlns='n'><b c='&#60;'>x<![CDATA[&]]>y</b></a>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<p:a xmlns:p='n'><p:b c='&lt;'>x&#x26;y</p:b></p:a>\n",
        "<a xmlns='n' xmlns:unused='u'><p:b xmlns:p='n' c='&lt;'>x&amp;y</p:b></a>",
    ] {
        assert_eq!(element(text), plain, "{text}");
    }
    assert_eq!(element("<a/>").ns(), "");
}

#[test]
fn what_xml_cannot_express_is_an_error() {
    let text = |text: &str| Element::builder("a", "n").append(text).build();
    assert!(write(&text("\t\n\r\u{20}\u{fffd}\u{10000}")).is_ok());
    for forbidden in ["\0", "\u{b}", "\u{1f}", "\u{fffe}", "\u{ffff}"] {
        assert!(
            matches!(write(&text(forbidden)), Err(XmlError::Unwritable(_))),
            "{forbidden:?}"
        );
    }
    for name in ["", "1", "a b", "a:b", "<"] {
        assert!(
            matches!(write(&Element::bare(name, "n")), Err(XmlError::Unwritable(_))),
            "{name:?}"
        );
    }
}

#[test]
fn declared_prefixes_are_written_without_panic() {
    // minidom panics when it writes this one.
    let parsed: Element = "<p:a xmlns:p='n'><p:a xmlns:p='m'/></p:a>".parse().unwrap();
    assert_eq!(element(&write(&parsed).unwrap()), parsed);
}

#[test]
fn attributes_of_other_namespaces_come_back() {
    let text = "<a xmlns='n' xmlns:p='p' xmlns:q='q' p:b='1' q:b='2' b='3' xml:lang='en'><p:c q:b='4'/></a>";
    let parsed = element(text);
    assert_eq!(element(&write(&parsed).unwrap()), parsed);
}
