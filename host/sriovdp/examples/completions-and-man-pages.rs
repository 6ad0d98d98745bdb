//! Writes the shell completions and man pages of the command line, for `make release`.
//!
//!     cargo run -p sriovdp --example completions-and-man-pages -- DIRECTORY
//!
//! The files are laid out as below `/usr/share`: an example and not a command, so that the program has no code for it.

use std::fs::{self, File};
use std::path::Path;

use clap_complete::Shell;

fn main() -> std::io::Result<()> {
    let directory = std::env::args_os()
        .nth(1)
        .ok_or_else(|| std::io::Error::other("name the directory that stands for /usr/share"))?;
    write(Path::new(&directory))
}

fn write(directory: &Path) -> std::io::Result<()> {
    // Without pages of `sriovdp help`.
    let mut command = sriovdp::cli::command_for_completion()
        .disable_help_subcommand(true)
        .mut_subcommand("provider", |command| command.disable_help_subcommand(true));
    for (shell, file) in [
        (Shell::Bash, "bash-completion/completions/sriovdp"),
        (Shell::Zsh, "zsh/site-functions/_sriovdp"),
        (Shell::Fish, "fish/vendor_completions.d/sriovdp.fish"),
    ] {
        let file = directory.join(file);
        fs::create_dir_all(file.parent().unwrap_or(directory))?;
        clap_complete::generate(shell, &mut command, "sriovdp", &mut File::create(file)?);
    }
    let pages = directory.join("man/man1");
    fs::create_dir_all(&pages)?;
    clap_mangen::generate_to(command, pages)
}
