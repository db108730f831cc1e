//! How an operation runs: a plain function over a view, run again from its start whenever the view lacks something,
//! and one atomic commit at the end.

mod effect;
mod env;
mod operation;
mod outside;
mod reply;
mod stop;
mod stored;
mod view;

pub use effect::{
    AskTrust, DownloadBundle, DownloadDeviceList, Effect, Load, SendMessage, Store, UploadBundle,
    UploadDeviceList,
};
pub(crate) use env::Env;
pub use operation::{MAX_ATTEMPTS, Operation, Step};
pub use reply::{ForeignReply, Reply, Request};
pub(crate) use stop::Stop;
pub(crate) use view::View;
