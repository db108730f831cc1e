//! A contact that means ill: its messages are authentic, and their headers say what they like. What is refused changes
//! nothing, nothing is read twice, and what is kept stays within its bounds.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use omemo_conformance::faults::TestRng;
use omemo_fuzz::Choices;
use omemo_sansio::hazmat::SessionState;
use omemo_sansio::keys::{IdentityKeyPair, KeyPair};
use omemo_sansio::protocol::{Legacy, Message, Omemo2, Protocol};
use omemo_sansio::ratchet::{DecryptError, OwnKeys, Session, SkipLimits, SkippedKeys};
use omemo_sansio::{Bundle, PreKeyId, PublicSignedPreKey, Timestamp};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const PROTOCOLS: [&dyn Protocol; 2] = [&Omemo2, &Legacy];
const BOUNDS: [SkipLimits; 3] = [
    SkipLimits {
        per_message: 4,
        per_session: 6,
    },
    SkipLimits {
        per_message: 40,
        per_session: 40,
    },
    SkipLimits {
        per_message: 0,
        per_session: 0,
    },
];

/// The records of a session: whose it is, and of whoever means ill.
type Sides = [Vec<u8>; 2];

struct Scene {
    protocol: &'static dyn Protocol,
    limits: SkipLimits,
    ill: IdentityKeyPair,
    theirs: Session,
    own: Session,
    skipped: SkippedKeys,
    /// What was written, and whether it was read.
    letters: Vec<(Vec<u8>, bool)>,
    rng: TestRng,
}

fuzz_target!(|data: &[u8]| {
    static SIDES: OnceLock<Vec<Sides>> = OnceLock::new();
    let mut choices = Choices::new(data);
    let which = usize::from(choices.byte()) % PROTOCOLS.len();
    let [own, theirs] = &SIDES.get_or_init(|| PROTOCOLS.map(sides).into())[which];
    let mut scene = Scene {
        protocol: PROTOCOLS[which],
        limits: *choices.pick(&BOUNDS),
        ill: ill(),
        theirs: Session::decode(theirs).expect("just written"),
        own: Session::decode(own).expect("just written"),
        skipped: SkippedKeys::default(),
        letters: Vec::new(),
        rng: TestRng::new(1),
    };
    while !choices.is_over() && scene.letters.len() < 200 {
        match choices.byte() % 8 {
            0..=2 => scene.writes(1),
            3 => scene.writes(usize::from(choices.byte()) % 50),
            4 => scene.lies(choices.long()),
            5 => scene.answers(),
            _ => {
                let letter = usize::from(choices.byte());
                scene.delivers(letter);
            }
        }
    }
});

fn ill() -> IdentityKeyPair {
    IdentityKeyPair::from_seed([1; 32])
}

/// A session that both sides have written in.
fn sides(protocol: &dyn Protocol) -> Sides {
    let mut rng = TestRng::new(7);
    let own = IdentityKeyPair::from_seed([2; 32]);
    let (signed_pre_key, pre_key) = (KeyPair::from_secret([3; 32]), KeyPair::from_secret([4; 32]));
    let bundle = Bundle {
        identity_key: *own.public(),
        signed_pre_key: PublicSignedPreKey {
            id: PreKeyId::new(1),
            key: *signed_pre_key.public(),
            signature: protocol.sign_pre_key(&own, signed_pre_key.public(), &mut rng),
        },
        pre_keys: [(PreKeyId::new(9), *pre_key.public())].into(),
    };
    let id = PreKeyId::new(9);
    let mut theirs = Session::initiate(protocol, &ill(), &bundle, id, NOW, &mut rng).expect("opened");
    let first = theirs
        .encrypt(protocol, ill().public(), &[0; 48])
        .expect("written")
        .data;
    let first = protocol.parse(&first).expect("written just now");
    let keys = OwnKeys {
        identity_key: &own,
        signed_pre_key: &signed_pre_key,
        pre_key: &pre_key,
    };
    let key_exchange = first.key_exchange.expect("the first has one");
    let limits = SkipLimits::default();
    let accepted = Session::accept(
        protocol,
        keys,
        &key_exchange,
        &first.message,
        limits,
        NOW,
        &mut rng,
    );
    let mut own_session = accepted.expect("accepted").session;
    let answer = own_session
        .encrypt(protocol, own.public(), &[0; 48])
        .expect("written")
        .data;
    let answer = protocol.parse(&answer).expect("written just now");
    let mut none = SkippedKeys::default();
    theirs
        .decrypt(protocol, &answer.message, Some(&mut none), limits, &mut rng)
        .expect("read");
    [own_session.encode().to_vec(), theirs.encode().to_vec()]
}

