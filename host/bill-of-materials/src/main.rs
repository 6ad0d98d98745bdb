//! The bill of materials of a release: which packages the program and the providers are linked from.
//!
//!     cargo metadata --locked --format-version 1 --filter-platform TARGET | sriovdp-bill-of-materials FORMAT PACKAGE...
//!
//! * `cyclonedx`: CycloneDX 1.5 in JSON.
//! * `dep-v0`: the content of the ELF section of that name, in the format of cargo-auditable. `cargo audit bin`, trivy and
//!   grype read it.
//! * `licenses`: the license texts of the packages.
#![forbid(unsafe_code)]

mod dep_v0;
mod licenses;
mod packages;

use std::io::{Error, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use packages::{Linked, Metadata};

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let format = arguments.next().unwrap_or_default();
    let roots = arguments.collect();
    let metadata: Metadata = serde_json::from_reader(std::io::stdin().lock())?;
    let linked = Linked::of(&metadata, &roots)?;
    let bytes = match format.as_str() {
        "cyclonedx" => serde_json::to_vec_pretty(&cyclonedx(&linked))?,
        "dep-v0" => dep_v0::section(&linked)?,
        "licenses" => licenses::texts(&linked)?,
        _ => {
            return Err(Error::other(
                "the format is `cyclonedx`, `dep-v0` or `licenses`",
            ));
        }
    };
    std::io::stdout().lock().write_all(&bytes)
}

fn cyclonedx(linked: &Linked<'_>) -> Value {
    let component = |package: &packages::Package| {
        let license = package.license.iter();
        json!({
            "type": "library",
            "bom-ref": package.url(),
            "name": package.name,
            "version": package.version,
            "purl": package.url(),
            "licenses": license.map(|license| json!({"expression": license})).collect::<Vec<_>>(),
        })
    };
    let dependencies = linked.packages.iter().map(|entry| {
        let others = entry.dependencies.iter();
        let others: Vec<String> = others
            .map(|index| linked.packages[*index].package.url())
            .collect();
        json!({"ref": entry.package.url(), "dependsOn": others})
    });
    let components = linked.packages.iter().map(|entry| component(entry.package));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "sriovdp", "version": env!("CARGO_PKG_VERSION")}},
        "components": components.collect::<Vec<_>>(),
        "dependencies": dependencies.collect::<Vec<_>>(),
    })
}
