//! Any value comes back from its XML.

use omemo_sansio::keys::{IdentityKey, PublicKey, Signature};
use omemo_sansio::{
    Bundle, DeviceEntry, DeviceId, DeviceList, EncryptedMessage, KeyElement, Namespace, Payload, PreKeyId,
    PublicSignedPreKey, RecipientKeys,
};
use omemo_xml::{legacy, parse, write};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use crate::round_trip::signature;

fn device_list() -> impl Strategy<Value = DeviceList> {
    btree_set(any::<u32>(), 0..200).prop_map(|ids| DeviceList {
        devices: ids
            .into_iter()
            .map(|id| (DeviceId::new(id), DeviceEntry::default()))
            .collect(),
    })
}

/// As the core makes them: without the bit that is the sign of the identity key on the wire.
fn bundle() -> impl Strategy<Value = Bundle> {
    let identity_key = (any::<[u8; 32]>(), any::<bool>()).prop_filter_map("a point", |(u, sign)| {
        IdentityKey::from_curve25519(PublicKey::from_bytes(u), sign).ok()
    });
    let signature = signature().prop_map(|signature| {
        let mut bytes = *signature.as_bytes();
        bytes[63] &= 0x7f;
        Signature::from_bytes(bytes)
    });
    let key = || any::<[u8; 32]>().prop_map(PublicKey::from_bytes);
    let id = || any::<u32>().prop_map(PreKeyId::new);
    (
        identity_key,
        id(),
        key(),
        signature,
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
    let recipients = vec(key, 1..30).prop_map(|keys| vec![RecipientKeys { jid: None, keys }]);
    let payload = (vec(any::<u8>(), 0..500), vec(any::<u8>(), 0..20)).prop_map(|(ciphertext, iv)| Payload {
        ciphertext,
        iv: Some(iv),
    });
    (any::<u32>(), recipients, option::of(payload)).prop_map(|(sender, recipients, payload)| {
        EncryptedMessage {
            namespace: Namespace::LEGACY,
            sender_device: DeviceId::new(sender),
            recipients,
            payload,
        }
    })
}

proptest! {
    #[test]
    fn of_device_lists(list in device_list()) {
        let element = legacy::device_list_to_xml(&list);
        let parsed = parse(&write(&element).unwrap()).unwrap();
        prop_assert_eq!(legacy::device_list_from_xml(&parsed).unwrap(), list);
    }

    #[test]
    fn of_bundles(bundle in bundle()) {
        let element = legacy::bundle_to_xml(&bundle);
        let parsed = legacy::bundle_from_xml(&parse(&write(&element).unwrap()).unwrap()).unwrap();
        prop_assert_eq!(parsed.identity_key.ed25519(), bundle.identity_key.ed25519());
        prop_assert_eq!(parsed, bundle);
    }

    #[test]
    fn of_messages(message in message()) {
        let element = legacy::encrypted_to_xml(&message).unwrap();
        let parsed = parse(&write(&element).unwrap()).unwrap();
        prop_assert_eq!(legacy::encrypted_from_xml(&parsed).unwrap(), message);
    }
}
