//! How long it takes to check a provider file, which the daemon does with each one before it loads it.

use std::time::Duration;

use anyhow::Context;
use sriovdp_providers::{ProviderSettings, inspect};

use crate::measure::median;
use crate::program::Ours;

/// Each file is checked this often.
const TIMES: usize = 20;

/// Prints the median for each provider: reading, digest, and the process that loads it and asks it.
pub(crate) async fn print(ours: &Ours) -> anyhow::Result<()> {
    let (program, directory) = ours.parts();
    let settings = ProviderSettings {
        program: program.to_owned(),
        ..ProviderSettings::new(vec![directory.to_owned()])
    };
    let mut files: Vec<_> = std::fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    println!("checking a provider file, its probe included (median of {TIMES}):");
    for file in files {
        let mut took: Vec<Duration> = Vec::new();
        for _ in 0..TIMES {
            let checked = inspect(&file, &settings).await;
            took.push(
                checked
                    .with_context(|| format!("`{}`", file.display()))?
                    .took,
            );
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!("{name:>40}  {:.1} ms", median(took).as_secs_f64() * 1e3);
    }
    println!();
    Ok(())
}
