//! Replay of recorded interoperability vectors: files of cases in JSON that another implementation made, with every
//! secret it drew. `vectors/README.md` describes the format and says where the files beside it come from.
//!
//! [`replay_dir`] takes any directory of such files. A case passes if everything recorded in it comes out again: each
//! byte sent, each state after each message, each refusal with nothing changed. What a case holds that is not known here
//! fails it; nothing is skipped in silence.
//!
//! ```no_run
//! let report = omemo_conformance::vectors::replay_dir("conformance/vectors".as_ref(), &[])?;
//! print!("{report}");
//! assert!(report.is_success());
//! # Ok::<(), std::io::Error>(())
//! ```

mod checks;
mod format;
mod messages;
mod ratchet;
mod replay;
mod report;
mod responder;
mod script;
mod session;
mod storage_import;
mod version;
mod x3dh;
mod xeddsa;

pub use replay::{replay_dir, replay_file};
pub use report::{Failure, Report, SetReport};
