//! Many messages between two devices of each side, in bad weather.

use std::rc::Rc;

use omemo_interop::{Device, Dice, Weather};
use omemo_storage_sqlite::SqliteStorage;

use crate::{JULIET, ROMEO, Stage, jid};

const MESSAGES: usize = 200;

const WEATHER: Weather = Weather {
    lost: 5,
    repeated: 10,
    reordered: 30,
};

#[test]
fn two_hundred_messages_in_bad_weather() {
    let seed = 0x5eed;
    let mut stage = Stage::new("two devices each in bad weather", seed);
    let directory = tempfile::tempdir().unwrap();
    let storage = SqliteStorage::open(directory.path().join("laptop.sqlite"));
    let storage = omemo::blocking::wait(storage).unwrap();
    let mut devices: Vec<Rc<dyn Device>> = vec![
        stage.ours("phone"),
        stage.ours_on("laptop", storage),
        stage.theirs("balcony"),
        stage.theirs("kitchen"),
    ];
    stage.world.settle();
    let mut dice = Dice::new(seed);
    introduce(&mut stage, &mut dice, &mut devices);

    stage.world.server().set_weather(WEATHER);
    for number in 0..MESSAGES {
        let from = Rc::clone(&devices[dice.below(devices.len())]);
        send(&mut stage, &*from, &format!("message {number}"));
        for _ in 0..dice.below(7) {
            let to = Rc::clone(&devices[dice.below(devices.len())]);
            stage.world.deliver(&*to);
        }
    }
    stage.world.server().set_weather(Weather::default());
    stage.world.settle();
    let lost = stage.world.server().lost().len();
    assert!(
        (10..100).contains(&lost),
        "{lost} were lost, the schedule says little"
    );

    introduce(&mut stage, &mut dice, &mut devices);
    stage.world.assert_all_read();
}

#[test]
fn opened_by_us_in_bad_weather() {
    let mut stage = Stage::new("opened by us in bad weather", 0xbad);
    let (romeo, juliet) = (stage.ours("phone"), stage.theirs("balcony"));
    open_and_talk(&mut stage, &*romeo, &*juliet);
}

#[test]
fn opened_by_them_in_bad_weather() {
    let mut stage = Stage::new("opened by them in bad weather", 0xbad);
    let (juliet, romeo) = (stage.theirs("balcony"), stage.ours("phone"));
    open_and_talk(&mut stage, &*juliet, &*romeo);
}

/// Key exchanges and the answers to them are lost, repeated and reordered too. Only one side opens.
fn open_and_talk(stage: &mut Stage, active: &dyn Device, passive: &dyn Device) {
    stage.world.settle();
    stage.world.server().set_weather(Weather {
        lost: 40,
        repeated: 20,
        reordered: 50,
    });
    for number in 0..10 {
        send(stage, active, &format!("opening {number}"));
    }
    assert!(!stage.world.receive(passive).is_empty());
    let mut dice = Dice::new(0xbad);
    for number in 0..50 {
        let (from, to) = if dice.percent(50) {
            (active, passive)
        } else {
            (passive, active)
        };
        send(stage, from, &format!("message {number}"));
        for _ in 0..dice.below(3) {
            stage.world.deliver(to);
        }
    }
    stage.world.server().set_weather(Weather::default());
    stage.world.settle();
    stage.converse(active, passive);
}

/// Each speaks once and is heard by all before the next speaks, in any order. (Devices of python-omemo that open
/// sessions with each other at the same time end up with none.)
fn introduce(stage: &mut Stage, dice: &mut Dice, devices: &mut [Rc<dyn Device>]) {
    dice.shuffle(devices);
    for from in devices.iter() {
        let message = send(stage, &**from, "Here I am");
        assert_eq!(message.keys.len(), devices.len() - 1);
        stage.world.settle();
    }
}

fn send(stage: &mut Stage, from: &dyn Device, text: &str) -> std::sync::Arc<omemo_interop::Message> {
    let other = if from.address().jid == jid(ROMEO) {
        JULIET
    } else {
        ROMEO
    };
    stage.world.send(from, &jid(other), text)
}
