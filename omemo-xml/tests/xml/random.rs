//! Whatever comes is read or refused, within bounds, and never panics.

use minidom::Element;
use omemo_sansio::trust::MAX_TRUST_STATEMENTS;
use omemo_sansio::{MAX_BUNDLE_PRE_KEYS, MAX_DEVICES, MAX_KEY_ELEMENTS, MAX_LABEL};
use omemo_xml::{Format, parse, sce, trust_message_from_xml, trust_message_to_xml, write};
use proptest::prelude::*;
use proptest::sample::Index;

/// One of each, with all that can be in it.
const SEEDS: [&str; 8] = [
    "<devices xmlns='urn:xmpp:omemo:2'><device id='1'/><device id='2' label='x' labelsig='AAAA'/></devices>",
    "<bundle xmlns='urn:xmpp:omemo:2'><spk id='1'>9QabKnizevh8D4Js0hzG9dTv5tArByoW8xbVW7I0Kzg=</spk>\
     <spks>zLoDn4yvVSavuEGzAvT/9gK4DpirOZAo7LcXkxpRhsQRHilI+Ag7TP6edrKUdIw8R1B9dz0wTj06yik5gR/MBg==</spks>\
     <ik>gZqMoHjBi8k8v5AWHcEheAJC57n8JIQceigarPtCZCQ=</ik><prekeys>\
     <pk id='3'>jOh7eZcoGqty4rY+4o5NMIbJKhYUudeiIl/8BLhpiW4=</pk></prekeys></bundle>",
    "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'><keys jid='a@b'><key rid='2' kex='true'>AAAA</key>\
     <key rid='3'>AAAA</key></keys><keys jid='c@d'><key rid='4'>AAAA</key></keys></header>\
     <payload>AAAA</payload></encrypted>",
    "<envelope xmlns='urn:xmpp:sce:1'><content><body xmlns='jabber:client'>Hi</body></content><rpad>x</rpad>\
     <time stamp='2026-11-20T23:44:56Z'/><to jid='a@b'/><from jid='c@d'/></envelope>",
    "<list xmlns='eu.siacs.conversations.axolotl'><device id='1'/><device id='-1'/></list>",
    "<bundle xmlns='eu.siacs.conversations.axolotl'>\
     <signedPreKeyPublic signedPreKeyId='1'>BdgbxPizSc/3fZMeCJ40ILmaMU8fgm4VFGjD6mNVLEwh</signedPreKeyPublic>\
     <signedPreKeySignature>\
     xIHtbxSAW7/lKS+pAwzW+LCWusQZaVSVRLLpyKS7MwoOZIL88p7bVVl7faU4YpcRGJf/EShmFAYZ2pZ8MITBgw==\
     </signedPreKeySignature><identityKey>BeatUrPtJHkuJEfFPbi86DrZmEYc5nUAH4Hpsbm038gO</identityKey><prekeys>\
     <preKeyPublic preKeyId='3'>BT4qMZvkMitYgqx55hVxOnza3s40ZnVQpHz6gretQzRS</preKeyPublic></prekeys></bundle>",
    "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'><key rid='2' prekey='true'>AAAA</key>\
     <key rid='2'>AAAA</key><iv>AAAA</iv></header><payload>AAAA</payload></encrypted>",
    "<trust-message xmlns='urn:xmpp:tm:1' usage='urn:xmpp:atm:1' encryption='urn:xmpp:omemo:2'>\
     <key-owner jid='a@b'><trust>aFABnX7Q/rbTgjBySYzrT2FsYCVYb49mbca5yB734KQ=</trust>\
     <distrust>IhpPjiKLchgrAG5cpSfTvdzPjZ5v6vTOluHEUehkgCA=</distrust></key-owner></trust-message>",
];

/// Reads a document as all there is, and looks at the bounds of what comes out.
fn read(text: &str) {
    let _ = sce::Envelope::from_bytes(text.as_bytes());
    let Ok(element) = parse(text) else { return };
    assert_eq!(parse(&write(&element).unwrap()).as_ref(), Ok(&element));
    for format in Format::ALL {
        read_as(*format, &element);
    }
    if let Ok(message) = trust_message_from_xml(&element) {
        assert!((1..=MAX_TRUST_STATEMENTS).contains(&message.statements()));
        let written = trust_message_to_xml(&message).unwrap();
        assert_eq!(trust_message_from_xml(&written), Ok(message));
    }
}

