//! From a machine to text: what device plugins read below `/sys`, `/dev` and `/proc`, as entries.
//!
//! A device's attributes are read as `udevadm info -a` reads them: regular files of up to a page. What is slow, blocks,
//! identifies a machine or concerns other subsystems is left out by name.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Limits;
use super::format;

/// The directories whose links lead to devices.
const LISTINGS: [&str; 10] = [
    "/sys/bus/pci/devices",
    "/sys/bus/auxiliary/devices",
    "/sys/bus/vdpa/devices",
    "/sys/bus/virtio/devices",
    "/sys/class/infiniband",
    "/sys/class/infiniband_cm",
    "/sys/class/infiniband_mad",
    "/sys/class/infiniband_verbs",
    "/sys/class/uio",
    "/sys/class/vfio-dev",
];
const NETDEVS: &str = "/sys/class/net";
const GROUPS: &str = "/sys/kernel/iommu_groups";
const BY_NUMBER: &str = "/sys/dev/char";
/// Answers of devlink, which a written node has as files.
const DEVLINK: &str = "/netlink/devlink";
/// The kernel blocks readers of it while VFs are created or removed, so its value is the number of links to VFs.
const VF_COUNT: &str = "sriov_numvfs";
/// Entries of a device's directory that are left out, by the beginning of their names.
const LEFT_OUT: &str = "block broadcast config consumer: counters duplex firmware_node gid_attrs gids hw_counters hwmon i2c \
    ieee80211 ifalias mdio msi_irqs node_desc nvme of_node pools power ptp queues resource rom serial sfp \
    speed statistics supplier: thermal usb uuid vpd wakeup";
/// Base classes of PCI functions whose directories below are left out: storage, bridges, serial buses.
const WITHOUT_CHILDREN: [&str; 3] = ["0x01", "0x06", "0x0c"];
/// What is left out of `/dev`, by the beginnings of names: no hardware, terminals, processors, sound, USB.
const NO_DEVICE_NODES: &str = "bus cpu fd hidraw hugepages input mqueue pts pty shm snd tty vcs";
/// Below a device: an auxiliary device, its RDMA device, a port, a table.
const DEPTH: usize = 6;
const PAGE: u64 = 4096;
const LARGEST_TABLE: u64 = 4 << 20;
/// `O_NONBLOCK` of `asm-generic/fcntl.h`.
const NONBLOCK: i32 = 0o4000;

/// Writes the node below `root` as text, until it is complete or a limit is reached, which is returned.
///
/// The text has entries only, byte for byte, except that a file ends in a newline. Device nodes become empty files; of
/// them only the names count. A device node that the kernel lists and `/dev` lacks is among them. Tables of routes keep
/// their default routes, without gateways.
///
/// # Errors
///
/// When `to` cannot be written.
pub fn capture(
    root: &Path,
    limits: Limits,
    to: &mut dyn io::Write,
) -> io::Result<Option<&'static str>> {
    let mut capture = Capture {
        // Where links lead is compared with it.
        root: root.canonicalize().unwrap_or_else(|_| root.to_owned()),
        limits,
        begun: Instant::now(),
        to,
        directory: String::new(),
        files: 0,
        bytes: 0,
        visited: BTreeSet::new(),
    };
    match capture.node() {
        Ok(()) => Ok(None),
        Err(Stop::Limit(limit)) => Ok(Some(limit)),
        Err(Stop::Write(error)) => Err(error),
    }
}

struct Capture<'a> {
    root: PathBuf,
    limits: Limits,
    begun: Instant,
    to: &'a mut dyn io::Write,
    /// That of the last line.
    directory: String,
    files: usize,
    bytes: usize,
    /// Directories.
    visited: BTreeSet<String>,
}

/// Why a capture ends early.
enum Stop {
    Limit(&'static str),
    Write(io::Error),
}

impl Capture<'_> {
    fn node(&mut self) -> Result<(), Stop> {
        for listing in LISTINGS {
            self.listing(listing, |_, _| true)?;
        }
        self.listing(NETDEVS, Capture::is_of_interest)?;
        for group in self.names(GROUPS) {
            self.device(&format!("{GROUPS}/{group}"), 1)?;
        }
        self.device(DEVLINK, 2)?;
        self.device_nodes()?;
        self.routes()
    }

