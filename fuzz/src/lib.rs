//! What the targets share.

mod choices;
mod stage;

pub use choices::Choices;
pub use stage::{Letter, NOW, Person, Records, Scene, Server, drive, is_kept, said_by, saying, storage_of};
