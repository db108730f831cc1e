//! `<bundle>`.

use omemo_sansio::keys::{InvalidKey, PublicKey};
use omemo_sansio::{Bundle, MAX_BUNDLE_PRE_KEYS, PreKeyId};
use omemo_xml::XmlError;
use omemo_xml::legacy::{bundle_from_xml, bundle_to_xml};

use crate::element;

/// Keys that occur in the captured stanzas.
const IK: &str = "<identityKey>BeatUrPtJHkuJEfFPbi86DrZmEYc5nUAH4Hpsbm038gO</identityKey>";
const SPK: &str = "<signedPreKeyPublic signedPreKeyId='1'>BdgbxPizSc/3fZMeCJ40ILmaMU8fgm4VFGjD6mNVLEwh</signedPreKeyPublic>";
const SIGNATURE: &str =
    "xIHtbxSAW7/lKS+pAwzW+LCWusQZaVSVRLLpyKS7MwoOZIL88p7bVVl7faU4YpcRGJf/EShmFAYZ2pZ8MITBAw==";
/// The same with the sign bit set: the last byte is 0x83 instead of 0x03.
const NEGATIVE: &str =
    "xIHtbxSAW7/lKS+pAwzW+LCWusQZaVSVRLLpyKS7MwoOZIL88p7bVVl7faU4YpcRGJf/EShmFAYZ2pZ8MITBgw==";
const PK: &str = "BT4qMZvkMitYgqx55hVxOnza3s40ZnVQpHz6gretQzRS";

fn signature(text: &str) -> String {
    format!("<signedPreKeySignature>{text}</signedPreKeySignature>")
}

fn bundle(parts: &[&str]) -> Result<Bundle, XmlError> {
    bundle_from_xml(&element(&format!(
        "<bundle xmlns='eu.siacs.conversations.axolotl'>{}</bundle>",
        parts.concat()
    )))
}

fn with_pre_keys(pre_keys: &str) -> Result<Bundle, XmlError> {
    let pre_keys = format!("<prekeys>{pre_keys}</prekeys>");
    bundle(&[IK, SPK, &signature(SIGNATURE), &pre_keys])
}

fn with_signature(text: &str) -> Bundle {
    let pre_keys = format!("<prekeys><preKeyPublic preKeyId='3'>{PK}</preKeyPublic></prekeys>");
    bundle(&[IK, SPK, &signature(text), &pre_keys]).unwrap()
}

fn ids(bundle: &Bundle) -> Vec<u32> {
    bundle.pre_keys.keys().map(|id| id.get()).collect()
}

#[test]
fn each_part_is_needed_and_named() {
    let prekeys = format!("<prekeys><preKeyPublic preKeyId='3'>{PK}</preKeyPublic></prekeys>");
    let parts = [
        ("identityKey", IK),
        ("signedPreKeyPublic", SPK),
        ("signedPreKeySignature", &signature(SIGNATURE)),
        ("prekeys", &prekeys),
    ];
    for (missing, _) in parts {
        let others: Vec<&str> = parts
            .iter()
            .filter(|(name, _)| *name != missing)
            .map(|(_, part)| *part)
            .collect();
        assert_eq!(
            bundle(&others),
            Err(XmlError::MissingElement {
                parent: "bundle",
                element: missing
            })
        );
    }
    let whole = bundle(&[&prekeys, &signature(SIGNATURE), SPK, IK]).unwrap();
    assert_eq!(whole, with_signature(SIGNATURE));
    assert_eq!(bundle_from_xml(&bundle_to_xml(&whole)).unwrap(), whole);
}

