//! How bad libraries are made: by a C compiler, by other bytes in a good one, or by the environment of one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::test_node::built;

/// The note that the SDK writes, in a library that has nothing else of it.
const FORGED_NOTE: &str = r#"
__asm__(".section .note.sriovdp,\"a\",@note\n.p2align 2\n.long 8, 8f - 7f, 1\n.asciz \"sriovdp\"\n"
        "7: .ascii \"sdk=1.0.0\\npanic=unwind\\nprovider=forged\\nversion=1\\n\"\n.p2align 2\n8:\n.text\n");
"#;

/// The parent is the process of the probe.
pub(super) const ENDS_ITS_PARENT: &str = "#include <signal.h>\n#include <unistd.h>\n__attribute__((constructor)) void f(void) { kill(getppid(), SIGKILL); }";

/// What a library is made of.
pub(super) enum Made {
    /// These bytes.
    Bytes(Vec<u8>),
    /// C code behind the forged note.
    C(&'static str),
    /// C code that needs a library which is not there any more.
    NeedsAbsent,
    /// The faulty provider with these faults.
    Faulty(&'static str),
    /// The raw provider with this answer.
    Raw(String),
}

impl Made {
    /// Puts it into `directory`, and returns the environment of its process.
    pub(super) fn make(&self, directory: &Path) -> (PathBuf, Option<(&'static str, &str)>) {
        let file = directory.join("made.so");
        let mut environment = None;
        match self {
            Self::Bytes(bytes) => write(&file, bytes),
            Self::C(code) => compile(code, &file, &[]),
            Self::NeedsAbsent => {
                let absent = directory.join("libabsent.so");
                compile("int absent(void) { return 1; }", &absent, &[]);
                let code = "int absent(void); int present(void) { return absent(); }";
                let here = format!("-L{}", directory.display());
                compile(code, &file, &[&here, "-labsent"]);
                std::fs::remove_file(absent).unwrap();
            }
            Self::Faulty(faults) => {
                write(
                    &file,
                    &std::fs::read(built("sriovdp_faulty_provider")).unwrap(),
                );
                environment = Some(("FAULTY_PROVIDER", *faults));
            }
            Self::Raw(answer) => {
                write(
                    &file,
                    &std::fs::read(built("sriovdp_raw_provider")).unwrap(),
                );
                environment = Some(("RAW_PROVIDER", answer.as_str()));
            }
        }
        (file, environment)
    }
}

/// A good library, and one with other bytes wherever `from` is.
pub(super) fn good() -> Vec<u8> {
    std::fs::read(built("sriovdp_accelerator")).unwrap()
}

/// The same with other bytes of the same number wherever `from` is.
pub(super) fn with_other_bytes(from: &[u8], to: &[u8]) -> Made {
    assert_eq!(from.len(), to.len());
    let mut bytes = good();
    let mut changed = 0;
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|w| w == from) {
        at += found;
        bytes[at..at + to.len()].copy_from_slice(to);
        changed += 1;
    }
    assert!(changed > 0, "the library has no `{}`", from.escape_ascii());
    Made::Bytes(bytes)
}

/// Writes a file with the rights that a provider must have.
pub(super) fn write(file: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(file, bytes).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
}

fn compile(code: &str, to: &Path, more: &[&str]) {
    use std::os::unix::fs::PermissionsExt;
    let mut compiler = Command::new("cc")
        .args(["-shared", "-fPIC", "-x", "c", "-", "-x", "none", "-o"])
        .arg(to)
        .args(more)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a C compiler");
    let mut source = compiler.stdin.take().unwrap();
    writeln!(source, "{FORGED_NOTE}{code}").unwrap();
    drop(source);
    assert!(compiler.wait().unwrap().success(), "{code}");
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o644)).unwrap();
}
