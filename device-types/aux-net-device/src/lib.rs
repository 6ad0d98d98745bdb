//! The device type auxNetDevice: auxiliary devices of network functions.
