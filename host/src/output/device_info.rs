//! Device-info files: what Multus and CNIs may know about an allocated device.

use std::path::Path;

use super::{WriteError, write_whole};
use crate::pools::DeviceInfoFile;

/// Writes the file of one device.
///
/// # Errors
///
/// When the directory cannot be made or written to.
pub fn write(directory: &Path, file: &DeviceInfoFile) -> Result<(), WriteError> {
    write_whole(directory, &file.name, &file.content)
}
