//! A scan of the host's that does not fit the files.

use std::fs;
use std::io;
use std::path::Path;

use super::damaged::{cannot_damage, try_out};
use crate::suite::{Case, Violation};
use sriovdp_sdk::PciFunction;

/// A change of each function in the scan.
type Change = fn(&mut PciFunction);

/// No panic when the host's scan differs from the files: it is older, or a read was wrong.
///
/// # Errors
///
/// What is different in the scan, and what happened.
pub(super) fn odd_scan(case: &Case) -> Result<(), Violation> {
    let odd: [(&str, Change); 7] = [
        ("no function has a driver", |f| f.driver = None),
        ("every driver has an empty name", |f| {
            f.driver = Some(String::new())
        }),
        ("no function has a NUMA node", |f| f.numa_node = None),
        ("physical functions are not there", |f| {
            f.physical_function = f
                .physical_function
                .map(|_| "fffe:ff:1f.7".parse().unwrap_or_default());
        }),
        ("virtual functions have no number", |f| f.vf_index = None),
        ("every function is its own physical function", |f| {
            f.physical_function = Some(f.address)
        }),
        ("there are four thousand million virtual functions", |f| {
            f.vf_count = u32::MAX
        }),
    ];
    for (what, change) in odd {
        for mut stage in case.stages()? {
            stage.change_functions(change);
            for mut subject in case.subjects()? {
                try_out(&mut subject, &stage)
                    .map_err(|violation| violation.on(format!("in the scan, {what}")).on(&stage))?;
            }
        }
    }
    case.on_each_node(|subject, stage| {
        empty(stage.root()).map_err(|error| cannot_damage(&error))?;
        try_out(subject, stage)
            .map_err(|violation| violation.on("everything left the node after the scan"))
    })
}

fn empty(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        fs::remove_dir_all(entry?.path())?;
    }
    Ok(())
}
