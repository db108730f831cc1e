//! Two thousand messages over both protocols: several devices of each side in bad weather, with sessions replaced, devices
//! restarted and added, and both sides catching up on the way.
//!
//! Whatever could make python-omemo lose a message by what it is (it forgets a session that it replaces) is done while
//! nothing is on its way.

use std::rc::Rc;
use std::sync::Arc;

use omemo::{Legacy, Omemo2};
use omemo_interop::{Device, Dice, Ours, Theirs, Weather};
use omemo_storage_memory::MemoryStorage;
use serde_json::json;

use crate::both::{legacy_first, omemo_2_first};
use crate::{JULIET, Protocols, ROMEO, Stage, jid};

/// Of each test; there are four.
const MESSAGES: usize = 500;

/// After how many messages everything comes to rest, and something is done.
const SPELL: usize = 100;

const WEATHER: Weather = Weather {
    lost: 5,
    repeated: 10,
    reordered: 30,
};

/// The devices, and what may happen to them.
struct Crowd {
    stage: Stage,
    dice: Dice,
    ours: Vec<Rc<Ours<MemoryStorage>>>,
    theirs: Vec<Rc<Theirs>>,
    texts: usize,
}

impl Crowd {
    fn new(name: &str, seed: u64, ours: &[(&str, Protocols)], theirs: &[(&str, Protocols)]) -> Self {
        let mut crowd = Self {
            stage: Stage::speaking(name, omemo_2_first(), seed),
            dice: Dice::new(seed),
            ours: Vec::new(),
            theirs: Vec::new(),
            texts: 0,
        };
        for (name, protocols) in ours {
            crowd.add_ours(name, protocols.clone());
        }
        for (name, protocols) in theirs {
            crowd.add_theirs(name, protocols);
        }
        crowd
    }

    /// A new device of ours, which all others learn of and hear of.
    fn add_ours(&mut self, name: &str, protocols: Protocols) {
        let device = self.stage.ours_speaking(name, protocols, MemoryStorage::new());
        self.ours.push(Rc::clone(&device));
        self.introduce(&*device);
    }

    fn add_theirs(&mut self, name: &str, protocols: &Protocols) {
        let device = self.stage.theirs_speaking(name, protocols);
        self.theirs.push(Rc::clone(&device));
        self.introduce(&*device);
    }

    /// It speaks and is heard by all before anybody else speaks: devices of python-omemo that open sessions with each
    /// other at the same time end up with none.
    fn introduce(&mut self, device: &dyn Device) {
        self.stage.world.settle();
        self.send(device);
        self.stage.world.settle();
    }

    fn devices(&self) -> Vec<Rc<dyn Device>> {
        let ours = self.ours.iter().map(|device| Rc::clone(device) as Rc<dyn Device>);
        let theirs = self
            .theirs
            .iter()
            .map(|device| Rc::clone(device) as Rc<dyn Device>);
        ours.chain(theirs).collect()
    }

    fn send(&mut self, from: &dyn Device) {
        let other = if from.address().jid == jid(ROMEO) {
            JULIET
        } else {
            ROMEO
        };
        if self.ours.is_empty() || self.theirs.is_empty() {
            return;
        }
        let text = format!("text {}", self.texts);
        self.texts += 1;
        self.stage.world.send_all(from, &jid(other), &text);
    }

    /// Texts in bad weather, from and to anybody.
    fn spell(&mut self) {
        let end = self.texts + SPELL;
        let devices = self.devices();
        self.stage.world.server().set_weather(WEATHER);
        while self.texts < end.min(MESSAGES) {
            let from = &devices[self.dice.below(devices.len())];
            self.send(&**from);
            for _ in 0..self.dice.below(2 * devices.len()) {
                let to = &devices[self.dice.below(devices.len())];
                self.stage.world.deliver(&**to);
            }
        }
        self.stage.world.server().set_weather(Weather::default());
        self.stage.world.settle();
        self.stage.world.assert_all_read();
    }

    /// Five spells, with something done before each but the first.
    fn live(mut self, mut between: impl FnMut(&mut Self, usize)) {
        for number in 0.. {
            if self.texts == MESSAGES {
                break;
            }
            if number > 0 {
                between(&mut self, number);
                self.stage.world.settle();
            }
            self.spell();
        }
        let server = self.stage.world.server();
        let (lost, reordered) = (server.lost().len(), server.reordered());
        assert!(lost > 40, "{lost} were lost, the schedule says little");
        assert!(
            reordered > 200,
            "{reordered} were reordered, the schedule says little"
        );
    }
}

#[test]
fn most_like_omemo_2_best() {
    let crowd = Crowd::new(
        "most like OMEMO 2 best, sessions replaced",
        1,
        &[("phone", omemo_2_first()), ("laptop", vec![Arc::new(Legacy)])],
        &[("balcony", omemo_2_first()), ("kitchen", legacy_first())],
    );
    crowd.live(|crowd, number| {
        let (theirs, ours) = (&crowd.theirs[number % 2], &crowd.ours[number / 2 % 2]);
        theirs.replace_session(&**ours);
    });
}

#[test]
fn most_like_legacy_best() {
    let crowd = Crowd::new(
        "most like legacy OMEMO best, devices restarted",
        2,
        &[("phone", legacy_first()), ("laptop", omemo_2_first())],
        &[("balcony", legacy_first()), ("kitchen", vec![Arc::new(Legacy)])],
    );
    crowd.live(|crowd, _| {
        for device in &crowd.ours {
            device.restart(|storage| storage);
        }
        for device in &crowd.theirs {
            device.restart();
        }
    });
}

#[test]
fn devices_come_while_all_catch_up() {
    let crowd = Crowd::new(
        "devices come while all catch up",
        3,
        &[("phone", omemo_2_first())],
        &[("balcony", legacy_first())],
    );
    let mut open = Vec::new();
    crowd.live(|crowd, number| {
        if number % 2 == 1 {
            // Sessions that are opened now are answered at the end, when the next spell is over.
            open = crowd.begin_catch_ups();
            crowd.add_ours(&format!("laptop {number}"), omemo_2_first());
            crowd.add_theirs(&format!("kitchen {number}"), &omemo_2_first());
        } else {
            crowd.end_catch_ups(&std::mem::take(&mut open));
        }
    });
}

impl Crowd {
    fn begin_catch_ups(&self) -> Vec<omemo::CatchUp> {
        for device in &self.theirs {
            device.must("before_history_sync", json!({}));
        }
        let begin = |device: &Rc<Ours<_>>| device.with(|client| client.begin_catch_up()).unwrap();
        self.ours.iter().map(begin).collect()
    }

    fn end_catch_ups(&self, catch_ups: &[omemo::CatchUp]) {
        let answers = self.stage.empty_messages().len();
        for (device, catch_up) in self.ours.iter().zip(catch_ups) {
            device.with(|client| client.end_catch_up(catch_up)).unwrap();
            device.flush();
        }
        assert!(
            self.stage.empty_messages().len() > answers,
            "nobody was owed an answer"
        );
        for device in &self.theirs[..catch_ups.len()] {
            device.must("after_history_sync", json!({}));
        }
    }
}

#[test]
fn one_protocol_each_beside_both() {
    let crowd = Crowd::new(
        "one protocol each beside both",
        4,
        &[
            ("phone", vec![Arc::new(Omemo2)]),
            ("laptop", vec![Arc::new(Legacy)]),
        ],
        &[
            ("balcony", omemo_2_first()),
            ("kitchen", vec![Arc::new(Legacy)]),
            ("chamber", vec![Arc::new(Omemo2)]),
        ],
    );
    crowd.live(|_, _| {});
}
