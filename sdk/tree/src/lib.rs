//! A node's `/sys`, `/dev` and `/proc/net` in a few lines of text.
//!
//! A provider reads the system through a rooted view, so a directory is as good as a machine. [`Tree`] writes such a
//! directory from text that a reader takes in at a glance:
//!
//! ```
//! use sriovdp_tree::Tree;
//!
//! let node = Tree::parse(
//!     "
//!     pf 0000:41:00.0 8086:10c9 driver=igb net=eth0 numa=1
//!     vf 0000:41:10.0 8086:10ca pf=0000:41:00.0 id=0 driver=vfio-pci group=19
//!     route eth0 default via=192.0.2.1
//!     ",
//! )?
//! .temp();
//!
//! let vf = node.path().join("sys/bus/pci/devices/0000:41:10.0");
//! assert_eq!(std::fs::read_to_string(vf.join("physfn/sriov_numvfs"))?, "1\n");
//! assert!(node.path().join("dev/vfio/19").exists());
//!
//! // The node lives on: a second function appears.
//! Tree::apply(node.path(), "vf 0000:41:10.2 8086:10ca pf=0000:41:00.0 id=1 driver=igbvf net=eth1")?;
//! assert_eq!(std::fs::read_to_string(vf.join("physfn/sriov_numvfs"))?, "2\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The language
//!
//! One line is one thing, and lines act in their order. A `#` at the start of a line or after a space begins a comment;
//! indentation is for the eye. `{a-b}` anywhere in a line makes one line for each number, and all ranges of a line
//! advance together.
//!
//! *Entries* are files and links, byte for byte:
//!
//! ```text
//! /sys/devices/pci0000:40/0000:40:00.0/0000:41:10.0/     this directory exists, and what follows is in it
//!   vendor = 0x8086                                      a file; it ends in a newline, as the kernel's do
//!   uevent = DRIVER=igbvf\nPCI_CLASS=20000               `\n`, `\\` and `\xNN` are escapes, in names too
//!   driver_override =                                    an empty file
//!   driver -> ../../../../bus/pci/drivers/igbvf          a link, its target as written
//!   net/eth6/mtu = 1500                                  directories between are made
//!   msi_irqs/                                            an empty directory
//! /dev/vfio/19 =                                         a path from the root belongs to no directory above it
//! @0000:41:10.0/                                         the directory of a device, by its name
//! ```
//!
//! *Words* stand for what a kernel shows for a device:
//!
//! | line | meaning |
//! | --- | --- |
//! | `pf ADDR VEN:DEV` | a physical function: `vfs=N` or `N/TOTAL` fixes the numbers of its VFs |
//! | `vf ADDR VEN:DEV pf=ADDR id=N` | a virtual function; its PF links to it and counts it |
//! | `pci ADDR VEN:DEV` | a function without SR-IOV |
//! | `sf NAME on=ADDR num=N` | an auxiliary device with a subfunction number: `net=` `ib=` `link=` `driver=` |
//! | `aux NAME on=ADDR` | an auxiliary device that is no subfunction |
//! | `vdpa NAME on=ADDR` | a vDPA device: `driver=` `dev=vhost-vdpa-N` `virtio=N` `net=` `link=` |
//! | `ib NAME` | character devices of an RDMA device: `uverbs=N,..` `umad=` `issm=` `ucm=`, and its `pkey=` |
//! | `net NAME` | a netdev of no device: `link=ether` or `infiniband`, `up=1` |
//! | `route NETDEV [default\|default6\|CIDR] [via=IP] [metric=N]` | a route in `/proc/net`; the netdev goes up |
//! | `devlink BUS/DEV` | what devlink reports about a device: `eswitch=legacy` or `switchdev`, `rdma=1` or `0`, `info.KEY=VALUE` or `info.KEY="TWO WORDS"` |
//! | `dev PATH`, `nodev PATH` | a device node more, or one that is missing |
//! | `file PATH TEXT`, `link PATH TARGET`, `dir PATH`, `rm PATH` | edits; a relative PATH is below `/sys` |
//! | `unplug NAME` | a device leaves, and everything that led to it; a PF takes its VFs along |
//!
//! `pf`, `vf` and `pci` share the keys `class=020000` `driver=` `net=a,b` `numa=N` (or `-`: no such file) `acpi=`
//! `group=` `noiommu=1` `uio=N` `ib=a,b` `pkey=` `link=` `switch=ID` `port=p0` `modalias=` `virtio=N`, and `pf` and
//! `pci` may sit behind a bridge: `in=ADDR`. A VF has the NUMA node of its PF unless it has `numa=`. Its netdev
//! is down, other netdevs are up. In any path `@NAME` is the directory of a device on the bus, and links on the
//! way are followed, so `/sys/class/net/eth0/operstate` is the file that it is on a machine.
//!
//! Device nodes are plain files, which takes no rights.
//!
//! [`capture`] makes such a text of a machine, and [`restore`] a directory of a captured text that came from elsewhere.

#![forbid(unsafe_code)]
#![forbid(missing_docs)]

