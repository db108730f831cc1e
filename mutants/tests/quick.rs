//! The tests of the client that run within seconds, in one program, so that a mutant costs one link.
#![allow(
    clippy::panic,
    missing_docs,
    reason = "test support: an assertion is the result"
)]
#![allow(
    clippy::duplicate_mod,
    unreachable_pub,
    reason = "each of these programs has its own copy of what they share"
)]

#[path = "../../omemo/tests/attacks/main.rs"]
mod attacks;
#[path = "../../omemo/tests/catch_up.rs"]
mod catch_up;
#[path = "../../omemo/tests/conversation.rs"]
mod conversation;
#[path = "../../omemo/tests/costs.rs"]
mod costs;
#[path = "../../omemo/tests/decrypt_many.rs"]
mod decrypt_many;
#[path = "../../omemo/tests/manager/main.rs"]
mod manager;
#[path = "../../omemo/tests/moving.rs"]
mod moving;
#[path = "../../omemo/tests/outbox.rs"]
mod outbox;
#[path = "../../omemo/tests/protocols/main.rs"]
mod protocols;
#[path = "../../omemo/tests/reliance.rs"]
mod reliance;
#[path = "../../omemo/tests/trust.rs"]
mod trust;
