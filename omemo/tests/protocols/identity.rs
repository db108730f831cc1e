//! One identity in both protocols.

use super::*;

#[test]
fn wire_note_06_one_identity_is_published_in_both() {
    let server = Server::new();
    let romeo = open(&server, ROMEO, "phone", &[OMEMO_2, LEGACY]);
    let bundle = |namespace| {
        server
            .bundle(&romeo.jid, &namespace, romeo.client.device())
            .unwrap()
    };
    let (new, old) = (bundle(OMEMO_2), bundle(LEGACY));
    assert_eq!(new.identity_key.ed25519(), old.identity_key.ed25519());
    assert!(
        Omemo2
            .verify_pre_key(&new.identity_key, &new.signed_pre_key)
            .is_ok()
    );
    assert!(
        Legacy
            .verify_pre_key(&old.identity_key, &old.signed_pre_key)
            .is_ok()
    );
    assert!(
        Legacy
            .verify_pre_key(&new.identity_key, &new.signed_pre_key)
            .is_err()
    );
    assert_ne!(new.signed_pre_key.key, old.signed_pre_key.key);
    assert!(
        new.pre_keys
            .values()
            .all(|key| old.pre_keys.values().all(|other| key != other))
    );
}

#[test]
fn wire_note_05_the_true_ed25519_form_replaces_a_guess() {
    let server = Server::new();
    let (juliet, hers) = negative(&server, "balcony");
    let truth = *server
        .bundle(&juliet, &OMEMO_2, hers.client.device())
        .unwrap()
        .identity_key
        .ed25519();
    let his = storage();
    let romeo = reopen(&server, ROMEO, "phone", &[LEGACY], Arc::clone(&his));
    messages(&hers);
    send(&hers, &[ROMEO], &[LEGACY]);
    assert_eq!(texts(&romeo), [LEGACY.as_str()]);
    let guess = identity(&romeo, juliet.as_str());
    assert_ne!(
        guess.ed25519(),
        &truth,
        "a legacy key exchange does not say the sign"
    );
    assert_eq!(devices_of(&romeo, juliet.as_str())[0].label, None);
    drop(romeo);

    // The bundle of OMEMO 2 does, and now the label can be verified as well.
    let romeo = reopen(&server, ROMEO, "phone", &[OMEMO_2, LEGACY], his);
    send(&romeo, &[juliet.as_str()], &[OMEMO_2]);
    let known = identity(&romeo, juliet.as_str());
    assert_eq!((known, known.ed25519()), (guess, &truth));
    assert_eq!(
        devices_of(&romeo, juliet.as_str())[0].label.as_deref(),
        Some("balcony")
    );
    assert_eq!(texts(&hers), [OMEMO_2.as_str()]);
}

#[test]
fn wire_note_05_so_does_a_key_exchange_of_omemo_2() {
    let server = Server::new();
    let (juliet, hers) = negative(&server, "balcony");
    let truth = *server
        .bundle(&juliet, &OMEMO_2, hers.client.device())
        .unwrap()
        .identity_key
        .ed25519();
    let romeo = open(&server, ROMEO, "phone", &[OMEMO_2, LEGACY]);
    messages(&hers);
    send(&hers, &[ROMEO], &[LEGACY]);
    assert_eq!(texts(&romeo), [LEGACY.as_str()]);
    assert_ne!(identity(&romeo, juliet.as_str()).ed25519(), &truth);
    send(&hers, &[ROMEO], &[OMEMO_2]);
    assert_eq!(texts(&romeo), [OMEMO_2.as_str()]);
    assert_eq!(identity(&romeo, juliet.as_str()).ed25519(), &truth);
}

#[test]
fn wire_note_05_so_does_the_signature_of_a_legacy_bundle() {
    let server = Server::new();
    let (juliet, hers) = negative(&server, "balcony");
    let truth = *server
        .bundle(&juliet, &LEGACY, hers.client.device())
        .unwrap()
        .identity_key
        .ed25519();
    let romeo = open(&server, ROMEO, "phone", &[LEGACY]);
    send(&romeo, &[juliet.as_str()], &[LEGACY]);
    assert_eq!(identity(&romeo, juliet.as_str()).ed25519(), &truth);
}

#[test]
fn wire_note_05_a_guess_does_not_replace_the_true_ed25519_form() {
    let server = Server::new();
    let (juliet, hers) = negative(&server, "balcony");
    let romeo = open(&server, ROMEO, "phone", &[OMEMO_2, LEGACY]);
    messages(&hers);
    for namespace in [OMEMO_2, LEGACY, OMEMO_2] {
        send(&hers, &[ROMEO], std::slice::from_ref(&namespace));
        assert_eq!(texts(&romeo), [namespace.as_str()]);
        let known = identity(&romeo, juliet.as_str());
        assert_eq!(known.ed25519()[31] >> 7, 1);
    }
}

/// A session that a legacy key exchange has opened has the guess for good, whatever has become known since.
#[test]
fn wire_note_05_to_write_in_a_session_does_not_bring_its_guess_back() {
    let server = Server::new();
    let (juliet, hers) = negative(&server, "balcony");
    let his = storage();
    let romeo = reopen(&server, ROMEO, "phone", &[LEGACY], Arc::clone(&his));
    messages(&hers);
    send(&hers, &[ROMEO], &[LEGACY]);
    assert_eq!(texts(&romeo), [LEGACY.as_str()]);
    drop(romeo);

    let romeo = reopen(&server, ROMEO, "phone", &[OMEMO_2, LEGACY], his);
    for namespace in [OMEMO_2, LEGACY] {
        send(&romeo, &[juliet.as_str()], std::slice::from_ref(&namespace));
        assert_eq!(texts(&hers), [namespace.as_str()]);
        let known = identity(&romeo, juliet.as_str());
        assert_eq!(known.ed25519()[31] >> 7, 1, "after {namespace:?}");
    }
}

/// Trust belongs to the key, whatever protocol it speaks.
#[test]
fn wire_note_33_a_distrusted_key_is_refused_in_both() {
    let server = Server::new();
    let romeo = open(&server, ROMEO, "phone", &[OMEMO_2, LEGACY]);
    let juliet = open(&server, JULIET, "phone", &[OMEMO_2, LEGACY]);
    messages(&romeo);
    let key = identity(&romeo, JULIET);
    wait(
        romeo
            .client
            .set_trust(jid(JULIET), key, omemo::trust::TrustLevel::DISTRUSTED),
    )
    .unwrap();
    for namespace in [OMEMO_2, LEGACY] {
        let only = std::slice::from_ref(&namespace);
        send(&juliet, &[ROMEO], only);
        let error = decrypt(&romeo, &only_message(&romeo)).unwrap_err();
        assert!(
            matches!(error, Error::Decrypt(DecryptFailure::SenderDistrusted(refused)) if refused == key),
            "{error}"
        );
        assert!(encrypt(&romeo, &[JULIET], only).is_err());
    }
}
