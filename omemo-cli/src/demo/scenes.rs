//! The play, scene by scene.

use omemo::local::Weather;

use super::cast::Role::{JulietPhone, RomeoLaptop, RomeoPhone, RomeoTablet};
use super::stage::Stage;
use crate::failure::Failure;

const ALL: u8 = 100;

/// Plays everything.
pub(super) fn play(stage: &mut Stage<'_>) -> Result<(), Failure> {
    devices(stage)?;
    first_contact(stage)?;
    bad_weather(stage)?;
    crash(stage)?;
    trust(stage)
}

fn devices(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.scene("Three devices")?;
    for role in [RomeoPhone, RomeoLaptop, JulietPhone] {
        stage.enter(role)?;
    }
    stage.end_scene()
}

fn first_contact(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.scene("First contact")?;
    for (role, text) in [
        (RomeoPhone, "But, soft! What light through yonder window?"),
        (JulietPhone, "O Romeo, wherefore art thou Romeo?"),
        (RomeoLaptop, "Call me but love, and I'll be new baptized."),
    ] {
        stage.say(role, text)?;
        stage.all_hear()?;
    }
    stage.end_scene()
}

fn bad_weather(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.scene("Bad weather: out of order, late, twice")?;
    let reordered = Weather {
        reordered: ALL,
        ..Weather::default()
    };
    stage.weather(reordered, "to let each message overtake the one before")?;
    for text in [
        "With love's light wings I did o'erperch these walls;",
        "For stony limits cannot hold love out,",
        "And what love can do, that dares love attempt.",
    ] {
        stage.say(RomeoPhone, text)?;
    }
    stage.all_hear()?;
    let delayed = Weather {
        delayed: ALL,
        ..Weather::default()
    };
    stage.weather(delayed, "to hold messages back")?;
    stage.say(JulietPhone, "What man art thou that thus bescreen'd in night")?;
    stage.weather(Weather::default(), "to deliver again as they come")?;
    stage.say(JulietPhone, "So stumblest on my counsel?")?;
    stage.all_hear()?;
    stage.clear_up()?;
    stage.all_hear()?;
    let repeated = Weather {
        repeated: ALL,
        ..Weather::default()
    };
    stage.weather(repeated, "to deliver everything twice")?;
    stage.say(RomeoLaptop, "By a name I know not how to tell thee who I am.")?;
    stage.end_scene()
}

fn crash(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.scene("A phone is killed in mid-conversation")?;
    stage.say(JulietPhone, "How camest thou hither, tell me, and wherefore?")?;
    stage.say(JulietPhone, "If they do see thee, they will murder thee.")?;
    stage.hear(RomeoPhone)?;
    stage.kill(RomeoPhone)?;
    stage.say(JulietPhone, "I would not for the world they saw thee here.")?;
    stage.restart(RomeoPhone)?;
    stage.all_hear()?;
    stage.say(RomeoPhone, "I have night's cloak to hide me from their sight.")?;
    stage.end_scene()
}

fn trust(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.scene("A new device, and whom to trust")?;
    stage.verify(JulietPhone, RomeoPhone)?;
    stage.enter(RomeoTablet)?;
    let text = "Dost thou love me? I know thou wilt say ay.";
    stage.is_refused(JulietPhone, text, RomeoTablet)?;
    stage.look_at(JulietPhone, RomeoTablet)?;
    stage.say(JulietPhone, text)?;
    stage.all_hear()?;
    stage.say(RomeoTablet, "Lady, by yonder blessed moon I swear.")?;
    stage.end_scene()
}
