//! Legacy sessions and messages.

use super::*;

/// Key exchange, answer and what follows, with the counts of OMEMO 2.
#[test]
fn a_legacy_conversation_costs_what_any_does() {
    let server = Server::new();
    let romeo = open(&server, ROMEO, "phone", &[OMEMO_2, LEGACY]);
    let juliet = open(&server, JULIET, "phone", &[LEGACY]);
    settle_both(&romeo, &juliet);
    romeo.counts();
    juliet.counts();
    send(&romeo, &[JULIET], &[OMEMO_2, LEGACY]);
    let message = only_message(&juliet);
    let decrypted = decrypt(&juliet, &message).unwrap();
    assert!(decrypted.new_session && decrypted.flush_wanted);
    one_load_one_commit(&juliet);
    one_load_one_commit(&romeo);
    juliet.flush();
    let answer = only_message(&romeo);
    romeo.counts();
    decrypt(&romeo, &answer).unwrap();
    one_load_one_commit(&romeo);
    juliet.counts();
    for _ in 0..3 {
        send(&romeo, &[JULIET], &[OMEMO_2, LEGACY]);
        let counts = romeo.counts();
        assert_eq!((counts.loads, counts.commits, counts.records_written), (1, 1, 1));
        assert!(counts.bytes_written <= 512, "{counts:?}");
        decrypt(&juliet, &only_message(&juliet)).unwrap();
        let counts = juliet.counts();
        assert_eq!((counts.loads, counts.commits, counts.records_written), (1, 1, 1));
        assert!(counts.bytes_written <= 512, "{counts:?}");
    }
}

fn one_load_one_commit(device: &Device) {
    let counts = device.counts();
    assert_eq!((counts.loads, counts.commits), (1, 1));
}

fn settle_both(one: &Device, other: &Device) {
    for device in [one, other, one, other] {
        assert!(messages(device).is_empty());
        device.flush();
    }
}

#[test]
fn wire_note_14_a_key_exchange_is_known_by_its_bytes() {
    let server = Server::new();
    let (romeo, juliet) = old_friends(&server);
    for marked in [false, true, false] {
        send(&romeo, &[JULIET], &[LEGACY]);
        let mut message = only_message(&juliet);
        message.message.recipients[0].keys[0].key_exchange = marked;
        assert_eq!(text(&decrypt(&juliet, &message).unwrap()), LEGACY.as_str());
    }
    // And a message that is none, though it is marked as one.
    juliet.flush();
    messages(&romeo)
        .into_iter()
        .for_each(|message| drop(romeo.decrypt(message).unwrap()));
    send(&romeo, &[JULIET], &[LEGACY]);
    let mut message = only_message(&juliet);
    assert!(!message.message.recipients[0].keys[0].key_exchange);
    message.message.recipients[0].keys[0].key_exchange = true;
    decrypt(&juliet, &message).unwrap();
}

#[test]
fn wire_note_14_many_key_exchanges_are_one_session() {
    let server = Server::new();
    let (romeo, juliet) = old_friends(&server);
    for n in 0..5 {
        send(&romeo, &[JULIET], &[LEGACY]);
        let message = only_message(&juliet);
        assert!(message.message.recipients[0].keys[0].key_exchange);
        assert_eq!(decrypt(&juliet, &message).unwrap().new_session, n == 0);
    }
}

#[test]
fn wire_note_15_sessions_opened_at_once_converge() {
    let server = Server::new();
    let (romeo, juliet) = old_friends(&server);
    send(&romeo, &[JULIET], &[LEGACY]);
    send(&juliet, &[ROMEO], &[LEGACY]);
    send(&romeo, &[JULIET], &[LEGACY]);
    send(&juliet, &[ROMEO], &[LEGACY]);
    assert_eq!(texts(&juliet).len(), 2);
    assert_eq!(texts(&romeo).len(), 2);
    settle(&[&romeo, &juliet]);
    for _ in 0..3 {
        send(&romeo, &[JULIET], &[LEGACY]);
        assert_eq!(texts(&juliet), [LEGACY.as_str()]);
        send(&juliet, &[ROMEO], &[LEGACY]);
        assert_eq!(texts(&romeo), [LEGACY.as_str()]);
        settle(&[&romeo, &juliet]);
    }
}

