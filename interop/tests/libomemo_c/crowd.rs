//! Many messages between two devices of each side: lost, repeated and reordered, over sessions that both sides open at
//! once and that are replaced on the way.

use std::rc::Rc;
use std::sync::Arc;

use omemo::Protocol;
use omemo_interop::{Device, Dice, Weather};

use crate::{JULIET, ROMEO, Stage, in_each_protocol, jid};

in_each_protocol!(five_hundred_messages_in_bad_weather);

const MESSAGES: usize = 500;

/// After how many messages a device of theirs opens a new session with one of ours.
const REPLACED: usize = 60;

const WEATHER: Weather = Weather {
    lost: 5,
    repeated: 10,
    reordered: 30,
};

fn five_hundred_messages_in_bad_weather(protocol: Arc<dyn Protocol>) {
    let seed = 0x5eed;
    let mut stage = Stage::new("two devices each in bad weather", protocol, seed);
    let ours = [stage.ours("phone"), stage.ours("laptop")];
    let theirs = [stage.theirs("balcony"), stage.theirs("kitchen")];
    stage.world.settle();
    let mut devices: Vec<Rc<dyn Device>> = Vec::new();
    devices.extend(ours.iter().map(|device| Rc::clone(device) as Rc<dyn Device>));
    devices.extend(theirs.iter().map(|device| Rc::clone(device) as Rc<dyn Device>));
    // Everybody at once.
    for device in &devices {
        send(&mut stage, &**device, "Here I am");
    }

    let mut dice = Dice::new(seed);
    stage.world.server().set_weather(WEATHER);
    for number in devices.len()..MESSAGES {
        if number % REPLACED == 0 {
            let namespace = stage.namespace();
            theirs[dice.below(2)].open_session(&namespace, &*ours[dice.below(2)]);
        }
        let from = Rc::clone(&devices[dice.below(devices.len())]);
        send(&mut stage, &*from, &format!("message {number}"));
        for _ in 0..dice.below(7) {
            let to = Rc::clone(&devices[dice.below(devices.len())]);
            stage.world.deliver(&*to);
        }
    }
    stage.world.server().set_weather(Weather::default());
    stage.world.settle();
    stage.world.assert_all_read();

    let server = stage.world.server();
    let (lost, reordered) = (server.lost().len(), server.reordered());
    assert!(
        (50..150).contains(&lost),
        "{lost} were lost, the schedule says little"
    );
    assert!(
        reordered > 200,
        "{reordered} were reordered, the schedule says little"
    );
    for from in &devices {
        send(&mut stage, &**from, "Good night");
        stage.world.settle();
    }
    stage.world.assert_all_read();
}

fn send(stage: &mut Stage, from: &dyn Device, text: &str) {
    let other = if from.address().jid == jid(ROMEO) {
        JULIET
    } else {
        ROMEO
    };
    let message = stage.world.send(from, &jid(other), text);
    assert_eq!(message.keys.len(), 3);
}
