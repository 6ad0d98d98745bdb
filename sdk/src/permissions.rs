//! What a container may do with a device node.

use std::fmt;
use std::ops::BitOr;
use std::str::FromStr;

use crate::Error;

/// What a container may do with a device node: read, write, and make a node of the same device with `mknod`.
///
/// ```
/// use sriovdp_sdk::Permissions;
///
/// assert_eq!(Permissions::default(), Permissions::READ | Permissions::WRITE);
/// assert_eq!("mr".parse::<Permissions>()?.to_string(), "rm");
/// # Ok::<(), sriovdp_sdk::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Permissions(u8);

const LETTERS: [(char, Permissions); 3] = [
    ('r', Permissions::READ),
    ('w', Permissions::WRITE),
    ('m', Permissions::MKNOD),
];

impl Permissions {
    /// `r`
    pub const READ: Self = Self(1);
    /// `w`
    pub const WRITE: Self = Self(2);
    /// `m`
    pub const MKNOD: Self = Self(4);
    /// `rw`, the default
    pub const READ_WRITE: Self = Self(3);

    /// Whether all of `other` are among them.
    #[must_use]
    pub fn include(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Default for Permissions {
    fn default() -> Self {
        Self::READ_WRITE
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromStr for Permissions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || {
            Error::new(format!(
                "`{}` cannot be the permissions of a device node",
                text.escape_debug()
            ))
            .with_hint("they are one to three of the letters `r`, `w` and `m`, each once")
        };
        let mut all = Self(0);
        for letter in text.chars() {
            let known = LETTERS.iter().find(|(known, _)| *known == letter);
            let (_, permission) = known.ok_or_else(invalid)?;
            if all.include(*permission) {
                return Err(invalid());
            }
            all = all | *permission;
        }
        if all == Self(0) {
            return Err(invalid());
        }
        Ok(all)
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mine = LETTERS.iter().filter(|(_, known)| self.include(*known));
        mine.map(|(letter, _)| letter)
            .try_for_each(|letter| write!(f, "{letter}"))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_letters() {
        for (text, canonical) in [("r", "r"), ("rw", "rw"), ("mrw", "rwm"), ("m", "m")] {
            assert_eq!(text.parse::<Permissions>().unwrap().to_string(), canonical);
        }
        for text in ["", "x", "rr", "rwx", "R", " r"] {
            text.parse::<Permissions>().unwrap_err();
        }
    }
}