#[test]
fn errors_say_what_and_where() {
    let error = |part: &str| {
        bundle(&[part, &signature(SIGNATURE), IK, SPK, "<prekeys/>"])
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error("<identityKey>A===?</identityKey>"),
        "the text of <identityKey> is not base64"
    );
    assert_eq!(
        error("<identityKey>AAAA</identityKey>"),
        "<identityKey> holds 3 bytes instead of 33"
    );
    assert_eq!(
        error("<signedPreKeySignature/>"),
        "<signedPreKeySignature> holds 0 bytes instead of 64"
    );
    assert_eq!(
        error("<signedPreKeyPublic>AAAA</signedPreKeyPublic>"),
        "<signedPreKeyPublic> has no attribute signedPreKeyId"
    );
    assert_eq!(
        error("<signedPreKeyPublic signedPreKeyId='4294967296'>AAAA</signedPreKeyPublic>"),
        "the attribute signedPreKeyId of <signedPreKeyPublic> is not an integer of 32 bits"
    );
    assert_eq!(
        error(&format!("<identityKey>Bg{}</identityKey>", &PK[2..])),
        "<identityKey> holds a key of type 6 instead of 5"
    );
}

#[test]
fn wire_note_01_public_keys_have_33_bytes() {
    let bundle = with_pre_keys(&format!(
        "<preKeyPublic preKeyId='1'>{PK}</preKeyPublic>
         <preKeyPublic preKeyId='2'>jOh7eZcoGqty4rY+4o5NMIbJKhYUudeiIl/8BLhpiW4=</preKeyPublic>
         <preKeyPublic preKeyId='3'>{PK}AAAA</preKeyPublic>
         <preKeyPublic preKeyId='4'>Bg{}</preKeyPublic>",
        &PK[2..]
    ))
    .unwrap();
    assert_eq!(ids(&bundle), [1]);
    assert_eq!(bundle.pre_keys[&PreKeyId::new(1)].as_bytes()[..2], [0x3e, 0x2a]);
    assert_eq!(bundle.signed_pre_key.key.as_bytes()[..2], [0xd8, 0x1b]);
    let written = omemo_xml::write(&bundle_to_xml(&bundle)).unwrap();
    assert!(written.contains(&format!(
        "<preKeyPublic preKeyId='1'>{PK}</preKeyPublic></prekeys>"
    )));
    assert!(written.contains(IK) && written.contains(SPK), "{written}");
}

#[test]
fn wire_note_03_the_sign_of_the_key_travels_in_the_signature() {
    let (positive, negative) = (with_signature(SIGNATURE), with_signature(NEGATIVE));
    // One identity, and the signature without the bit that is not its own.
    assert_eq!(positive, negative);
    assert_eq!(positive.identity_key.ed25519()[31] >> 7, 0);
    assert_eq!(negative.identity_key.ed25519()[31] >> 7, 1);
    assert_eq!(negative.signed_pre_key.signature.as_bytes()[63], 0x03);

    for (bundle, text) in [(positive, SIGNATURE), (negative, NEGATIVE)] {
        let written = omemo_xml::write(&bundle_to_xml(&bundle)).unwrap();
        assert!(written.contains(&signature(text)), "{written}");
        let read = bundle_from_xml(&element(&written)).unwrap();
        assert_eq!(read.identity_key.ed25519(), bundle.identity_key.ed25519());
    }
}

#[test]
fn wire_note_23_ids_that_occur_do_not_drop_the_bundle() {
    let with_id = |id: &str| {
        let signed = SPK.replace("='1'", &format!("='{id}'"));
        let pre_keys = format!("<prekeys><preKeyPublic preKeyId='{id}'>{PK}</preKeyPublic></prekeys>");
        bundle(&[IK, &signed, &signature(SIGNATURE), &pre_keys])
    };
    for (text, id) in [
        ("0", 0),
        (" 7 ", 7),
        ("2147483648", 2_147_483_648),
        ("4294967295", 4_294_967_295),
        ("-1", 4_294_967_295),
        ("-2147483648", 2_147_483_648),
    ] {
        let bundle = with_id(text).unwrap();
        assert_eq!(bundle.signed_pre_key.id, PreKeyId::new(id), "{text}");
        assert_eq!(ids(&bundle), [id], "{text}");
    }
    for text in ["4294967296", "-2147483649", "", "x", "1.0"] {
        assert!(matches!(
            with_id(text),
            Err(XmlError::InvalidAttribute {
                element: "signedPreKeyPublic",
                ..
            })
        ));
    }
}

