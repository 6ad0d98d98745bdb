//! Just enough of a gRPC client to send what no well-behaved one would: any `:authority`, in pieces of any size.
//!
//! Every kubelet calls a registration socket with an `:authority` that is not valid, and a Rust client cannot be
//! talked into that because `http::Uri` refuses it. So this is HTTP/2 from the frames up, for unary calls whose
//! messages fit the initial flow control window, one at a time.

mod connection;
mod error;
mod frame;
mod header_block;

pub use connection::{Call, RawConnection};
pub use error::RawError;
