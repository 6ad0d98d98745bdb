//! Netlink, as one small service for all providers: questions to devlink and about routes, answered within a bounded
//! time.
//!
//! [`socket`] speaks the protocol over one socket, [`devlink`] and [`routes`] put questions into messages and take the
//! answers out of them, and [`service`] keeps each on a thread of its own, because the kernel answers while it holds a
//! lock: for devlink that of the device, and new firmware can keep that for minutes.

mod devlink;
mod routes;
mod service;
mod socket;
#[cfg(test)]
mod tests;

pub use service::{default_routes, devlink as ask_devlink};
pub use socket::Message;
pub use socket::message;

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

impl sriovdp_report::Hint for NetlinkError {}
