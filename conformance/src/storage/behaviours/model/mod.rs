//! Random programs, compared with the storage in memory, which is the reference model of the contract; and what many do
//! at once, held against every order in which it could have happened.
//!
//! A program that fails is made smaller as long as it fails, and the smallest is shown. `PROPTEST_CASES` sets how many
//! are tried.

mod concurrent;
mod history;
mod program;
mod sequential;

use std::env;
use std::thread;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

pub use concurrent::{history_of_one_handle_is_linearizable, history_of_several_handles_is_linearizable};
pub use sequential::random_programs_agree_with_the_model;

/// Plays random programs until one fails or `cases` have not.
///
/// # Panics
///
/// With the smallest program that fails, if one does.
fn explore<P: Strategy + Sync>(
    cases: u32,
    programs: P,
    play: impl Fn(P::Value) -> Result<(), TestCaseError> + Sync,
) {
    let cases = env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(cases);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    let explored = thread::scope(|scope| {
        // On a thread of its own, which waits as no executor's thread may.
        let explore = || {
            TestRunner::new(config)
                .run(&programs, &play)
                .map_err(|error| error.to_string())
        };
        scope.spawn(explore).join()
    });
    if let Err(smallest) = explored.unwrap() {
        panic!("{smallest}");
    }
}
