//! Trust: blind before verification on both sides, and refused where a key is distrusted.

use omemo::trust::TrustLevel;
use omemo::{EncryptFailure, EncryptRequest, Error, Namespace};
use omemo_interop::{Device, Outcome};
use serde_json::json;

use crate::{JULIET, ROMEO, Stage, jid};

#[test]
fn they_distrust_us_for_a_while() {
    let mut stage = Stage::new("they distrust us", 0);
    let (romeo, juliet) = (stage.ours("phone"), stage.theirs("balcony"));
    stage.converse(&*juliet, &*romeo);
    let devices = juliet.devices(&jid(ROMEO));
    assert_eq!(devices[0].trust, "blindly-trusted");
    let identity_key: String = devices[0]
        .identity_key
        .ed25519()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let set_trust = |level| {
        juliet.must(
            "set_trust",
            json!({ "jid": ROMEO, "identity_key": identity_key, "level": level }),
        );
    };

    set_trust("distrusted");
    let message = stage.world.send(&*romeo, &jid(JULIET), "Thy name is my enemy");
    let (_, outcome) = stage.world.attempt(&*juliet).unwrap();
    assert_eq!(outcome.failure(), Some("SenderDistrusted"));
    let refused = juliet.command("encrypt", json!({ "to": [ROMEO], "plaintext": "No" }));
    assert_eq!(refused.unwrap_err().class, "NoEligibleDevices");

    set_trust("trusted");
    stage.world.server().repeat(&message, juliet.address());
    let outcome = stage.world.deliver(&*juliet);
    assert_eq!(outcome, Some(Outcome::Received(stage.world.expected(&message))));
    stage.converse(&*juliet, &*romeo);
}

#[test]
fn we_distrust_them_for_a_while() {
    let mut stage = Stage::new("we distrust them", 0);
    let (romeo, juliet) = (stage.ours("phone"), stage.theirs("balcony"));
    stage.converse(&*romeo, &*juliet);
    let identity_key = romeo.devices(&jid(JULIET))[0].identity_key.unwrap();
    assert_eq!(identity_key.curve25519().as_bytes(), &juliet.identity_key());
    let set_trust = |level| {
        romeo
            .with(|client| client.set_trust(jid(JULIET), identity_key, level))
            .unwrap();
    };

    set_trust(TrustLevel::DISTRUSTED);
    let message = stage.world.send(&*juliet, &jid(ROMEO), "Thy name is my enemy");
    let (_, outcome) = stage.world.attempt(&*romeo).unwrap();
    assert_eq!(outcome.failure(), Some("SenderDistrusted"));
    let request = EncryptRequest::new([jid(JULIET)].into(), Namespace::OMEMO_2, b"No".to_vec());
    let refused = romeo.with(|client| client.encrypt(request)).unwrap_err();
    assert!(
        matches!(refused, Error::Encrypt(EncryptFailure::NoEligibleDevices { .. })),
        "{refused}"
    );

    set_trust(TrustLevel::TRUSTED);
    stage.world.server().repeat(&message, romeo.address());
    let outcome = stage.world.deliver(&*romeo);
    assert_eq!(outcome, Some(Outcome::Received(stage.world.expected(&message))));
    stage.converse(&*romeo, &*juliet);
}