fn read_as(format: Format, element: &Element) {
    if let Ok(list) = format.device_list_from_xml(element) {
        assert!(list.devices.len() <= MAX_DEVICES);
        for label in list.devices.values().filter_map(|entry| entry.label.as_ref()) {
            assert!(label.text.len() <= MAX_LABEL);
        }
        assert_eq!(
            format.device_list_from_xml(&format.device_list_to_xml(&list)),
            Ok(list)
        );
    }
    if let Ok(bundle) = format.bundle_from_xml(element) {
        assert!((1..=MAX_BUNDLE_PRE_KEYS).contains(&bundle.pre_keys.len()));
        assert_eq!(format.bundle_from_xml(&format.bundle_to_xml(&bundle)), Ok(bundle));
    }
    if let Ok(message) = format.encrypted_from_xml(element) {
        assert!(message.key_elements() <= MAX_KEY_ELEMENTS);
        let written = format.encrypted_to_xml(&message).unwrap();
        assert_eq!(format.encrypted_from_xml(&written), Ok(message));
    }
}

/// Words that documents are made of, one a line.
const WORDS: &str = "\
<devices xmlns='urn:xmpp:omemo:2'>
</devices>
<device id='
1
'/>
<bundle xmlns='urn:xmpp:omemo:2'>
</bundle>
<spk id='1'>
</spk>
<ik>
</ik>
<spks/>
<prekeys>
</prekeys>
<pk id='2'>
</pk>
<encrypted xmlns='urn:xmpp:omemo:2'>
</encrypted>
<header sid='1'>
</header>
<keys jid='a@b'>
</keys>
<key rid='1'>
</key>
<payload>
</payload>
AAAA
=
&lt;
&#x1;
<![CDATA[
]]>
<!--
-->
<?xml version='1.0'?>
\u{0}
é
<p:x xmlns:p='urn:xmpp:omemo:2'>
<encrypted xmlns='eu.siacs.conversations.axolotl'>
<key rid='-1' prekey='1'>
</key>
<iv>
</iv>
<list xmlns='eu.siacs.conversations.axolotl'>
</list>
<device id='-1'/>
</p:x>
\"
'
>
<
/
xmlns=''";

fn word() -> impl Strategy<Value = String> {
    let words: Vec<&str> = WORDS.lines().collect();
    prop_oneof![
        9 => proptest::sample::select(words).prop_map(str::to_owned),
        1 => "\\PC{0,4}| ",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn truncated(seed in 0..SEEDS.len(), end: Index) {
        let seed = SEEDS[seed];
        let end = seed.floor_char_boundary(end.index(seed.len() + 1));
        read(&seed[..end]);
    }

    #[test]
    fn mutated(seed in 0..SEEDS.len(), changes in proptest::collection::vec((any::<Index>(), 0..4_u8, word()), 1..6)) {
        let mut text = SEEDS[seed].to_owned();
        for (at, kind, word) in changes {
            let start = text.floor_char_boundary(at.index(text.len() + 1));
            let end = text.ceil_char_boundary((start + word.len()).min(text.len()));
            match kind {
                0 => text.insert_str(start, &word),
                1 => text.replace_range(start..end, &word),
                2 => text.replace_range(start..end, ""),
                _ => text = [&text[..end], &text[start..]].concat(),
            }
        }
        read(&text);
    }

    #[test]
    fn made_of_words(words in proptest::collection::vec(word(), 0..40)) {
        read(&words.concat());
    }

    #[test]
    fn any_text(text in ".{0,200}") {
        read(&text);
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = sce::Envelope::from_bytes(&bytes);
    }
}

#[test]
fn the_seeds_are_valid() {
    let elements: Vec<_> = SEEDS.iter().map(|text| parse(text).unwrap()).collect();
    for (format, first) in [(Format::Omemo2, 0), (Format::Legacy, 4)] {
        assert!(format.device_list_from_xml(&elements[first]).is_ok());
        assert!(format.bundle_from_xml(&elements[first + 1]).is_ok());
        assert!(format.encrypted_from_xml(&elements[first + 2]).is_ok());
    }
    assert!(sce::Envelope::from_bytes(SEEDS[3].as_bytes()).is_ok());
    assert!(trust_message_from_xml(&elements[7]).is_ok());
    SEEDS.into_iter().for_each(read);
}
