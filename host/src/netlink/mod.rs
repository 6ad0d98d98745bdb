//! Generic netlink, as one small service for all providers: questions to devlink, answered within a bounded time.
//!
//! [`generic`] speaks the protocol over one socket, [`devlink`] puts questions into messages and takes the answers out
//! of them, and [`service`] keeps both on a thread of their own, because the kernel answers while it holds the device's
//! lock, and new firmware can keep that for minutes.

mod devlink;
mod generic;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use generic::Message;
#[cfg(test)]
pub(crate) use generic::message;
pub(crate) use service::devlink as ask_devlink;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum NetlinkError {
    /// The socket fails.
    #[error("cannot {0} the netlink socket")]
    Socket(&'static str, #[source] rustix::io::Errno),
    /// The kernel says no: it has no such family, device or value, or the plugin may not ask.
    #[error("the kernel refuses the question")]
    Refused(#[source] rustix::io::Errno),
    /// What comes back is no netlink.
    #[error("the kernel's answer cannot be read")]
    Malformed,
}

impl crate::report::Hint for NetlinkError {}