mod arguments;
mod attached;
mod bus;
mod capture;
mod children;
mod devlink;
mod entries;
mod error;
mod format;
mod limits;
mod net;
mod parse;
mod pci;
mod restore;
mod route;
mod route_table;
mod state;
mod unplug;
mod words;
mod write;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use tempfile::TempDir;

use self::entries::Entries;
use self::parse::Statement;
use self::state::State;

pub use self::capture::capture;
pub use self::error::{Problem, TreeError};
pub use self::format::file;
pub use self::limits::Limits;
pub use self::restore::{RestoreError, restore};

/// A file system in memory that every Linux mounts, for POSIX shared memory.
const MEMORY: &str = "/dev/shm";

/// Everything that a text describes of a node, ready to be written below a root directory.
///
/// ```
/// use sriovdp_tree::Tree;
///
/// let node = Tree::parse("pci 0000:17:00.0 10ee:5000 class=120000 driver=xocl\ndev /dev/xocl0")?.temp();
/// assert!(node.path().join("dev/xocl0").exists());
/// // The driver is unbound.
/// Tree::apply(node.path(), "rm @0000:17:00.0/driver")?;
/// assert!(!node.path().join("sys/bus/pci/devices/0000:17:00.0/driver").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tree {
    state: State,
}

/// A node in a temporary directory, which goes when this value does.
#[derive(Debug)]
pub struct TempTree {
    directory: TempDir,
}

impl Tree {
    /// Reads `text`; the node also has the directories that every kernel shows.
    ///
    /// # Errors
    ///
    /// When a line means nothing, with its number.
    pub fn parse(text: &str) -> Result<Self, TreeError> {
        let mut tree = Self::over(Entries::of_every_node());
        tree.add(text)?;
        Ok(tree)
    }

    /// Adds further lines, which can refer to earlier ones.
    ///
    /// # Errors
    ///
    /// When a line means nothing. The tree then holds the lines before it.
    pub fn add(&mut self, text: &str) -> Result<(), TreeError> {
        let mut directory = None;
        for statement in parse::statements(text) {
            let (line, statement) = statement?;
            self.expand(statement, &mut directory)
                .map_err(|problem| TreeError { line, problem })?;
        }
        Ok(())
    }

    /// Lets a node that was written before change: `text` acts on what is below `root` now.
    ///
    /// # Errors
    ///
    /// When a line means nothing: nothing is written then, and the error is a [`TreeError`] of the kind
    /// [`io::ErrorKind::InvalidInput`]. When a file cannot be written, naming it.
    pub fn apply(root: &Path, text: &str) -> io::Result<()> {
        let mut changes = Self::over(Entries::beneath(root));
        changes
            .add(text)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        write::write(&changes.state.entries, root, usize::MAX)
    }

    /// Makes the node real below `root`; other files stay as they are.
    ///
    /// # Errors
    ///
    /// When an entry is below a link, naming both: nothing is written then. When a file cannot be written, naming it.
    pub fn write(&self, root: &Path) -> io::Result<()> {
        write::write(&self.state.entries, root, usize::MAX)
    }

    /// Writes the node to a new temporary directory.
    ///
    /// It is in memory if there is room, as sysfs is: a disk's file system can take a minute for the hundred thousand
    /// small files of a large node when it has just deleted as many.
    ///
    /// # Panics
    ///
    /// When the directory cannot be written: there is nothing that a test could do about it.
    pub fn temp(&self) -> TempTree {
        tempfile::tempdir_in(MEMORY)
            .and_then(|directory| self.fill(directory))
            .or_else(|_| tempfile::tempdir().and_then(|directory| self.fill(directory)))
            .unwrap_or_else(|error| panic!("cannot write a temporary node: {error}"))
    }

    fn fill(&self, directory: TempDir) -> io::Result<TempTree> {
        self.write(directory.path())?;
        Ok(TempTree { directory })
    }

    fn over(entries: Entries) -> Self {
        let state = State::over(entries);
        Self { state }
    }

    fn expand(
        &mut self,
        statement: Statement,
        directory: &mut Option<String>,
    ) -> Result<(), Problem> {
        let state = &mut self.state;
        match statement {
            Statement::Enter { path } => {
                let path = state.place(&path)?;
                state.entries.directory(path.clone());
                *directory = Some(path);
            }
            Statement::File { path, contents } => {
                let path = state.entry(directory.as_deref(), path)?;
                state.entries.file(path, contents);
            }
            Statement::Link { path, target } => {
                let path = state.entry(directory.as_deref(), path)?;
                state.entries.link(path, target);
            }
            Statement::Directory { path } => {
                let path = state.entry(directory.as_deref(), path)?;
                state.entries.directory(path);
            }
            Statement::Word { word, rest } => {
                *directory = None;
                words::expand(state, &word, &rest)?;
            }
        }
        Ok(())
    }
}

impl TempTree {
    /// The root: what would be `/sys` on the node is `sys` in here.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// [`Tree::apply`] on this node.
    ///
    /// # Panics
    ///
    /// When a line is wrong or the directory cannot be written, as [`Tree::temp`] does.
    #[track_caller]
    pub fn apply(&self, text: &str) {
        Tree::apply(self.path(), text)
            .unwrap_or_else(|error| panic!("cannot change the node: {error}"));
    }
}
