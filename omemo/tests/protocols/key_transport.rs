//! Messages without payload.

use super::*;

#[test]
fn wire_note_25_a_key_transport_is_handed_out_and_moves_the_session_on() {
    let server = Server::new();
    let (romeo, juliet) = old_friends(&server);
    send(&romeo, &[JULIET], &[LEGACY]);
    decrypt(&juliet, &only_message(&juliet)).unwrap();
    juliet.flush();
    let message = only_message(&romeo);
    assert!(message.message.content().is_none());
    assert_eq!(
        message
            .message
            .payload
            .as_ref()
            .unwrap()
            .iv
            .as_ref()
            .unwrap()
            .len(),
        12
    );
    let received = decrypt(&romeo, &message).unwrap();
    assert_eq!(received.content, Content::KeyTransport);
    let material = &received.key_material;
    assert_eq!((material.key().len(), material.tag().len()), (16, 0));
    // The ratchet went on: no more key exchanges.
    let encrypted = send(&romeo, &[JULIET], &[LEGACY]);
    assert!(!encrypted.messages[0].recipients[0].keys[0].key_exchange);
}

#[test]
fn wire_note_25_a_key_transport_of_32_bytes_is_accepted() {
    let server = Server::new();
    let (romeo, juliet) = old_friends(&server);
    send(&romeo, &[JULIET], &[LEGACY]);
    let mut message = only_message(&juliet);
    message.message.payload.as_mut().unwrap().ciphertext.clear();
    let decrypted = decrypt(&juliet, &message).unwrap();
    assert_eq!(decrypted.content, Content::KeyTransport);
    let material = &decrypted.key_material;
    assert_eq!((material.key().len(), material.tag().len()), (16, 16));
    assert!(decrypted.flush_wanted, "the pre key is used");
}

#[test]
fn wire_note_26_the_iv_of_a_key_transport_may_be_missing() {
    let server = Server::new();
    let (romeo, juliet) = old_friends(&server);
    send(&romeo, &[JULIET], &[LEGACY]);
    let mut message = only_message(&juliet);
    message.message.payload = None;
    assert_eq!(decrypt(&juliet, &message).unwrap().content, Content::KeyTransport);
}

#[test]
fn wire_note_32_a_long_chain_is_answered_by_a_key_transport() {
    let server = Server::new();
    let (romeo, juliet) = old_friends(&server);
    send(&romeo, &[JULIET], &[LEGACY]);
    texts(&juliet);
    settle(&[&romeo, &juliet]);
    for n in 0..60 {
        send(&romeo, &[JULIET], &[LEGACY]);
        let decrypted = decrypt(&juliet, &only_message(&juliet)).unwrap();
        assert_eq!(decrypted.flush_wanted, n == 53, "message {n}");
    }
    juliet.flush();
    let answer = decrypt(&romeo, &only_message(&romeo)).unwrap();
    assert_eq!(answer.content, Content::KeyTransport);
}
