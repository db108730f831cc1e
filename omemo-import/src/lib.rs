//! Reads what other OMEMO implementations have stored, so that an account moves with its sessions, keys and trust.
//!
//! | module | reads |
//! |---|---|
//! | [`python_omemo`] | the storage of python-omemo 1.x and 2.x, with twomemo, oldmemo or both |
//! | [`python_omemo_legacy`] | the storage of python-omemo before 1.0, with python-omemo-backend-signal |
//!
//! Reading makes an [`ImportedAccount`](omemo_sansio::transfer::ImportedAccount);
//! [`Account::import`](omemo_sansio::Account::import) takes it over in one commit, or not at all. The source is only read.
//! From then on nothing may run on the source any more: two copies of a session use the same message keys.
//!
//! ```
//! use omemo_import::{Levels, python_omemo};
//!
//! let storage = br#"{ "/own_device_id": 7 }"#;
//! let error = python_omemo::read(storage, None, &Levels::default()).unwrap_err();
//! assert_eq!(error.to_string(), "/ikp/is_seed is missing");
//! ```
//!
//! The JSON of the source holds secrets. What is made of it is wiped when dropped; the text itself, and what the JSON
//! parser keeps of it meanwhile, is not.

mod error;
mod levels;
mod node;
pub mod python_omemo;
pub mod python_omemo_legacy;
mod reading;

pub use error::{ImportError, Problem};
pub use levels::Levels;
pub use reading::{LeftBehind, Reading};
