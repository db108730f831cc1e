//! How an operation runs: a plain function over a view, run again from its start whenever the view lacks something,
//! and one atomic commit at the end.

mod effect;
mod env;
mod leftovers;
mod operation;
mod outside;
mod partitions;
mod reply;
mod slot;
mod stop;
mod stored;
#[cfg(test)]
mod tests;
mod view;

pub use effect::{
    AskTrust, DeleteBundle, DownloadBundle, DownloadDeviceList, Effect, Load, SendMessage, Store,
    UploadBundle, UploadDeviceList,
};
pub(crate) use env::Env;
pub use leftovers::Leftovers;
pub use operation::{MAX_ATTEMPTS, Operation, Step};
pub use reply::{ForeignReply, Reply, Request};
pub(crate) use stop::Stop;
pub(crate) use view::View;