impl Scene {
    fn writes(&mut self, count: usize) {
        for _ in 0..count {
            let text = plaintext(self.letters.len());
            // Where a chain has no number left, that is all it ever says.
            let Ok(sealed) = self.theirs.encrypt(self.protocol, self.ill.public(), &text) else {
                return;
            };
            self.letters.push((sealed.data, false));
        }
    }

    /// They say that their last chain had so many messages.
    fn lies(&mut self, length: u32) {
        let none = SkippedKeys::default();
        let mut state = SessionState::export(&self.theirs, &none);
        state.ratchet.previous_sending_chain_length = length;
        (self.theirs, _) = state.import(NOW);
    }

    /// They are answered, and begin a new chain.
    fn answers(&mut self) {
        let own = IdentityKeyPair::from_seed([2; 32]);
        let sealed = self
            .own
            .encrypt(self.protocol, own.public(), &[0; 48])
            .expect("the chain is short");
        let answer = self.protocol.parse(&sealed.data).expect("written just now");
        let mut none = SkippedKeys::default();
        let limits = SkipLimits::default();
        let _ = self.theirs.decrypt(
            self.protocol,
            &answer.message,
            Some(&mut none),
            limits,
            &mut self.rng,
        );
    }

    fn delivers(&mut self, letter: usize) {
        if self.letters.is_empty() {
            return;
        }
        let letter = letter % self.letters.len();
        let (data, was_read) = &self.letters[letter];
        let message = self
            .protocol
            .parse(data)
            .expect("what is written can be read")
            .message;
        let before = self.state();
        let without = self.without_skipped_keys(&message);
        let mut rng = self.rng.clone();
        let read = self.own.decrypt(
            self.protocol,
            &message,
            Some(&mut self.skipped),
            self.limits,
            &mut rng,
        );
        match &read {
            Ok(read) => {
                assert!(!was_read, "a message is read twice");
                assert_eq!(**read, plaintext(letter));
                self.letters[letter].1 = true;
            }
            Err(_) => assert_eq!(self.state(), before, "what is refused changes something"),
        }
        if let Some((is_read, session)) = without {
            assert_eq!(is_read, read.is_ok());
            assert_eq!(
                session,
                self.state()[0],
                "the skipped keys were not needed, and make a difference"
            );
        }
        self.rng = rng;
        self.is_in_bounds();
    }

    /// What becomes of the session if the skipped keys are not loaded; `None` if they must be.
    fn without_skipped_keys(&self, message: &Message) -> Option<(bool, Vec<u8>)> {
        let mut session = Session::decode(&self.own.encode()).expect("just written");
        let read = session.decrypt(self.protocol, message, None, self.limits, &mut self.rng.clone());
        let is_needed = matches!(read, Err(DecryptError::SkippedKeysNeeded));
        (!is_needed).then(|| (read.is_ok(), session.encode().to_vec()))
    }

    fn state(&self) -> Sides {
        [self.own.encode().to_vec(), self.skipped.encode().to_vec()]
    }

    fn is_in_bounds(&self) {
        let [session, skipped] = self.state();
        assert!(session.len() <= 512);
        assert_eq!(
            *Session::decode(&session).expect("just written").encode(),
            session
        );
        assert_eq!(
            *SkippedKeys::decode(&skipped).expect("just written").encode(),
            skipped
        );
        assert_eq!(self.skipped.len(), self.own.skipped_len() as usize);
        assert!(self.own.skipped_len() <= self.limits.per_session);
    }
}

fn plaintext(letter: usize) -> [u8; 48] {
    [letter as u8; 48]
}
