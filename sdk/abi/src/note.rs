//! The ELF note that every provider carries, so that a host can judge a file before any of its code runs.

/// The section that the note is in.
pub const NOTE_SECTION: &str = ".note.sriovdp";
/// The owner name of the note.
pub const NOTE_NAME: &[u8; 8] = b"sriovdp\0";

const DESCRIPTION: usize = 256;

/// An ELF note (System V ABI, "Note Section") whose description is lines of `key=value`, padded with zeros.
#[repr(C, align(4))]
#[derive(Debug)]
pub struct Note {
    name_size: u32,
    description_size: u32,
    kind: u32,
    name: [u8; 8],
    description: [u8; DESCRIPTION],
}

impl Note {
    /// The note of the provider `package` in `version`, built with version `sdk` of the SDK; made when the provider is
    /// compiled.
    ///
    /// # Panics
    ///
    /// At compile time, when name and version are too long for the note.
    pub const fn new(sdk: &str, package: &str, version: &str) -> Self {
        let mut text = [0; DESCRIPTION];
        let mut at = 0;
        at = put(&mut text, at, "abi=");
        at = put(&mut text, at, crate::VERSION);
        at = put(&mut text, at, "\nsdk=");
        at = put(&mut text, at, sdk);
        at = put(&mut text, at, "\npanic=");
        // This crate is compiled with the provider's profile, so this is the provider's panic strategy.
        at = put(
            &mut text,
            at,
            if cfg!(panic = "unwind") {
                "unwind"
            } else {
                "abort"
            },
        );
        at = put(&mut text, at, "\nprovider=");
        at = put(&mut text, at, package);
        at = put(&mut text, at, "\nversion=");
        at = put(&mut text, at, version);
        put(&mut text, at, "\n");
        Self {
            name_size: 8,
            description_size: 256,
            kind: 1,
            name: *NOTE_NAME,
            description: text,
        }
    }
}

const fn put(into: &mut [u8; DESCRIPTION], at: usize, text: &str) -> usize {
    let bytes = text.as_bytes();
    assert!(
        at + bytes.len() <= DESCRIPTION,
        "the package name and version are too long for the ELF note"
    );
    let mut n = 0;
    while n < bytes.len() {
        into[at + n] = bytes[n];
        n += 1;
    }
    at + n
}

#[cfg(test)]
impl Note {
    /// The lines of the description.
    pub(super) fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.description);
        text.trim_end_matches('\0')
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_is_lines_of_text() {
        let note = Note::new("2.7.1", "fpga", "0.3.0");
        let text = String::from_utf8_lossy(&note.description);
        let expected = "abi=1.0\nsdk=2.7.1\npanic=unwind\nprovider=fpga\nversion=0.3.0\n";
        assert_eq!(text.trim_end_matches('\0'), expected);
    }
}
