//! What the two sides of a case do.

use std::collections::BTreeMap;

use omemo_sansio::hazmat::{RatchetSecret, SessionState};
use omemo_sansio::keys::KeyPair;
use omemo_sansio::protocol::{Message, Role};
use omemo_sansio::ratchet::{Accepted, SkipLimits, SkippedKeys};

use super::{After, Case, Deliver, Expect, FinalState, Name, Send};
use crate::vectors::checks::{Checks, Context, Verdict};
use crate::vectors::format::Hex;
use crate::vectors::script::Script;
use crate::vectors::session::{Ratchet, Stored};
use crate::vectors::version::Version;

/// Both sides of a case.
pub(super) struct Dialogue<'a> {
    version: Version,
    limits: SkipLimits,
    /// How b begins.
    responder: RatchetSecret,
    signed_pre_key: KeyPair,
    a: Option<Stored>,
    b: Option<Stored>,
    sent: BTreeMap<u64, &'a Send>,
}

impl<'a> Dialogue<'a> {
    pub(super) fn new(version: Version, case: &'a Case, checks: &mut Checks) -> Verdict<Self> {
        let identity = |encoded: &Hex, what| version.identity(&encoded.0).context(what);
        let identity_a = identity(&case.identity_a_encoded, "identity_a_encoded")?;
        let identity_b = identity(&case.identity_b_encoded, "identity_b_encoded")?;
        let associated_data = version.protocol().associated_data(&identity_a, &identity_b);
        for (what, sender, recorded) in [
            ("ad_a_to_b", Role::Initiator, &case.ad_a_to_b),
            ("ad_b_to_a", Role::Responder, &case.ad_b_to_a),
        ] {
            checks.bytes(what, version.joined(&associated_data, sender), recorded)?;
        }
        let signed_pre_key = KeyPair::from_secret(case.b_signed_pre_key_priv.0);
        let public = signed_pre_key.public();
        checks.bytes(
            "b_signed_pre_key_pub",
            public.as_bytes(),
            case.b_signed_pre_key_pub,
        )?;

        let mut script = Script::new([case.a_initial_ratchet_priv]);
        let secret = |peer| RatchetSecret {
            shared_secret: case.shared_secret.0,
            associated_data,
            peer,
        };
        let session = secret(identity_b)
            .initiate(version.protocol(), public, &mut script)
            .context("opening the session")?;
        script.finish()?;
        Ok(Self {
            version,
            limits: SkipLimits {
                per_message: case.max_skip,
                per_session: case.max_stored,
            },
            responder: secret(identity_a),
            signed_pre_key,
            a: Some(Stored {
                session,
                skipped: SkippedKeys::default(),
            }),
            b: None,
            sent: BTreeMap::new(),
        })
    }

    /// How many messages were sent that may arrive.
    pub(super) fn sent(&self) -> usize {
        self.sent.len()
    }

    fn side(&mut self, name: Name) -> &mut Option<Stored> {
        match name {
            Name::A => &mut self.a,
            Name::B => &mut self.b,
        }
    }

    fn sender(&mut self, name: Name) -> Verdict<&mut Stored> {
        self.side(name).as_mut().context("the sender has no session")
    }

    fn encrypt(&mut self, from: Name, plaintext: &[u8]) -> Verdict<Vec<u8>> {
        // Without a key exchange it is not written into any message.
        let own = self.responder.peer;
        let protocol = self.version.protocol();
        let sealed = self.sender(from)?.session.encrypt(protocol, &own, plaintext);
        sealed.map(|sealed| sealed.data).context("encrypting")
    }

    pub(super) fn send(&mut self, checks: &mut Checks, send: &'a Send) -> Verdict {
        let wire = self.encrypt(send.from, &send.plaintext.0)?;
        checks.bytes("wire", &wire, &send.wire)?;
        let Stored { session, skipped } = self.sender(send.from)?;
        let ratchet = SessionState::export(session, skipped).ratchet;
        checks.bytes("ratchet_priv", ratchet.own_ratchet_secret, send.ratchet_priv)?;
        let incoming = self.version.protocol().parse(&wire).context("reading it")?;
        let header = incoming.message.header();
        let ratchet_key = header.ratchet_key.as_bytes();
        checks.bytes("header: ratchet_pub", ratchet_key, send.header.ratchet_pub)?;
        checks.equal("header: pn", header.pn, send.header.pn)?;
        checks.equal("header: n", header.n, send.header.n)?;
        let known = self.sent.insert(send.msg, send).is_some();
        checks.that("it was sent before", !known)
    }

