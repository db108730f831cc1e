//! libomemo-c, in a process of its own: a C program that is built when a test wants it.

mod bundle;
mod device;
mod process;
mod program;

pub use device::LibomemoDevice;
pub use process::Libomemo;
