//! What the targets share.

mod choices;
mod stage;

pub use choices::Choices;
pub use stage::{Letter, Person, Records, Scene, Server, drive, is_kept, storage_of};
