//! The values of options, parsed into what they mean.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
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

/// A variable that is set and empty counts as not set, as Go programs have it.
pub(super) fn socket_directory(text: &str) -> Result<PathBuf, Infallible> {
    Ok(if text.is_empty() { "/tmp" } else { text }.into())
}

pub(super) fn listening_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write ADDRESS:PORT, such as 127.0.0.1:9810 or [::]:9810".to_owned())
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

/// A number with its unit, as `kubectl logs --since` takes it, and days.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let seconds = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)]
        .into_iter()
        .find_map(|(unit, seconds)| {
            let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
            number.checked_mul(seconds)
        });
    let seconds = seconds.ok_or("write a number and its unit, such as 90s, 30m, 1h or 2d")?;
    Ok(Duration::from_secs(seconds))
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