    /// The links of a directory, and the devices behind them.
    fn listing(&mut self, directory: &str, is_wanted: fn(&Self, &str) -> bool) -> Result<(), Stop> {
        let mut devices = Vec::new();
        for name in self.names(directory) {
            let path = format!("{directory}/{name}");
            if let Some(device) = self.target(&path).filter(|device| is_wanted(self, device)) {
                self.link(directory, &name)?;
                devices.push(device);
            }
        }
        devices
            .iter()
            .try_for_each(|device| self.device(device, DEPTH))
    }

    /// A network interface of a device, or one above others. Those of containers are neither.
    fn is_of_interest(&self, path: &str) -> bool {
        let names = self.names(path);
        names
            .iter()
            .any(|name| name == "device" || name == "bridge" || name.starts_with("lower_"))
    }

    /// A device's attributes, its links, and the directories below it.
    fn device(&mut self, path: &str, depth: usize) -> Result<(), Stop> {
        if !self.visited.insert(path.to_owned()) {
            return Ok(());
        }
        let names = self.names(path);
        let class = self.read(&format!("{path}/class")).unwrap_or_default();
        let is_leaf = depth == 0
            || WITHOUT_CHILDREN
                .iter()
                .any(|of_class| class.starts_with(of_class.as_bytes()));
        let mut directories = Vec::new();
        for name in &names {
            let below = format!("{path}/{name}");
            let Ok(metadata) = self.at(&below).symlink_metadata() else {
                continue;
            };
            if name == VF_COUNT {
                let vfs = names.iter().filter(|name| name.starts_with("virtfn"));
                self.file(path, name, format!("{}\n", vfs.count()).as_bytes())?;
            } else if begins(name, LEFT_OUT) {
                continue;
            } else if metadata.is_symlink() {
                self.link(path, name)?;
            } else if metadata.is_dir() {
                let is_function =
                    path.starts_with("/sys/") && name.contains(':') && name.contains('.');
                if !is_leaf && !is_function {
                    self.line(path, name, "/")?;
                    directories.push(below);
                }
            } else if metadata.permissions().mode() & 0o444 != 0 {
                if let Some(contents) = self.read(&below) {
                    self.file(path, name, &contents)?;
                }
            }
        }
        for directory in directories {
            self.device(&directory, depth - 1)?;
        }
        let driver = self.target(&format!("{path}/driver"));
        let driver = driver.filter(|driver| self.visited.insert(driver.clone()));
        match driver.as_deref().and_then(|driver| driver.rsplit_once('/')) {
            Some((drivers, name)) => self.line(drivers, name, "/"),
            None => Ok(()),
        }
    }

    fn device_nodes(&mut self) -> Result<(), Stop> {
        let mut nodes = BTreeSet::new();
        let mut directories = vec![String::new()];
        while let Some(directory) = directories.pop() {
            for name in self.names(&format!("/dev/{directory}")) {
                let Ok(metadata) = self
                    .at(&format!("/dev/{directory}{name}"))
                    .symlink_metadata()
                else {
                    continue;
                };
                let kind = metadata.file_type();
                if begins(&name, NO_DEVICE_NODES) {
                    continue;
                } else if kind.is_dir() {
                    directories.push(format!("{directory}{name}/"));
                } else if kind.is_char_device() || kind.is_file() {
                    nodes.insert(format!("{directory}{name}"));
                }
            }
        }
        for number in self.names(BY_NUMBER) {
            let device = format!("{BY_NUMBER}/{number}");
            let uevent = self.read(&format!("{device}/uevent")).unwrap_or_default();
            let uevent = String::from_utf8_lossy(&uevent);
            let mut lines = uevent.lines();
            let named = lines.find_map(|line| line.strip_prefix("DEVNAME=").map(str::to_owned));
            let name = named.or_else(|| Some(self.target(&device)?.rsplit('/').next()?.to_owned()));
            nodes.extend(name.filter(|name| !begins(name, NO_DEVICE_NODES)));
        }
        nodes
            .iter()
            .try_for_each(|name| self.file("/dev", name, b""))
    }

