//! Somebody else with the id of a contact's device.

use omemo::blocking::wait;
use omemo::local::Server;
use omemo::trust::{Trust, TrustLevel};
use omemo::{DecryptFailure, Decrypted, DeviceId, Error, IdentityKey, IncomingMessage};

use super::common::{self, Device, open};
use super::{NS, forged, list, messages, mirror, written};

/// A device that juliet's server has made up, on a server where it is hers.
struct Impostor {
    server: Server,
    device: Device,
}

impl Impostor {
    /// Knows what romeo offers now.
    fn new(server: &Server, romeo: &Device) -> Self {
        // A pre key that was used is not in the bundle any more.
        romeo.flush();
        let own = Server::new();
        let device = open(&own, "juliet@capulet.lit", "impostor");
        device.flush();
        mirror(romeo, server, &own);
        messages(&device);
        Self { server: own, device }
    }

    fn id(&self) -> DeviceId {
        self.device.client.device()
    }

    fn bundle(&self) -> omemo::Bundle {
        self.server.bundle(&self.device.jid, &NS, self.id()).unwrap()
    }

    /// What it writes to romeo under the id of another device.
    fn write_as(&self, other: DeviceId, romeo: &Device, text: &str) -> IncomingMessage {
        let mut message = written(&self.device, romeo, text);
        message.message.sender_device = other;
        message
    }

    /// Reads what was meant for another device.
    fn read_in_place_of(&self, other: DeviceId, mut message: IncomingMessage) {
        let recipients = &mut message.message.recipients;
        for element in recipients.iter_mut().flat_map(|recipient| &mut recipient.keys) {
            if element.device == other {
                element.device = self.id();
            }
        }
        let _ = self.device.decrypt(message).unwrap();
    }
}

/// Romeo knows juliet's device by the key of an impostor, who has a session with him under its id.
struct Planted {
    server: Server,
    romeo: Device,
    juliet: Device,
    impostor: Impostor,
    /// The key that her device has in truth.
    honest: IdentityKey,
}

/// A forged message has made romeo open a session, while her server showed the bundle of the impostor.
fn planted() -> Planted {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    messages(&romeo);
    messages(&juliet);
    let device = juliet.client.device();
    let impostor = Impostor::new(&server, &romeo);
    let honest = server.bundle(&juliet.jid, &NS, device).unwrap();
    server.publish_bundle(&juliet.jid, &NS, device, impostor.bundle());
    let result = romeo.decrypt(forged(&romeo, "juliet@capulet.lit", device.get()));
    assert!(
        matches!(result, Err(Error::Decrypt(DecryptFailure::NoSession(_)))),
        "{result:?}"
    );
    romeo.flush();
    for message in messages(&juliet) {
        impostor.read_in_place_of(device, message);
    }
    server.publish_bundle(&juliet.jid, &NS, device, honest.clone());
    Planted {
        server,
        romeo,
        juliet,
        impostor,
        honest: honest.identity_key,
    }
}

fn judge(romeo: &Device, of: &Device, key: IdentityKey, level: TrustLevel) {
    wait(romeo.client.set_trust(of.jid.clone(), key, level)).unwrap();
}

#[test]
fn a_planted_session_is_never_taken_for_a_verified_key() {
    let Planted {
        server,
        romeo,
        juliet,
        impostor,
        honest,
    } = planted();
    let device = juliet.client.device();
    juliet.send(&[&romeo.jid], "hello");
    // The device is known by the key of the planted session now: the honest one is refused, openly.
    let hello = messages(&romeo);
    assert!(!hello.is_empty());
    for message in hello {
        let error = romeo.decrypt(message).unwrap_err();
        assert!(
            matches!(error, Error::Decrypt(DecryptFailure::PublicDataInconsistency(_))),
            "{error}"
        );
    }
    // They compare fingerprints.
    let shown = server.bundle(&juliet.jid, &NS, device).unwrap().identity_key;
    assert!(shown == honest);
    judge(&romeo, &juliet, honest, TrustLevel::TRUSTED);
    let forged = impostor.write_as(device, &romeo, "forged by the server");
    let sender = romeo.decrypt(forged).unwrap().received().unwrap().sender;
    assert!(
        sender.identity_key != honest && sender.trust != Trust::Trusted,
        "impersonation: {sender:?}"
    );
    // Since a key was verified, the planted one is trusted no more blindly.
    messages(&juliet);
    assert!(romeo.encrypt(&[&juliet.jid], "for juliet only").is_err());
}

