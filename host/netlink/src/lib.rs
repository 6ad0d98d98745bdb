//! Queries of the kernel over netlink on behalf of all providers, with a timeout.
//!
//! `socket` implements the protocol over one socket, `devlink` and `routes` write requests and read responses, and `service`
//! keeps each on a thread of its own: the kernel answers devlink under the device's lock, which a firmware update can
//! hold for minutes.

mod devlink;
mod routes;
mod service;
mod socket;
#[cfg(test)]
mod tests;

pub use service::{default_routes, devlink as query_devlink};
pub use socket::Message;
pub use socket::message;

/// Why a query fails.
#[derive(Debug, thiserror::Error)]
enum NetlinkError {
    /// The socket fails.
    #[error("cannot {0} the netlink socket")]
    Socket(&'static str, #[source] rustix::io::Errno),
    /// The kernel has no such family, device or value, or the plugin lacks the privilege.
    #[error("the kernel refuses the query")]
    Refused(#[source] rustix::io::Errno),
    /// The reply is not netlink.
    #[error("malformed reply of the kernel")]
    Malformed,
}

impl sriovdp_report::Hint for NetlinkError {}
