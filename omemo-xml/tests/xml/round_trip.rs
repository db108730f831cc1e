//! Any value comes back from its XML.

use omemo_sansio::keys::{IdentityKey, PublicKey, Signature};
use omemo_sansio::{
    BareJid, Bundle, DeviceEntry, DeviceId, DeviceList, EncryptedMessage, KeyElement, Label, MAX_LABEL,
    Namespace, Payload, PreKeyId, PublicSignedPreKey, RecipientKeys, Timestamp,
};
use omemo_xml::{omemo2, parse, sce, write};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use crate::Counter;

/// Text that XML can carry: control characters with a meaning, markup, and beyond the basic plane.
fn text() -> impl Strategy<Value = String> {
    vec(
        prop_oneof![
            Just('\t'),
            Just('\n'),
            Just('\r'),
            Just(' '),
            proptest::char::range('!', '~'),
            proptest::char::range('\u{7f}', '\u{d7ff}'),
            proptest::char::range('\u{e000}', '\u{fffd}'),
            proptest::char::range('\u{10000}', '\u{10ffff}'),
        ],
        0..40,
    )
    .prop_map(|characters| characters.into_iter().collect())
}

pub(crate) fn signature() -> impl Strategy<Value = Signature> {
    any::<[u8; 32]>().prop_map(|half| {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&half);
        bytes[32..].copy_from_slice(&half);
        Signature::from_bytes(bytes)
    })
}

fn jid() -> impl Strategy<Value = BareJid> {
    text().prop_filter_map("a bare JID", |text| BareJid::new(&text).ok())
}

fn device_list() -> impl Strategy<Value = DeviceList> {
    let label = (text(), signature())
        .prop_filter("short", |(text, _)| text.len() <= MAX_LABEL)
        .prop_map(|(text, signature)| Label { text, signature });
    let entry = option::of(label).prop_map(|label| DeviceEntry { label });
    btree_map(any::<u32>().prop_map(DeviceId::new), entry, 0..200).prop_map(|devices| DeviceList { devices })
}

fn bundle() -> impl Strategy<Value = Bundle> {
    let identity_key =
        any::<[u8; 32]>().prop_filter_map("a point", |bytes| IdentityKey::from_ed25519(bytes).ok());
    let key = || any::<[u8; 32]>().prop_map(PublicKey::from_bytes);
    let id = || any::<u32>().prop_map(PreKeyId::new);
    (
        identity_key,
        id(),
        key(),
        signature(),
        btree_map(id(), key(), 1..120),
    )
        .prop_map(|(identity_key, id, key, signature, pre_keys)| Bundle {
            identity_key,
            signed_pre_key: PublicSignedPreKey { id, key, signature },
            pre_keys,
        })
}

fn message() -> impl Strategy<Value = EncryptedMessage> {
    let key =
        (any::<u32>(), any::<bool>(), vec(any::<u8>(), 0..200)).prop_map(|(device, key_exchange, data)| {
            KeyElement {
                device: DeviceId::new(device),
                key_exchange,
                data,
            }
        });
    let recipient = (jid(), vec(key, 1..8)).prop_map(|(jid, keys)| RecipientKeys { jid: Some(jid), keys });
    let payload = option::of(vec(any::<u8>(), 0..500))
        .prop_map(|ciphertext| ciphertext.map(|ciphertext| Payload { ciphertext, iv: None }));
    (any::<u32>(), vec(recipient, 0..8), payload).prop_map(|(sender, recipients, payload)| EncryptedMessage {
        namespace: Namespace::OMEMO_2,
        sender_device: DeviceId::new(sender),
        recipients,
        payload,
    })
}

fn envelope() -> impl Strategy<Value = sce::Envelope> {
    let content = vec(
        (text(), text(), "[a-z]{1,5}").prop_map(|(text, namespace, name)| {
            let mut element = minidom::Element::bare(name, format!("urn:{namespace}"));
            // XML cannot tell an empty text from none.
            if !text.is_empty() {
                element.append_text(text);
            }
            element
        }),
        0..4,
    );
    let time = option::of(0..=253_402_300_799_u64);
    (content, option::of(jid()), option::of(jid()), time).prop_map(|(content, from, to, time)| {
        let mut envelope = sce::Envelope::new(content);
        envelope.from = from.map(|jid| jid.as_str().to_owned());
        envelope.to = to.map(|jid| jid.as_str().to_owned());
        envelope.time = time.map(Timestamp::from_unix);
        envelope
    })
}

proptest! {
    #[test]
    fn of_device_lists(list in device_list()) {
        let element = omemo2::device_list_to_xml(&list);
        let parsed = parse(&write(&element).unwrap()).unwrap();
        prop_assert_eq!(omemo2::device_list_from_xml(&element).unwrap(), list.clone());
        prop_assert_eq!(omemo2::device_list_from_xml(&parsed).unwrap(), list);
    }

    #[test]
    fn of_bundles(bundle in bundle()) {
        let element = omemo2::bundle_to_xml(&bundle);
        let parsed = omemo2::bundle_from_xml(&parse(&write(&element).unwrap()).unwrap()).unwrap();
        prop_assert_eq!(parsed.identity_key.ed25519(), bundle.identity_key.ed25519());
        prop_assert_eq!(parsed, bundle);
    }

    #[test]
    fn of_messages(message in message()) {
        let element = omemo2::encrypted_to_xml(&message).unwrap();
        let parsed = parse(&write(&element).unwrap()).unwrap();
        prop_assert_eq!(omemo2::encrypted_from_xml(&element).unwrap(), message.clone());
        prop_assert_eq!(omemo2::encrypted_from_xml(&parsed).unwrap(), message);
    }

    #[test]
    fn of_envelopes(envelope in envelope(), seed: u64) {
        let bytes = envelope.to_bytes(&mut Counter(seed)).unwrap();
        prop_assert_eq!(sce::Envelope::from_bytes(&bytes).unwrap(), envelope);
    }
}