#[test]
fn wire_note_22_every_key_element_with_our_id_is_tried() {
    let server = Server::new();
    let (romeo, juliet) = old_friends(&server);
    let nurse = open(&server, NURSE, "phone", &[LEGACY]);
    messages(&romeo);
    let ours = juliet.client.device();
    for turn in 0..4 {
        send(&romeo, &[JULIET, NURSE], &[LEGACY]);
        let mut message = only_message(&juliet);
        only_message(&nurse);
        let keys = &mut message.message.recipients[0].keys;
        assert_eq!(keys.len(), 2);
        // The nurse's device has the same id.
        keys.iter_mut().for_each(|key| key.device = ours);
        let mut garbage = keys[0].clone();
        garbage.data.truncate(20);
        keys.insert(turn % 3, garbage);
        if turn % 2 == 0 {
            keys.reverse();
        }
        let before = server.bundle(&juliet.jid, &LEGACY, ours).unwrap();
        assert_eq!(text(&decrypt(&juliet, &message).unwrap()), LEGACY.as_str());
        assert!(is_repeated(&juliet.decrypt(message)));
        juliet.flush();
        let after = server.bundle(&juliet.jid, &LEGACY, ours).unwrap();
        let used = before
            .pre_keys
            .keys()
            .filter(|id| !after.pre_keys.contains_key(id))
            .count();
        assert_eq!(
            used,
            usize::from(turn == 0),
            "a key exchange for the nurse used one of ours"
        );
        messages(&romeo)
            .into_iter()
            .for_each(|message| drop(romeo.decrypt(message).unwrap()));
    }
}

#[test]
fn wire_note_22_not_more_are_tried_than_can_be_ours_by_chance() {
    let server = Server::new();
    let (romeo, juliet) = old_friends(&server);
    send(&romeo, &[JULIET], &[LEGACY]);
    let good = only_message(&juliet);
    let with = |copies: usize| {
        let mut message = good.clone();
        let keys = &mut message.message.recipients[0].keys;
        let mut other = keys[0].clone();
        *other.data.last_mut().unwrap() ^= 1;
        other.data.truncate(other.data.len() - 9);
        keys.splice(0..0, vec![other; copies]);
        message
    };
    let error = decrypt(&juliet, &with(8)).unwrap_err();
    assert!(
        matches!(error, Error::Decrypt(DecryptFailure::SeveralKeys(9))),
        "{error}"
    );
    decrypt(&juliet, &with(7)).unwrap();
}

/// Another account's device may have our id, and our account's another.
#[test]
fn wire_note_22_a_message_is_our_own_by_account_and_id() {
    let server = Server::new();
    let (romeo, juliet) = old_friends(&server);
    send(&romeo, &[JULIET], &[LEGACY]);
    let message = only_message(&juliet).message;
    let own = |sender: &str, device: DeviceId| {
        let mut message = message.clone();
        message.sender_device = device;
        let error = juliet.decrypt(IncomingMessage {
            sender: jid(sender),
            message,
        });
        matches!(error, Err(Error::Decrypt(DecryptFailure::OwnMessage)))
    };
    assert!(own(JULIET, juliet.client.device()));
    assert!(!own(ROMEO, juliet.client.device()));
    assert!(!own(JULIET, romeo.client.device()));
}

#[test]
fn wire_note_13_a_message_in_an_older_session_is_read() {
    let server = Server::new();
    let (romeo, juliet) = old_friends(&server);
    // Romeo's session is on its way while Juliet opens hers.
    send(&romeo, &[JULIET], &[LEGACY]);
    let late = only_message(&juliet);
    send(&juliet, &[ROMEO], &[LEGACY]);
    decrypt(&romeo, &only_message(&romeo)).unwrap();
    send(&romeo, &[JULIET], &[LEGACY]);
    decrypt(&juliet, &only_message(&juliet)).unwrap();
    // Now his replaces hers, and he goes on in hers.
    decrypt(&juliet, &late).unwrap();
    send(&romeo, &[JULIET], &[LEGACY]);
    let message = only_message(&juliet);
    assert!(!message.message.recipients[0].keys[0].key_exchange);
    assert_eq!(text(&decrypt(&juliet, &message).unwrap()), LEGACY.as_str());
}

#[test]
fn wire_note_28_a_message_for_others_says_so() {
    let server = Server::new();
    let (romeo, juliet) = old_friends(&server);
    send(&romeo, &[JULIET], &[LEGACY]);
    let mut message = only_message(&juliet);
    message.message.recipients[0].keys[0].device = DeviceId::new(0);
    assert!(matches!(juliet.decrypt(message), Ok(Decrypted::NotForUs)));
}

#[test]
fn wire_note_31_a_used_pre_key_is_replaced_under_another_id() {
    let server = Server::new();
    let (romeo, juliet) = old_friends(&server);
    let nurse = open(&server, NURSE, "phone", &[LEGACY]);
    messages(&juliet);
    let bundle = || {
        server
            .bundle(&juliet.jid, &LEGACY, juliet.client.device())
            .unwrap()
    };
    let mut highest = *bundle().pre_keys.keys().last().unwrap();
    for sender in [&romeo, &nurse] {
        let before = bundle();
        send(sender, &[JULIET], &[LEGACY]);
        decrypt(&juliet, &only_message(&juliet)).unwrap();
        juliet.flush();
        let after = bundle();
        assert_eq!((before.pre_keys.len(), after.pre_keys.len()), (100, 100));
        let new: Vec<_> = after
            .pre_keys
            .keys()
            .filter(|id| !before.pre_keys.contains_key(id))
            .collect();
        assert!(new.len() == 1 && *new[0] > highest, "{new:?}");
        highest = *new[0];
    }
}
