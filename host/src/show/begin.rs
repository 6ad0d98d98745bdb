//! `sriovdp provider new`: what was written, and what to do next.

use std::path::Path;

use super::Page;
use crate::cli::Exit;
use crate::new_provider::{NewProvider, PackageName};
use crate::report::Report;

pub(super) fn begin(page: &mut Page, name: &PackageName, extends: Option<&str>) -> Exit {
    let new = NewProvider {
        name: name.clone(),
        extends: extends.map(str::to_owned),
    };
    match new.write(Path::new("")) {
        Ok(files) => {
            for file in files {
                page.line(format_args!("{}", file.display()));
            }
            page.line(format_args!(
                "next: `cd {} && cargo test`, then what its README.md says",
                name.as_str()
            ));
            Exit::Success
        }
        Err(error) => {
            eprintln!("{}", Report::error(&error));
            Exit::Failure
        }
    }
}
