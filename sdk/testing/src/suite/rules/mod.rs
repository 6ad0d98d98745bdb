//! The rules, one function for each test that the macro makes.

mod agreeing;
mod allocated;
mod bounded;
mod damaged;
mod declared;
mod found;
mod odd_scan;
mod parted;
mod stable;
mod unchanging;

pub use agreeing::agreeing;
pub use allocated::allocated;
pub use bounded::bounded;
pub use damaged::{damaged, vanishing};
pub use declared::declared;
pub use found::{found, ids};
pub use odd_scan::odd_scan;
pub use parted::parted;
pub use stable::stable;
pub use unchanging::unchanging;