    pub(super) fn advance(&mut self, from: Name, count: u32) -> Verdict {
        (0..count).try_for_each(|_| self.encrypt(from, b"lost").map(drop))
    }

    pub(super) fn deliver(&mut self, checks: &mut Checks, deliver: &Deliver) -> Verdict {
        let sent = *self
            .sent
            .get(&deliver.msg)
            .context("the message was never sent")?;
        checks.that("it goes to its sender", sent.from != deliver.to)?;
        let wire = &deliver.wire.as_ref().unwrap_or(&sent.wire).0;
        let before = self.side(deliver.to).as_ref();
        let mut copy = before.map(Stored::copy).transpose()?;
        match &deliver.expect {
            Expect::Ok {
                plaintext,
                generated_ratchet_priv,
                after,
            } => {
                let mut script = Script::new(generated_ratchet_priv);
                let decrypted = self.receive(&mut copy, wire, &mut script)?;
                script.finish()?;
                checks.bytes("plaintext", &decrypted, plaintext)?;
                if deliver.wire.is_none() {
                    checks.bytes("plaintext as sent", &decrypted, &sent.plaintext)?;
                }
                after.check(checks, copy.as_ref().context("there is no session")?)?;
                *self.side(deliver.to) = copy;
                Ok(())
            }
            Expect::Fail {
                discarded_ratchet_priv,
            } => {
                let mut script = Script::new(discarded_ratchet_priv);
                let refused = self.receive(&mut copy, wire, &mut script).is_err();
                script.finish_early()?;
                checks.that("it was not refused", refused)?;
                match (self.side(deliver.to), copy) {
                    (Some(before), Some(after)) => after.check_unchanged(checks, "it was refused", before),
                    (before, after) => checks.that(
                        "it was refused, but opened a session",
                        before.is_none() && after.is_none(),
                    ),
                }
            }
        }
    }

    /// Decrypts in a session, or opens one; what is wrong if the message is refused.
    fn receive(&self, side: &mut Option<Stored>, wire: &[u8], script: &mut Script) -> Verdict<Vec<u8>> {
        let incoming = self.version.protocol().parse(wire).context("reading it")?;
        if incoming.key_exchange.is_some() {
            return Err("it is a key exchange".to_owned());
        }
        let message: Message = incoming.message;
        if let Some(stored) = side {
            return stored
                .decrypt(self.version, &message, self.limits, script)
                .context("decrypting");
        }
        let Accepted {
            session,
            skipped,
            plaintext,
        } = self
            .responder
            .accept(
                self.version.protocol(),
                &self.signed_pre_key,
                &message,
                self.limits,
                script,
            )
            .context("opening the session")?;
        *side = Some(Stored { session, skipped });
        Ok(plaintext.to_vec())
    }

    pub(super) fn check_final(&self, checks: &mut Checks, recorded: &FinalState) -> Verdict {
        check_side(checks, self.a.as_ref(), Some(&recorded.a)).context("final state of a")?;
        check_side(checks, self.b.as_ref(), recorded.b.as_ref()).context("final state of b")
    }
}

impl After {
    fn check(&self, checks: &mut Checks, stored: &Stored) -> Verdict {
        let Stored { session, skipped } = stored;
        checks.equal("after: skipped_stored", skipped.len(), self.skipped_stored)?;
        checks.equal(
            "after: skipped keys as the session counts them",
            usize::try_from(session.skipped_len()).ok(),
            Some(self.skipped_stored),
        )?;
        checks.equal(
            "after: receiving_chain_length",
            session.receiving_chain_length(),
            self.receiving_chain_length,
        )?;
        checks.equal(
            "after: sending_chain_length",
            session.sending_chain_length(),
            self.sending_chain_length,
        )
    }
}

fn check_side(checks: &mut Checks, actual: Option<&Stored>, recorded: Option<&Ratchet>) -> Verdict {
    checks.equal("is there a session", actual.is_some(), recorded.is_some())?;
    if let (Some(Stored { session, skipped }), Some(recorded)) = (actual, recorded) {
        recorded.check(checks, &SessionState::export(session, skipped).ratchet)?;
    }
    Ok(())
}
