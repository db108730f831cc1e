//! Devices that write without being on the list.

use omemo::local::Delivery;
use omemo::{DecryptFailure, DeviceList, Error, IncomingMessage};

use super::world::{Device, JULIET, OMEMO_2, ROMEO, World, text};

/// The messages that have arrived; the server's word on device lists does not come through.
fn messages(device: &Device) -> Vec<IncomingMessage> {
    let deliveries = std::iter::from_fn(|| device.connection.receive());
    let messages = deliveries.filter_map(|delivery| match delivery {
        Delivery::Message(message) => Some(message),
        Delivery::DeviceList { .. } => None,
    });
    messages.collect()
}

#[test]
fn the_list_is_looked_at_again_for_a_stranger_once_a_minute() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    juliet.send(&romeo.jid, "hello", &[OMEMO_2]);
    let [message] = <[_; 1]>::try_from(messages(&romeo)).unwrap();
    let listed = world.server.device_list(&juliet.jid, &OMEMO_2).unwrap();
    world
        .server
        .publish_device_list(&juliet.jid, &OMEMO_2, DeviceList::default());
    let is_refused = || {
        matches!(
            romeo.decrypt(message.clone()),
            Err(Error::Decrypt(DecryptFailure::SenderNotFound(_)))
        )
    };
    assert!(is_refused(), "the list is empty");
    world.server.publish_device_list(&juliet.jid, &OMEMO_2, listed);
    world.clock.pass(59);
    assert!(is_refused(), "it was looked at less than a minute ago");
    world.clock.pass(1);
    let decrypted = romeo.decrypt(message.clone()).unwrap();
    assert_eq!(text(&decrypted).unwrap(), "hello");
}