/// Romeo looks at her devices: what he is shown, and compares, is the key of the session there is.
#[test]
fn a_session_opened_for_repair_is_shown_with_its_own_key() {
    let Planted {
        romeo,
        juliet,
        honest,
        // Neither goes away before the end.
        server: _server,
        impostor: _impostor,
    } = planted();
    let known = wait(romeo.client.device_information(juliet.jid.clone())).unwrap();
    let shown = known.devices[0].identity_key.unwrap();
    assert!(shown != honest);
    judge(&romeo, &juliet, shown, TrustLevel::DISTRUSTED);
    judge(&romeo, &juliet, honest, TrustLevel::TRUSTED);
    assert!(romeo.encrypt(&[&juliet.jid], "for juliet only").is_err());
}

/// Her server lists so many other devices that hers is forgotten, and then hers again: it comes back as a new one, is
/// judged by the key it has now, and is not read in the session it had.
#[test]
fn a_forgotten_device_comes_back_without_its_sessions() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    common::settle(&[&romeo, &juliet]);
    juliet.send(&[&romeo.jid], "hi");
    common::settle(&[&romeo, &juliet]);
    let device = juliet.client.device();
    let late = written(&juliet, &romeo, "late");
    let push = |list| wait(romeo.client.update_device_list(NS, juliet.jid.clone(), list)).unwrap();
    push(list(1..201));
    push(list([device.get()]));
    let impostor = Impostor::new(&server, &romeo);
    let forged = impostor.write_as(device, &romeo, "forged");
    let sender = romeo.decrypt(forged).unwrap().received().unwrap().sender;
    assert_eq!(sender.identity_key, impostor.bundle().identity_key);
    assert!(romeo.decrypt(late).is_err());
}

/// The server has one more device, is forgotten with it, and repeats its key exchange with the key that romeo trusts.
#[test]
fn the_identity_key_in_a_repeated_key_exchange_is_not_believed() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    common::settle(&[&romeo, &juliet]);
    juliet.send(&[&romeo.jid], "hi");
    let mut decrypted = messages(&romeo)
        .into_iter()
        .map(|message| romeo.decrypt(message).unwrap());
    let hi = decrypted.next().and_then(Decrypted::received).unwrap();
    let honest = hi.sender.identity_key;
    judge(&romeo, &juliet, honest, TrustLevel::TRUSTED);
    let impostor = Impostor::new(&server, &romeo);
    let both = [juliet.client.device().get(), impostor.id().get()];
    let push = |list| wait(romeo.client.update_device_list(NS, juliet.jid.clone(), list)).unwrap();
    push(list(both));
    let first = romeo.decrypt(written(&impostor.device, &romeo, "first")).unwrap();
    assert_eq!(first.received().unwrap().sender.trust, Trust::Undecided);
    // Forgotten, and listed again.
    push(list((1..200).chain([both[0]])));
    push(list(both));
    let mut second = written(&impostor.device, &romeo, "forged");
    let recipients = &mut second.message.recipients;
    for element in recipients.iter_mut().flat_map(|recipient| &mut recipient.keys) {
        let field = element.data.windows(2).position(|field| field == [0x1a, 32]);
        if let Some(at) = field {
            element.data[at + 2..at + 34].copy_from_slice(honest.ed25519());
        }
    }
    assert!(romeo.decrypt(second).is_err());
}
