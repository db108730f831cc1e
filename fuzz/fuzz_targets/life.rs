//! Lives: the bytes that proptest plays too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omemo_conformance::life::{Life, in_memory, play, tell};

fuzz_target!(|data: &[u8]| {
    let life = Life::decode(data);
    if play(&life, in_memory()).is_err() {
        let finding = tell(&life, in_memory()).expect_err("a life repeats");
        panic!("{}\n{}\nTo be played again:\n{life}", finding.what, finding.story);
    }
});
