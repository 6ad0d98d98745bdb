//! The command line of sriovdp: options, the log, and the commands that print.

pub mod cli;
pub mod commands;
pub mod logging;
pub mod new_provider;
pub mod process;
pub mod settings;
pub mod style;
