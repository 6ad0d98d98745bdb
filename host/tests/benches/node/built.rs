//! The provider files of this build, as the daemon takes them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// Puts the library of the crate `name` into `directory`.
///
/// # Errors
///
/// When the build has not made it, with the command that does.
pub(crate) fn provide(name: &str, directory: &Path) -> anyhow::Result<PathBuf> {
    let file = format!("lib{name}.so");
    let built = sriovdp_tests::program().with_file_name(&file);
    ensure!(
        built.is_file(),
        "`{}` is missing; run `cargo build --release --workspace` first",
        built.display()
    );
    let copy = directory.join(file);
    std::fs::copy(&built, &copy).with_context(|| format!("cannot copy `{}`", built.display()))?;
    // A file that others may write to is refused, whatever the user's umask is.
    std::fs::set_permissions(&copy, Permissions::from_mode(0o644))?;
    Ok(copy)
}
