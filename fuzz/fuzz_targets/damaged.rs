//! A storage in which a record is damaged: every operation ends, with an error where it cannot do without the record, and
//! then nothing is changed.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use omemo_fuzz::{Choices, Person, Scene, Server, drive};
use omemo_sansio::trust::TrustLevel;
use omemo_sansio::{BareJid, DeviceAddress, EncryptRequest, Error, Namespace};

fuzz_target!(|data: &[u8]| {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    let scene = SCENE.get_or_init(|| Scene::all().pop().expect("there are some"));
    let mut choices = Choices::new(data);
    let mut records = scene.records.clone();
    let place = usize::from(choices.byte()) % records.len();
    if let Some(value) = records.values_mut().nth(place) {
        let mut bytes = value.as_bytes().to_vec();
        for _ in 0..=choices.byte() % 4 {
            choices.alter(&mut bytes);
        }
        *value = bytes.into();
    }
    let (mut receiver, mut server) = (scene.receiver(&records), scene.server.clone());
    for _ in 0..4 {
        let before = receiver.records();
        let result = operate(&mut receiver, &mut server, &mut choices, scene);
        match result {
            Err(Error::Internal(what)) => panic!("a fault of the library: {what}"),
            Err(Error::Corrupt { .. }) => {
                assert!(receiver.records() == before, "a failure has changed something")
            }
            _ => {}
        }
    }
});

fn operate(
    receiver: &mut Person,
    server: &mut Server,
    choices: &mut Choices<'_>,
    scene: &Scene,
) -> Result<(), Error> {
    let juliet = || BareJid::new("juliet@capulet.lit").expect("a JID");
    let kind = choices.byte() % 16;
    let letter = choices.pick(&scene.letters).clone();
    let address = DeviceAddress {
        jid: juliet(),
        device: letter.message.message.sender_device,
    };
    let namespace = choices.pick(&[Namespace::OMEMO_2, Namespace::LEGACY]).clone();
    match kind {
        0..=3 => drive(receiver, server, |account| account.decrypt(letter.message)).map(drop),
        4 => drive(receiver, server, |account| {
            let page: Vec<_> = scene
                .letters
                .iter()
                .map(|letter| letter.message.clone())
                .collect();
            account.decrypt_many(page)
        })
        .map(drop),
        5 | 6 => {
            let request = EncryptRequest::new(vec![juliet()], namespace, b"hello".to_vec());
            drive(receiver, server, |account| account.encrypt(request)).map(drop)
        }
        7 => drive(receiver, server, |account| account.maintain()).map(drop),
        8 => drive(receiver, server, |account| account.open(None)).map(drop),
        9 => drive(receiver, server, |account| account.device_information(juliet())).map(drop),
        10 => drive(receiver, server, |account| account.replace_sessions(address)).map(drop),
        11 => drive(receiver, server, |account| account.ensure_consistency()).map(drop),
        12 => drive(receiver, server, |account| account.back_up(vec![juliet()])).map(drop),
        13 => drive(receiver, server, |account| account.purge_contact(juliet())).map(drop),
        14 => drive(receiver, server, |account| account.begin_accepting_copy()).map(drop),
        _ => {
            let devices = drive(receiver, server, |account| account.device_information(juliet()))?;
            let Some(key) = devices.devices.first().and_then(|device| device.identity_key) else {
                return Ok(());
            };
            drive(receiver, server, |account| {
                account.set_trust(juliet(), key, TrustLevel::TRUSTED)
            })
        }
    }
}
