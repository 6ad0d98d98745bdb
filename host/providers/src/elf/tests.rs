//! ELF files of every architecture, whole ones and broken ones.

use super::*;

/// The architectures that images are built for: names of Rust, `e_machine`, and the page size that segments have there.
const ARCHITECTURES: [(&str, u16, u64); 3] = [
    ("x86_64", 62, 0x1000),
    ("aarch64", 183, 0x1_0000),
    ("powerpc64", 21, 0x1_0000),
];
const NOTE: &str = "sdk=1.0.0\npanic=unwind\n";

/// The content of [`NOTE`].
fn note() -> Note {
    Note {
        sdk: "1.0.0".to_owned(),
        ..Note::default()
    }
}

/// The least that is a provider: an ELF header, two segments of which one is the note, and the note.
fn library(machine: u16, page: u64) -> Vec<u8> {
    let headers = 64_u64 + 2 * 56;
    let name = [NOTE_NAME, &[0; 4][..(4 - NOTE_NAME.len() % 4) % 4]].concat();
    let mut note = Vec::new();
    for number in [NOTE_NAME.len(), NOTE.len(), 1] {
        note.extend(u32::try_from(number).unwrap().to_le_bytes());
    }
    note.extend(name);
    note.extend(NOTE.as_bytes());
    note.resize(note.len().next_multiple_of(4), 0);
    let length = note.len() as u64;

    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend([3_u16, machine].map(u16::to_le_bytes).concat());
    file.extend(1_u32.to_le_bytes());
    file.extend([0, 64, 0_u64].map(u64::to_le_bytes).concat());
    // ELF ABI 2 of powerpc64le; the other machines have no flags.
    file.extend(if machine == 21 { 2_u32 } else { 0 }.to_le_bytes());
    file.extend([64_u16, 56, 2, 64, 0, 0].map(u16::to_le_bytes).concat());
    for (kind, from, size, align) in [(1_u32, 0, headers + length, page), (4, headers, length, 4)] {
        file.extend([kind, 4].map(u32::to_le_bytes).concat());
        file.extend(
            [from, from, from, size, size, align]
                .map(u64::to_le_bytes)
                .concat(),
        );
    }
    file.extend(note);
    file
}

#[test]
fn a_library_is_taken_by_hosts_of_its_own_architecture_only() {
    for (architecture, own, _) in ARCHITECTURES {
        assert_eq!(machine_of(architecture), Some(own), "{architecture}");
        for (of, machine, page) in ARCHITECTURES {
            let expected = if machine == own {
                Ok(note())
            } else {
                Err(ElfError::WrongMachine {
                    found: machine,
                    expected: own,
                })
            };
            let judged = check_for(Some(own), &*library(machine, page));
            assert_eq!(
                judged.map(|library| library.note),
                expected,
                "{of} on {architecture}"
            );
        }
    }
    // Where no machine is known, the dynamic linker judges.
    assert_eq!(
        check_for(machine_of("loongarch64"), &*library(258, 0x4000)).map(|library| library.note),
        Ok(note())
    );
    // powerpc64 and powerpc64le are one machine in two byte orders.
    let mut big = library(21, 0x1_0000);
    big[5] = 2;
    assert_eq!(check_for(Some(21), &*big), Err(ElfError::WrongClass));
}

#[test]
fn notes_are_judged_by_their_words() {
    let note = parse_note("sdk=1.7.0\npanic=unwind\nprovider=fpga\n").unwrap();
    assert_eq!(
        (note.sdk.as_str(), note.package.as_deref()),
        ("1.7.0", Some("fpga"))
    );
    assert_eq!(
        parse_note("panic=unwind\n"),
        Err(ElfError::NoteIncomplete("sdk"))
    );
    assert_eq!(
        parse_note("sdk=1.0.0\n"),
        Err(ElfError::NoteIncomplete("panic"))
    );
    assert_eq!(
        parse_note("sdk=1.0.0\npanic=abort\n"),
        Err(ElfError::Panics("abort".to_owned()))
    );
    assert!(parse_note("abi=1.3\nsdk=2.0.0\npanic=unwind\n").is_ok());
    let wrong = parse_note("abi=2.0\nsdk=1.0.0\npanic=unwind\n");
    assert!(matches!(wrong, Err(ElfError::WrongAbi { .. })), "{wrong:?}");
    let wrong = parse_note("sdk=2.0.0\npanic=unwind\n");
    assert!(matches!(wrong, Err(ElfError::WrongAbi { .. })), "{wrong:?}");
}

#[test]
fn other_files_are_no_providers() {
    let check = |bytes: &[u8]| check_for(machine_of(std::env::consts::ARCH), bytes);
    assert_eq!(check(b""), Err(ElfError::NotElf));
    assert_eq!(check(b"#!/bin/sh\n"), Err(ElfError::NotElf));
    assert_eq!(check(b"\x7fELF\x01\x01\x01"), Err(ElfError::WrongClass));
    // A program is a shared object as well where it is position independent, but it has no note.
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(matches!(
        check(&program),
        Err(ElfError::NoNote | ElfError::NotShared)
    ));
    // The headers are whole, and the code is not.
    let cut = &program[..0x4000];
    assert!(matches!(check(cut), Err(ElfError::Truncated { .. })));
    let mut foreign = program;
    foreign[18] ^= 0xff;
    assert!(matches!(
        check(&foreign),
        Err(ElfError::WrongMachine { .. })
    ));
}

/// A library whose second segment is a note, with other values in the header of that segment.
fn with_note_segment(kind: u32, offset: u64, size: u64) -> Vec<u8> {
    let mut file = library(62, 0x1000);
    let segment = 64 + 56;
    file[segment..segment + 4].copy_from_slice(&kind.to_le_bytes());
    file[segment + 8..segment + 16].copy_from_slice(&offset.to_le_bytes());
    file[segment + 32..segment + 40].copy_from_slice(&size.to_le_bytes());
    file
}

#[test]
fn a_large_file_is_judged_by_its_headers() {
    let path = tempfile::NamedTempFile::new().unwrap();
    let file = path.as_file();
    let large = 1 << 40;
    for (bytes, expected) in [
        (b"\x7fELF".to_vec(), ElfError::WrongClass),
        (with_note_segment(4, 0, large), ElfError::NoNote),
    ] {
        std::fs::write(path.path(), bytes).unwrap();
        file.set_len(large).unwrap();
        let judged = check_for(Some(62), &Headers::of(file));
        assert_eq!(judged, Err(expected));
    }
}

#[test]
fn what_is_loaded_is_what_the_dynamic_linker_reads() {
    let bytes = library(62, 0x1000);
    let length = bytes.len() as u64;
    let judged = check_for(Some(62), &*bytes).unwrap();
    assert_eq!(judged.loaded, vec![0..length]);
    // A second note begins within the first range and ends behind it.
    let mut bytes = library(62, 0x1000);
    bytes[64 + 32..64 + 40].copy_from_slice(&0x40_u64.to_le_bytes());
    bytes.resize(0x9000, 0);
    let judged = check_for(Some(62), &*bytes).unwrap();
    assert_eq!(judged.loaded, vec![0..length]);
}
