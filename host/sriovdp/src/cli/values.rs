//! The values of options, parsed into what they mean.

use std::time::Duration;

use sriovdp_agent::config::ResourceName;

pub(super) fn level(text: &str) -> Result<tracing::Level, String> {
    if text.parse::<u32>().is_ok() {
        return Ok(tracing::Level::INFO);
    }
    text.parse()
        .map_err(|_| "write error, warn, info, debug or trace".to_owned())
}

pub(super) fn prefix(text: &str) -> Result<String, String> {
    match ResourceName::check_prefix(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(error) => Err(error.hint()),
    }
}

pub(super) fn word(text: &str) -> Result<String, String> {
    if !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    {
        return Ok(text.to_owned());
    }
    Err("write a device type as `sriovdp providers` names it".to_owned())
}

pub(super) fn milliseconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(number @ 1..) => Ok(Duration::from_millis(number)),
        _ => Err("write a number of milliseconds, at least 1".to_owned()),
    }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err("write a number of seconds, at least 1".to_owned()),
    }
}
