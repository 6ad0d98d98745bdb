//! Where the tests and benchmarks of the program find what they run.
#![forbid(unsafe_code)]

use std::path::PathBuf;

/// The program `sriovdp` of the same build as the test that calls this, or that of `SRIOVDP_PROGRAM`: of another
/// architecture, for example. The provider libraries are beside it.
///
/// # Panics
///
/// When it is not built: `cargo build --workspace` builds it, with the provider libraries beside it.
#[must_use]
pub fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("SRIOVDP_PROGRAM") {
        return program.into();
    }
    let test = std::env::current_exe().unwrap_or_default();
    // target/PROFILE/deps/TEST
    let program = test
        .parent()
        .and_then(std::path::Path::parent)
        .map(|build| build.join("sriovdp"));
    match program.filter(|program| program.is_file()) {
        Some(program) => program,
        None => panic!("the program is not built: run `cargo build --workspace` first"),
    }
}
