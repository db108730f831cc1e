//! The sets `ratchet_twomemo` and `ratchet_oldmemo`: double ratchets, message by message.

mod dialogue;

use serde::Deserialize;
use serde_json::Value;

use self::dialogue::Dialogue;
use super::checks::{Checks, Context, Verdict};
use super::format::{Bytes, Hex, nullable};
use super::session::Ratchet;
use super::version::Version;

#[derive(Deserialize)]
struct Case {
    max_skip: u32,
    max_stored: u32,
    shared_secret: Bytes<32>,
    identity_a_encoded: Hex,
    identity_b_encoded: Hex,
    ad_a_to_b: Hex,
    ad_b_to_a: Hex,
    b_signed_pre_key_priv: Bytes<32>,
    b_signed_pre_key_pub: Bytes<32>,
    a_initial_ratchet_priv: Bytes<32>,
    message_count: usize,
    events: Vec<Event>,
    final_state: FinalState,
}

#[derive(Deserialize)]
struct FinalState {
    a: Ratchet,
    #[serde(deserialize_with = "nullable")]
    b: Option<Ratchet>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    A,
    B,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Event {
    Send(Send),
    Advance { from: Name, count: u32 },
    Deliver(Deliver),
}

#[derive(Deserialize)]
struct Send {
    from: Name,
    msg: u64,
    plaintext: Hex,
    ratchet_priv: Bytes<32>,
    header: Header,
    wire: Hex,
}

#[derive(Deserialize)]
struct Header {
    ratchet_pub: Bytes<32>,
    pn: u32,
    n: u32,
}

#[derive(Deserialize)]
struct Deliver {
    to: Name,
    msg: u64,
    /// If it is not that of the message.
    wire: Option<Hex>,
    #[serde(flatten)]
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(tag = "expect", rename_all = "lowercase")]
enum Expect {
    Ok {
        plaintext: Hex,
        #[serde(deserialize_with = "nullable")]
        generated_ratchet_priv: Option<Bytes<32>>,
        after: After,
    },
    Fail {
        #[serde(deserialize_with = "nullable")]
        discarded_ratchet_priv: Option<Bytes<32>>,
    },
}

#[derive(Deserialize)]
struct After {
    skipped_stored: usize,
    receiving_chain_length: u32,
    sending_chain_length: u32,
}

/// Replays a case.
pub(super) fn case(version: Version, value: &Value, checks: &mut Checks) -> Verdict {
    let case = Case::deserialize(value).map_err(|error| error.to_string())?;
    let mut dialogue = Dialogue::new(version, &case, checks)?;
    checks.that("there is no event", !case.events.is_empty())?;
    for (index, event) in case.events.iter().enumerate() {
        match event {
            Event::Send(send) => dialogue
                .send(checks, send)
                .context(format_args!("event {index}, send {}", send.msg)),
            Event::Advance { from, count } => dialogue
                .advance(*from, *count)
                .context(format_args!("event {index}, advance")),
            Event::Deliver(deliver) => {
                let place = format!("event {index}, deliver {}", deliver.msg);
                dialogue.deliver(checks, deliver).context(place)
            }
        }?;
    }
    checks.equal("message_count", dialogue.sent(), case.message_count)?;
    dialogue.check_final(checks, &case.final_state)
}