    /// The default routes of both tables. The second field of IPv4 is the destination, and the third the gateway; of
    /// IPv6 the first is the destination, and the fifth the gateway.
    fn routes(&mut self) -> Result<(), Stop> {
        for (name, destination, gateway) in [("route", 1, 2), ("ipv6_route", 0, 4)] {
            let table = self.read_up_to(&format!("/proc/net/{name}"), LARGEST_TABLE);
            let table = table.unwrap_or_default();
            let table = String::from_utf8_lossy(&table);
            let is_zero = |field: &str| field.bytes().all(|byte| byte == b'0');
            let mut kept = String::new();
            for line in table.lines() {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let of_route = |(at, field): (usize, &&str)| match at == gateway {
                    true => "0".repeat(field.len()),
                    false => (*field).to_owned(),
                };
                match fields.get(destination) {
                    Some(field) if is_zero(field) => {
                        let fields: Vec<String> = fields.iter().enumerate().map(of_route).collect();
                        kept += &fields.join("\t");
                    }
                    Some(&"Destination") => kept += &fields.join("\t"),
                    _ => continue,
                }
                kept.push('\n');
            }
            if !kept.is_empty() {
                self.file("/proc/net", name, kept.as_bytes())?;
            }
        }
        Ok(())
    }

    fn link(&mut self, directory: &str, name: &str) -> Result<(), Stop> {
        let target = fs::read_link(self.at(&format!("{directory}/{name}"))).ok();
        match target.as_deref().and_then(Path::to_str) {
            Some(target) => {
                let target = format::escaped(target.as_bytes());
                self.line(directory, name, &format!(" -> {target}"))
            }
            None => Ok(()),
        }
    }

    fn file(&mut self, directory: &str, name: &str, contents: &[u8]) -> Result<(), Stop> {
        self.line(directory, name, &format::contents(contents))
    }

    /// One entry, in its directory.
    fn line(&mut self, directory: &str, name: &str, rest: &str) -> Result<(), Stop> {
        let mut line = format!("  {}{rest}\n", format::name(name));
        if directory != self.directory {
            line = format!("\n{}/\n{line}", format::escaped(directory.as_bytes()));
            directory.clone_into(&mut self.directory);
        }
        self.files += 1;
        self.bytes += line.len();
        if self.files > self.limits.files {
            return Err(Stop::Limit("the number of files"));
        }
        if self.bytes > self.limits.bytes {
            return Err(Stop::Limit("the size"));
        }
        if self.begun.elapsed() >= self.limits.time {
            return Err(Stop::Limit("the time"));
        }
        self.to.write_all(line.as_bytes()).map_err(Stop::Write)
    }

    /// Where a link leads, as a path below the root; nothing when it leaves it.
    fn target(&self, path: &str) -> Option<String> {
        let target = self.at(path).canonicalize().ok()?;
        Some(format!(
            "/{}",
            target.strip_prefix(&self.root).ok()?.to_str()?
        ))
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(directory)).into_iter().flatten();
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.take(self.limits.files).collect();
        names.sort_unstable();
        names
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.read_up_to(path, PAGE)
    }

    /// Neither waits for a writer of a FIFO nor reads a device.
    fn read_up_to(&self, path: &str, limit: u64) -> Option<Vec<u8>> {
        let mut options = File::options();
        let file = options
            .read(true)
            .custom_flags(NONBLOCK)
            .open(self.at(path))
            .ok()?;
        let mut bytes = Vec::new();
        if file.metadata().ok()?.is_file() {
            file.take(limit).read_to_end(&mut bytes).ok()?;
        }
        Some(bytes)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

/// Whether `name` begins with one of `words`.
fn begins(name: &str, words: &str) -> bool {
    words.split(' ').any(|word| name.starts_with(word))
}
