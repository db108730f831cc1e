//! What goes wrong on the stage is not passed over.

use omemo::local::Weather;

use super::Stage;
use crate::demo::cast::Role;
use crate::failure::Failure;

/// Lets Romeo's and Juliet's phones play; returns what was told, and how it ended.
fn play(scene: impl Fn(&mut Stage<'_>) -> Result<(), Failure>) -> (String, Result<(), Failure>) {
    let directory = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    let mut stage = Stage::new(directory.path(), &mut out).unwrap();
    stage.enter(Role::RomeoPhone).unwrap();
    stage.enter(Role::JulietPhone).unwrap();
    let end = scene(&mut stage).and_then(|()| stage.end_scene());
    (String::from_utf8(out).unwrap(), end)
}

fn failure(scene: impl Fn(&mut Stage<'_>) -> Result<(), Failure>) -> String {
    play(scene).1.unwrap_err().to_string()
}

#[test]
fn a_lost_message_is_missed() {
    let lost = Weather {
        lost: 100,
        ..Weather::default()
    };
    let end = failure(|stage| {
        stage.weather(lost, "to lose everything")?;
        stage.say(Role::RomeoPhone, "Lady?")
    });
    assert_eq!(end, "juliet's phone could not read #1: Lady?");
}

#[test]
fn a_damaged_message_is_named() {
    let end = failure(|stage| {
        let encrypted = stage.device(Role::RomeoPhone)?.encrypt("Lady?")?.unwrap();
        let mut outgoing = encrypted.complete().unwrap();
        let message = outgoing.messages.first_mut().unwrap();
        *message.payload.as_mut().unwrap().ciphertext.last_mut().unwrap() ^= 1;
        stage.device(Role::RomeoPhone)?.send(message);
        stage.lines.push(super::Line {
            by: Role::RomeoPhone,
            text: "Lady?".into(),
            audience: 1,
            unread: [Role::JulietPhone].into(),
            messages: outgoing.messages,
        });
        Ok(())
    });
    assert!(
        end.starts_with("juliet's phone could not read #1 (Lady?): "),
        "{end}"
    );
}

#[test]
fn other_words_are_noticed() {
    let end = failure(|stage| {
        stage.say(Role::RomeoPhone, "Lady?")?;
        stage.lines.last_mut().unwrap().text = "Lord?".into();
        Ok(())
    });
    assert_eq!(end, "juliet's phone read what nobody said to it: Lady?");
}

#[test]
fn a_readable_text_is_noticed() {
    let (told, end) = play(|stage| {
        let mut message = stage
            .device(Role::RomeoPhone)?
            .encrypt("Lady?")?
            .unwrap()
            .complete()
            .unwrap()
            .messages
            .remove(0);
        stage.say(Role::RomeoPhone, "Romeo!")?;
        message
            .payload
            .as_mut()
            .unwrap()
            .ciphertext
            .extend_from_slice(b"Romeo!");
        message.recipients.clear();
        stage.device(Role::RomeoPhone)?.send(&message);
        Ok(())
    });
    assert!(told.contains("of 1 text so far it can read 1"), "{told}");
    assert_eq!(end.unwrap_err().to_string(), "the server could read a text");
}

#[test]
fn a_decision_that_nobody_waits_for_is_noticed() {
    let end = failure(|stage| {
        stage.enter(Role::RomeoLaptop)?;
        stage.is_refused(Role::JulietPhone, "Ay me!", Role::RomeoLaptop)
    });
    assert_eq!(end, "juliet's phone did not wait for a decision");
}

#[test]
fn devices_that_do_not_run_do_nothing() {
    let end = failure(|stage| stage.say(Role::RomeoTablet, "Lady?"));
    assert_eq!(end, "romeo's tablet does not run");
}
