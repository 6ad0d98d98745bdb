//! Checks of an ELF file: for this machine, complete, and with the note of the SDK.

mod headers;

use std::fs::File;
use std::ops::Range;

use object::read::ReadRef;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{Endianness, elf};
use sriovdp_provider_abi::NOTE_NAME;

use headers::Headers;

use sriovdp_report::Hint;

/// Why a file is refused for its ELF headers or its note.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// It has another magic number.
    #[error("it is not an ELF file")]
    NotElf,
    /// A header is broken.
    #[error("its ELF headers are broken")]
    Broken,
    /// It has another word size or byte order.
    #[error("it is not a library for machines of 64 bits with this machine's byte order")]
    WrongClass,
    /// It was built for another processor.
    #[error("it was built for the ELF machine {found}, and this host runs on {expected}")]
    WrongMachine {
        /// `e_machine` of the file.
        found: u16,
        /// `e_machine` of this host.
        expected: u16,
    },
    /// It is a program or an object file.
    #[error("it is not a shared library")]
    NotShared,
    /// A segment or section is incomplete: the file is still being copied, or loading it would crash with `SIGBUS`.
    #[error("it is truncated: its headers need {needed} bytes, and it has {length}")]
    Truncated {
        /// Where the last segment or section ends.
        needed: u64,
        /// The size of the file.
        length: u64,
    },
    /// It was not built with the SDK.
    #[error("it is not a provider: it lacks the note of `export_provider!`")]
    NoNote,
    /// The note lacks an entry.
    #[error("its provider note lacks `{0}`")]
    NoteIncomplete(&'static str),
    /// Another major version of the interface.
    #[error("it has ABI {found}, and this host loads providers with ABI {host_major}.x")]
    WrongAbi {
        /// The provider's version of the interface.
        found: String,
        /// The host's major version.
        host_major: &'static str,
    },
    /// A panic would abort the host.
    #[error("it was built with `panic = \"{0}\"`, so a panic in it would end this host")]
    Panics(String),
}

/// The note that the SDK writes into a provider at build time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The SDK's version.
    pub sdk: String,
    /// The package.
    pub package: Option<String>,
    /// The package's version.
    pub version: Option<String>,
}

impl ElfError {
    /// Whether the error is about the note, in an otherwise valid file.
    pub(super) fn is_about_note(&self) -> bool {
        match self {
            Self::NoNote | Self::NoteIncomplete(_) | Self::WrongAbi { .. } | Self::Panics(_) => {
                true
            }
            Self::NotElf
            | Self::Broken
            | Self::WrongClass
            | Self::WrongMachine { .. }
            | Self::NotShared
            | Self::Truncated { .. } => false,
        }
    }
}

impl Hint for ElfError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotElf | Self::NoNote => {
                "keep nothing but providers in this directory; a provider is a `cdylib` that uses the crate \
                 `sriovdp-sdk`"
            }
            Self::Broken | Self::Truncated { .. } => {
                "copy the file again, under another name, then rename it"
            }
            Self::WrongClass | Self::WrongMachine { .. } => {
                "build it for the architecture of this node"
            }
            Self::NotShared => "set `crate-type = [\"cdylib\"]`",
            Self::NoteIncomplete(_) => "rebuild it with the crate `sriovdp-sdk`",
            Self::WrongAbi { .. } => "rebuild it with an SDK for this host's ABI",
            Self::Panics(_) => "remove `panic` from its Cargo profile",
        };
        Some(hint.to_owned())
    }
}

/// A valid library.
#[derive(Debug, PartialEq, Eq)]
pub struct Library {
    /// The SDK's note.
    pub(super) note: Note,
    /// The parts of the file that the dynamic linker reads, in ascending order, without overlaps.
    pub loaded: Vec<Range<u64>>,
}

/// Checks a file without running it. Only its headers and notes are read.
pub(super) fn check(file: &File) -> Result<Library, ElfError> {
    check_for(machine_of(std::env::consts::ARCH), &Headers::of(file))
}

/// The same for a file in memory.
pub fn check_bytes(bytes: &[u8]) -> Result<Library, ElfError> {
    check_for(machine_of(std::env::consts::ARCH), bytes)
}

fn check_for<'d>(own_machine: Option<u16>, data: impl ReadRef<'d>) -> Result<Library, ElfError> {
    if data.read_bytes_at(0, 4) != Ok(&elf::ELFMAG) {
        return Err(ElfError::NotElf);
    }
    let header = elf::FileHeader64::<Endianness>::parse(data).map_err(|_| ElfError::WrongClass)?;
    let endian = header.endian().map_err(|_| ElfError::Broken)?;
    if (endian == Endianness::Little) != cfg!(target_endian = "little") {
        return Err(ElfError::WrongClass);
    }
    let machine = header.e_machine(endian).0;
    match own_machine {
        Some(expected) if machine != expected => {
            return Err(ElfError::WrongMachine {
                found: machine,
                expected,
            });
        }
        _ => {}
    }
    if header.e_type(endian) != elf::ET_DYN {
        return Err(ElfError::NotShared);
    }
    let segments = header
        .program_headers(endian, data)
        .map_err(|_| ElfError::Broken)?;
    let ends = segments.iter().map(|segment| range(endian, segment).end);
    let length = data.len().map_err(|()| ElfError::Broken)?;
    let needed = ends
        .max()
        .unwrap_or(0)
        .max(end_of_sections(endian, header, length, data)?);
    if needed > length {
        return Err(ElfError::Truncated { needed, length });
    }
    let note = note(endian, segments, data).ok_or(ElfError::NoNote)?;
    Ok(Library {
        note: parse_note(&note)?,
        loaded: loaded(endian, header, segments),
    })
}

