//! The errors of sending, and ids that are taken.

use std::pin::Pin;
use std::sync::Arc;

use omemo::blocking::wait;
use omemo::trust::Manual;
use omemo::{
    Answer, AskTrust, Client, DeviceEntry, DeviceId, DeviceList, EncryptFailure, Error, NetworkError,
    Settings, TrustPrompt,
};
use rand_core::{CryptoRng, Infallible, TryCryptoRng, TryRng};

use super::world::{Device, JULIET, LEGACY, OMEMO_2, ROMEO, World, both, jid, settings};

struct OnHoliday;

impl TrustPrompt for OnHoliday {
    fn ask<'a>(&'a self, _: &'a AskTrust) -> Answer<'a> {
        let answer = Err(NetworkError::new("the window is closed"));
        Box::pin(std::future::ready(answer)) as Pin<Box<_>>
    }
}

/// Why an account that was not used before does not encrypt.
fn refusal(world: &World, of: &str, request: omemo::EncryptRequest, asks: bool) -> Error {
    let settings = Settings {
        trust: Arc::new(Manual),
        ..settings(of, vec![Arc::new(omemo::Omemo2)])
    };
    let romeo = world.open(settings, "phone", Arc::default(), |builder| {
        if asks { builder.prompt(OnHoliday) } else { builder }
    });
    wait(romeo.client.encrypt(request)).unwrap_err()
}

#[test]
fn each_reason_not_to_encrypt_is_an_error_of_its_own() {
    let world = World::default();
    let juliet = world.device(JULIET, "phone");
    let request = || Device::request(&juliet.jid, "hello", &[OMEMO_2]);
    let error = refusal(&world, "romeo1@montague.lit", request(), false);
    assert!(
        matches!(&error, Error::Encrypt(EncryptFailure::StillUndecided(keys)) if keys.len() == 1),
        "{error}"
    );
    let error = refusal(&world, "romeo2@montague.lit", request(), true);
    assert!(
        matches!(error, Error::Encrypt(EncryptFailure::TrustDecisionFailed(_))),
        "{error}"
    );
    let nobody = jid("nobody@capulet.lit");
    let error = refusal(
        &world,
        "romeo3@montague.lit",
        Device::request(&nobody, "hello", &[OMEMO_2]),
        false,
    );
    assert!(
        matches!(&error, Error::Encrypt(EncryptFailure::NoEligibleDevices { jids, .. }) if *jids == [nobody]),
        "{error}"
    );
    let error = refusal(
        &world,
        "romeo4@montague.lit",
        Device::request(&juliet.jid, "hello", &[LEGACY]),
        false,
    );
    assert!(
        matches!(&error, Error::UnknownNamespace(of) if *of == LEGACY),
        "{error}"
    );
    let mut unknown = request();
    unknown.priority = vec![LEGACY];
    let error = refusal(&world, "romeo5@montague.lit", unknown, false);
    assert!(matches!(error, Error::UnknownNamespace(_)), "{error}");
}

/// Draws what it was told first, then anything.
struct Scripted<R>(Vec<u32>, R);

impl<R: CryptoRng> TryRng for Scripted<R> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(match self.0.is_empty() {
            true => self.1.next_u32(),
            false => self.0.remove(0),
        })
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.1.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.1.fill_bytes(bytes);
        Ok(())
    }
}

impl<R: CryptoRng> TryCryptoRng for Scripted<R> {}

#[test]
fn a_device_id_that_any_list_holds_is_not_taken() {
    let world = World::default();
    let me = jid(ROMEO);
    for (namespace, id) in [(OMEMO_2, 7), (LEGACY, 8)] {
        let list = DeviceList {
            devices: [(DeviceId::new(id), DeviceEntry::default())].into(),
        };
        world.server.publish_device_list(&me, &namespace, list);
    }
    // An id is what is drawn, halved: two that are taken, one that is none, and then a free one.
    let draws = vec![7 << 1, 8 << 1, 0, 9 << 1];
    let builder = Client::builder(
        settings(ROMEO, both()),
        omemo_storage_memory::MemoryStorage::new(),
        world.server.connect(&me, "phone"),
    );
    let client = wait(builder.rng(Scripted(draws, omemo::system_rng())).open()).unwrap();
    assert_eq!(client.device(), DeviceId::new(9));
    let list = world.server.device_list(&me, &LEGACY).unwrap();
    assert_eq!(
        list.devices.into_keys().collect::<Vec<_>>(),
        [DeviceId::new(8), DeviceId::new(9)]
    );
}
