//! Questions to the kernel over netlink on behalf of all providers, answered within a timeout.
//!
//! `socket` speaks the protocol over one socket, `devlink` and `routes` write requests and read responses, and `service`
//! keeps each on a thread of its own: the kernel answers devlink under the device's lock, which a firmware update can
//! hold for minutes.

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
