//! The parts of a provider beyond [a whole provider](crate#a-whole-provider), by question.
//!
//! # From nothing to a loaded file
//!
//! ```console
//! $ sriovdp provider new acme-fpga            # or: provider new acme-labels --extends netDevice
//! $ cd acme-fpga
//! $ cargo test
//! $ cargo build --release
//! $ sriovdp provider check target/release/libacme_fpga.so
//! # cp target/release/libacme_fpga.so /opt/sriovdp/providers/acme-fpga.so
//! ```
//!
//! `--sdk PATH` takes the SDK from a checkout of the repository `sriovdp` while crates.io does not have it; inside of a
//! checkout that is found without the option. The last command is for a node, as root; a running plugin loads the file within
//! a second. In a container the directory belongs to the image: mount one of the node, and pass it as a second
//! `--provider-dir`. A resource names the device type (`"deviceType": "acmeFpga"`), and `sriovdp check`, `list` and
//! `explain` show what becomes of it.
//!
//! The daemon keeps a copy of the file in memory, so its size counts: about 0.9 MB with the profile that `provider new` writes.
//! Keep `crate-type = ["cdylib"]`: with `"rlib"` beside it, Cargo ignores `lto`, and the file is a third larger. Tests
//! then belong into `src`.
//!
//! # Selectors
//!
//! One field of the struct is one key. Values are what serde reads; these compare as users write them: [`HexId`],
//! [`PciAddress`](crate::PciAddress), [`CaseInsensitive`](crate::selector::CaseInsensitive),
//! [`IndexRanges`](crate::selector::IndexRanges). Numbers, enums and structs work as well:
//!
//! ```
//! use sriovdp_sdk::prelude::*;
//! use sriovdp_sdk::{Deserialize, JsonSchema};
//!
//! #[selectors]
//! #[serde(rename_all = "camelCase")]
//! struct Selectors {
//!     /// The least number of channels: a number.
//!     min_channels: u8,
//!     /// What the card is switched to: an enum. `None` is the key that is left out.
//!     mode: Option<Mode>,
//!     /// The firmware: a struct, `{"min": 9, "signed": true}`.
//!     firmware: Firmware,
//! }
//!
//! #[derive(Clone, Copy, PartialEq, Deserialize, JsonSchema)]
//! #[serde(crate = "sriovdp_sdk::serde", rename_all = "camelCase")]
//! #[schemars(crate = "sriovdp_sdk::schemars")]
//! enum Mode {
//!     Inline,
//!     LookAside,
//! }
//!
//! /// A struct inside of the selectors has the attribute, too, so that each of its keys may be left out.
//! #[selectors]
//! struct Firmware {
//!     min: u32,
//!     signed: bool,
//! }
//!
//! struct Facts { channels: u8, mode: Mode, firmware: u32, signed: bool }
//!
//! fn matches(selectors: &Selectors, facts: &Facts) -> Result<(), Mismatch> {
//!     if facts.channels < selectors.min_channels {
//!         let reason = format!("it has {}, fewer than {}", facts.channels, selectors.min_channels);
//!         return Err(Mismatch::new("minChannels", reason));
//!     }
//!     if selectors.mode.is_some_and(|mode| mode != facts.mode) {
//!         return Err(Mismatch::new("mode", "it is switched to another one"));
//!     }
//!     let firmware = &selectors.firmware;
//!     if facts.firmware < firmware.min {
//!         return Err(Mismatch::new("firmware.min", format!("it has {}", facts.firmware)));
//!     }
//!     if firmware.signed && !facts.signed {
//!         return Err(Mismatch::new("firmware.signed", "its firmware is not signed"));
//!     }
//!     Ok(())
//! }
//!
//! let read = |text| sriovdp_sdk::serde_json::from_str::<Selectors>(text);
//! let selectors = read(r#"{"minChannels": 4, "mode": "lookAside", "firmware": {"min": 9}}"#)?;
//! let card = Facts { channels: 8, mode: Mode::LookAside, firmware: 7, signed: true };
//! assert_eq!(matches(&selectors, &card).unwrap_err().to_string(), "`firmware.min`: it has 7");
//! assert!(matches(&read("{}")?, &card).is_ok());
//! # Ok::<(), sriovdp_sdk::Error>(())
//! ```
//!
//! The host compares a configuration with the schema before it calls the provider: keys match in any case at every depth,
//! and an unknown one is refused with "did you mean". A map, such as `BTreeMap<String, u32>`, has any keys. A value of
//! another type is an error that names its place and the values that are possible. What the schema cannot express is
//! [`Provider::check`](crate::Provider::check), whose errors name their place by [`Error::at`](crate::Error::at). The default of
//! each key has to match every device: for a number that is the smallest, for a limit upwards an `Option`.
//!
//! # Configuration of your own
//!
//! A section `"providers": {"acme-fpga": {"licenseFile": "/etc/acme/license"}}` of the configuration belongs to the provider
//! whose file is `acme-fpga.so`. [`Manifest::settings`](crate::Manifest::settings) declares its keys, and
//! [`Node::settings`](crate::Node::settings) returns it in `discover` and `allocate`; the host follows its changes.
//!
//! ```
//! use sriovdp_sdk::prelude::*;
//!
//! #[sriovdp_sdk::settings]
//! #[serde(rename_all = "camelCase")]
//! struct Settings {
//!     /// The license of the cards of this node. Without one, no card is offered.
//!     license_file: Option<String>,
//! }
//!
//! fn manifest() -> Manifest {
//!     Manifest::device_type("acmeFpga", "Acme FPGA cards").settings::<Settings>()
//! }
//!
//! fn license(node: &Node) -> Result<Option<String>, Error> {
//!     let settings: Settings = node.settings()?;
//!     Ok(settings.license_file.and_then(|file| node.root().read(&file)))
//! }
//! ```
//!
//! # Devices that are no PCI functions
//!
//! A device needs an id and nothing else: [`Device::new`](crate::Device::new), and `with_parent` for a part of another device.
//! List them through [`Node::root`](crate::Node::root), such as `/sys/bus/dsa/devices`, and name the subsystem in
//! [`Manifest::watch_uevents`](crate::Manifest::watch_uevents), so that an event of the kernel triggers a discovery.
//!
//! # What a container gets
//!
//! [`Provider::allocate`](crate::Provider::allocate) returns an [`Allocation`](crate::Allocation) for one device. The host
//! calls the owner of the device type for all devices of the container, then each extension whose keys the selectors have,
//! and merges: devices in the order in which the kubelet names them, within a device the nodes of the owner first, those
//! of extensions by the name of their file, and [`shared_node`](crate::Allocation::shared_node)s last. Each device node and
//! each mount is there once, although several devices name it. [`Allocation`](crate::Allocation) documents what happens
//! when two providers contribute different values for one key; of `device_info`, objects merge by field, and an extension's
//! value replaces that of the owner.
//!
//! A mount takes a file or directory of the node into the container:
//!
//! ```
//! use sriovdp_sdk::{Allocation, Mount};
//!
//! let mut allocation = Allocation::default();
//! allocation.mount_read_only("/usr/lib/acme");
//! allocation.mount(Mount::writable("/run/acme/card0", "/run/acme"));
//! ```
//!
//! The paths are those of the node, where the container runtime looks them up. In a container the plugin has a root of its
//! own, so [`HostRoot::exists`](crate::HostRoot::exists) cannot check them; a pod whose mount is not there does not
//! start, and its event names the path. Device nodes are different: see
//! [`Node::require_device_node`](crate::Node::require_device_node).
//!
//! # Files of your own
//!
//! [`Node::root`](crate::Node::root) reads `/sys`, `/proc` and `/dev` of the node, in a container as well. Any other path,
//! such as `/etc/acme/license`, is one of the plugin's container: the manifest of the plugin has to mount it. A test writes it
//! with the line `file /etc/acme/license TEXT`.
//!
//! A node without the file is a usual node: the discovery finds no devices, or devices with a
//! [`Finding`](crate::Finding), and returns no error. An error means that nothing is known about any device, so that all
//! pools stay as they are.
//!
//! A change of such a file takes effect in the next full reconcile: after the time of `--rescan-interval`, 60 seconds by default,
//! or after `sriovdp rescan`. [`Manifest::watch_uevents`](crate::Manifest::watch_uevents) is for events of the kernel.
//!
//! # Time limits
//!
//! | call | limit | then |
//! | --- | --- | --- |
//! | `discover` | 1 s | the reconcile goes on without it, and the provider's pools keep their devices until it returns |
//! | `discover` | 10 s | it has failed |
//! | all `allocate` calls of one Allocate | 3 s | the pod is refused; the kubelet starts no other pod meanwhile |
//! | `pre_start` | 3 s | the container does not start; the kubelet tries again |
//! | any other call | 3 s | it has failed |
//! | the first load of a file, with a discovery of an empty node | 5 s | the file is refused |
//!
//! ```
//! use std::time::Duration;
//!
//! use sriovdp_sdk::limits;
//!
//! assert_eq!(limits::DISCOVERY_WAIT, Duration::from_secs(1));
//! assert_eq!(limits::DISCOVERY_TIMEOUT, Duration::from_secs(10));
//! assert_eq!(limits::CALL_TIMEOUT, Duration::from_secs(3));
//! assert_eq!(limits::PROBE_TIMEOUT, Duration::from_secs(5));
//! ```
//!
//! Read the node on the thread of the call: what cannot be read is noted for that thread, so that the host repeats the
//! discovery of the function and its device keeps its pool. What takes longer, such as a query to a daemon, belongs to a
//! thread of the provider that keeps its last answer, with a time at which it is too old.
//!
//! # Other languages
//!
//! A provider in C, C++ or Go is a Rust crate of some lines around a static library: the types of the boundary are
//! `abi_stable`'s, so there is no C header for it. The [`Provider`](crate::Provider) in Rust passes texts and numbers;
//! `examples/providers/c-provider` of the repository is one with its tests. For example a C function that fills a buffer:
//!
//! ```
//! use std::ffi::{CString, c_char};
//!
//! # /*
//! unsafe extern "C" {
//!     /// Writes the name of the card at `address` to `name`, and returns its length, or -1.
//!     fn acme_card(root: *const c_char, address: *const c_char, name: *mut u8, size: usize) -> isize;
//! }
//! # */
//! # #[allow(unsafe_code)]
//! # unsafe fn acme_card(_: *const c_char, _: *const c_char, _: *mut u8, _: usize) -> isize { -1 }
//!
//! fn card(root: &str, address: &str) -> Option<String> {
//!     let (root, address) = (CString::new(root).ok()?, CString::new(address).ok()?);
//!     let mut name = [0; 64];
//!     // SAFETY: both texts end in a zero byte, and the function writes at most `size` bytes.
//!     let length = unsafe { acme_card(root.as_ptr(), address.as_ptr(), name.as_mut_ptr(), name.len()) };
//!     let name = name.get(..usize::try_from(length).ok()?)?;
//!     Some(String::from_utf8_lossy(name).into_owned())
//! }
//! # assert_eq!(card("/", "0000:17:00.0"), None);
//! ```
//!
//! * C and C++: compile in `build.rs` with the crate `cc`, which links the archive into the library. An exception
//!   of C++ must not leave a function that Rust calls.
//! * Go: `go build -buildmode=c-archive`, and `cargo::rustc-link-lib=static=NAME` from `build.rs`. The runtime of Go starts
//!   threads and takes about 5 MB; signals of the plugin keep working.
//! * Pass the root to the other side, and read below it, so that tests work; reads there are past
//!   [`Node`](crate::Node), so `conformance!` cannot damage what they read, and a failed one is not noted.
//! * Nothing may print to standard output, change the working directory or install signal handlers.
//!
//! # Tests
//!
//! `sriovdp-sdk-testing` has nodes made of text, a harness that calls a provider as the host does, and
//! `conformance!`, which tries 22 rules, with the list of what it does not find.
//!
//! [`HexId`]: crate::HexId