#[test]
fn wire_note_23_base64_may_hold_whitespace() {
    let (head, tail) = PK.split_at(20);
    let spaced = with_pre_keys(&format!(
        "<preKeyPublic preKeyId='3'>\n  {head}\r\n\t{tail}\n</preKeyPublic>"
    ));
    let (head, tail) = SIGNATURE.split_at(40);
    assert_eq!(spaced.unwrap(), with_signature(&format!("\n {head}\n {tail}\n")));
}

#[test]
fn wire_note_29_without_a_valid_pre_key_there_is_no_bundle() {
    let none = Err(XmlError::NoPreKeys { element: "prekeys" });
    assert_eq!(with_pre_keys(""), none);
    assert_eq!(
        with_pre_keys("<preKeyPublic preKeyId='1'>AAAA</preKeyPublic>"),
        none
    );
    assert_eq!(with_pre_keys(&format!("<preKeyPublic>{PK}</preKeyPublic>")), none);
    assert_eq!(
        with_pre_keys(&format!(
            "<preKeyPublic xmlns='urn:example' preKeyId='1'>{PK}</preKeyPublic>"
        )),
        none
    );
}

#[test]
fn malformed_pre_keys_are_skipped_and_of_two_the_first_counts() {
    let other = "Bbas1XLy2fbrP+H6yWpY+XX4AK0uEOGyJeLQFdHwzDgD";
    let bundle = with_pre_keys(&format!(
        "<preKeyPublic preKeyId='7'>{PK}</preKeyPublic><preKeyPublic preKeyId='7'>{other}</preKeyPublic>
         <preKeyPublic preKeyId='8'>?</preKeyPublic><preKeyPublic preKeyId='y'>{other}</preKeyPublic>"
    ))
    .unwrap();
    assert_eq!(ids(&bundle), [7]);
    assert_eq!(bundle.pre_keys[&PreKeyId::new(7)].as_bytes()[0], 0x3e);
}

#[test]
fn past_the_limit_the_rest_is_cut() {
    let all: String = (1..=MAX_BUNDLE_PRE_KEYS + 50)
        .map(|id| format!("<preKeyPublic preKeyId='{id}'>{PK}</preKeyPublic>"))
        .collect();
    let bundle = with_pre_keys(&all).unwrap();
    assert_eq!(bundle.pre_keys.len(), MAX_BUNDLE_PRE_KEYS);
    assert_eq!(bundle.pre_keys.keys().next_back().unwrap().get(), 1000);
}

#[test]
fn an_identity_key_outside_the_group_is_refused() {
    // u = 0 has order 2.
    let zero = format!("<identityKey>BQ{}</identityKey>", "A".repeat(42));
    assert_eq!(
        bundle(&[&zero, SPK, &signature(SIGNATURE), "<prekeys/>"]),
        Err(XmlError::InvalidKey {
            element: "identityKey",
            source: InvalidKey::SmallOrder
        })
    );
}

#[test]
fn what_is_written_looks_like_the_example() {
    let mut bundle = with_signature(SIGNATURE);
    bundle.pre_keys = [(PreKeyId::new(9), PublicKey::from_bytes([0; 32]))].into();
    assert_eq!(
        omemo_xml::write(&bundle_to_xml(&bundle)).unwrap(),
        format!(
            "<bundle xmlns='eu.siacs.conversations.axolotl'>{SPK}{}{IK}<prekeys><preKeyPublic preKeyId='9'>BQ{}\
             </preKeyPublic></prekeys></bundle>",
            signature(SIGNATURE),
            "A".repeat(42)
        )
    );
}

#[test]
fn another_element_is_refused() {
    assert_eq!(
        bundle_from_xml(&element("<bundle xmlns='urn:xmpp:omemo:2'/>")),
        Err(XmlError::WrongElement {
            element: "bundle",
            namespace: "eu.siacs.conversations.axolotl"
        })
    );
}