fn range(endian: Endianness, segment: &elf::ProgramHeader64<Endianness>) -> Range<u64> {
    let start = segment.p_offset(endian);
    start..start.saturating_add(segment.p_filesz(endian))
}

fn loaded(
    endian: Endianness,
    header: &elf::FileHeader64<Endianness>,
    segments: &[elf::ProgramHeader64<Endianness>],
) -> Vec<Range<u64>> {
    let table = header.e_phoff(endian);
    let headers = [
        0..size_of_val(header) as u64,
        table..table.saturating_add(size_of_val(segments) as u64),
    ];
    let is_read = |segment: &&elf::ProgramHeader64<Endianness>| {
        matches!(segment.p_type(endian), elf::PT_LOAD | elf::PT_NOTE)
    };
    let read = segments.iter().filter(is_read);
    let read = read.map(|segment| range(endian, segment));
    let mut ranges: Vec<Range<u64>> = headers.into_iter().chain(read).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, before| {
        let overlaps = next.start <= before.end;
        if overlaps {
            before.end = before.end.max(next.end);
        }
        overlaps
    });
    ranges
}

/// Where the sections and their table end. The linker needs neither, but they are last in the file, so a file that is
/// still being written lacks them.
fn end_of_sections<'d>(
    endian: Endianness,
    header: &elf::FileHeader64<Endianness>,
    length: u64,
    data: impl ReadRef<'d>,
) -> Result<u64, ElfError> {
    let table = header.e_shoff(endian);
    if table == 0 {
        return Ok(0);
    }
    let entries = u64::from(header.e_shnum(endian)) * u64::from(header.e_shentsize(endian));
    let end_of_table = table.saturating_add(entries);
    if end_of_table > length {
        return Ok(end_of_table);
    }
    let sections = header
        .section_headers(endian, data)
        .map_err(|_| ElfError::Broken)?;
    let ends = sections.iter().filter_map(|section| {
        let (offset, size) = section.file_range(endian)?;
        Some(offset.saturating_add(size))
    });
    Ok(ends.max().unwrap_or(0).max(end_of_table))
}

/// `e_machine` of the architectures that this host is built for, both byte orders; on other ones, the dynamic linker
/// checks it.
fn machine_of(architecture: &str) -> Option<u16> {
    match architecture {
        "x86_64" => Some(elf::EM_X86_64.0),
        "aarch64" => Some(elf::EM_AARCH64.0),
        "powerpc64" => Some(elf::EM_PPC64.0),
        "s390x" => Some(elf::EM_S390.0),
        "riscv64" => Some(elf::EM_RISCV.0),
        _ => None,
    }
}

fn note<'d>(
    endian: Endianness,
    segments: &[elf::ProgramHeader64<Endianness>],
    data: impl ReadRef<'d>,
) -> Option<String> {
    for segment in segments {
        let Ok(Some(mut notes)) = segment.notes(endian, data) else {
            continue;
        };
        while let Ok(Some(note)) = notes.next() {
            if note.name_bytes() == NOTE_NAME
                || note.name_bytes() == &NOTE_NAME[..NOTE_NAME.len() - 1]
            {
                return Some(
                    String::from_utf8_lossy(note.desc())
                        .trim_end_matches('\0')
                        .to_owned(),
                );
            }
        }
    }
    None
}

fn parse_note(note: &str) -> Result<Note, ElfError> {
    let value = |key: &'static str| {
        let lines = note.lines().filter_map(|line| line.split_once('='));
        lines
            .filter(|(name, _)| *name == key)
            .map(|(_, value)| value)
            .next()
            .ok_or(ElfError::NoteIncomplete(key))
    };
    let host_major = major(sriovdp_provider_abi::VERSION);
    let sdk = value("sdk")?;
    // The first SDKs had the version of the interface and wrote no line for it.
    let abi = value("abi").unwrap_or(sdk);
    if major(abi) != host_major {
        return Err(ElfError::WrongAbi {
            found: abi.to_owned(),
            host_major,
        });
    }
    match value("panic")? {
        "unwind" => Ok(Note {
            sdk: sdk.to_owned(),
            package: value("provider").ok().map(str::to_owned),
            version: value("version").ok().map(str::to_owned),
        }),
        other => Err(ElfError::Panics(other.to_owned())),
    }
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

#[cfg(test)]
mod tests;
