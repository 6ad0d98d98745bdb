//! The trait that a vendor implements.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Allocation, Device, Discovery, Error, Finding, Manifest, Mismatch, Node};

/// A device type, or an extension of device types that others own.
///
/// # What the host relies on
///
/// * One value of the type lives as long as the host. Calls may come from several threads, several at a time.
/// * A call ends within the [limits](crate::limits) of the host: [`discover`](Self::discover) within a second, any other
///   within three; the kubelet waits for [`allocate`](Self::allocate) with its whole pod loop. A panic is an error of that
///   call.
/// * Everything of the node is read through [`Node`], on the thread of the call, so that the provider runs against a
///   directory in a test, and failed reads are noted.
/// * [`matches`](Self::matches), [`findings`](Self::findings) and [`kept_out`](Self::kept_out) depend on their arguments
///   only.
/// * [`allocate`](Self::allocate) changes nothing.
/// * The id of a device stays the same when the plugin or the node starts again.
///
/// [A whole provider](crate#a-whole-provider) has the four methods that every provider has; these are two of the others:
///
/// ```
/// # use sriovdp_sdk::prelude::*;
/// # #[derive(Default)]
/// # struct Fpga;
/// # #[selectors]
/// # struct Selectors { slots: Vec<u8>, library: bool }
/// impl Provider for Fpga {
///     type Selectors = Selectors;
///     type Facts = u8;
///
///     /// A mistake of the user, with its place in the configuration.
///     fn check(&self, selectors: &Selectors) -> Result<(), Error> {
///         let Some(at) = selectors.slots.iter().position(|&slot| slot > 7) else {
///             return Ok(());
///         };
///         let error = Error::new(format!("no card has a slot {}", selectors.slots[at]));
///         Err(error.at(format!("slots[{at}]")).with_hint("slots are 0 to 7"))
///     }
///
///     /// What only this node lacks.
///     fn warnings(&self, node: &Node, selectors: &Selectors) -> Vec<Error> {
///         let missing = selectors.library && !node.root().exists("/sys/module/fpga");
///         missing.then(|| Error::new("the module `fpga` is not loaded")).into_iter().collect()
///     }
///     # fn manifest(&self) -> Manifest { Manifest::device_type("fpga", "Example accelerators") }
///     # fn discover(&self, _: &Node) -> Result<Discovery<u8>, Error> { Ok(Discovery::default()) }
///     # fn matches(&self, s: &Selectors, d: &Device<u8>) -> Result<(), Mismatch> { one_of("slots", &s.slots, Some(&d.facts)) }
///     # fn allocate(&self, _: &Node, _: &Selectors, _: &Device<u8>) -> Result<Allocation, Error> { Ok(Allocation::default()) }
/// }
/// ```
pub trait Provider: Default + Send + Sync + 'static {
    /// The selector keys, as a struct with one field for each key and the attribute [`selectors`](macro@crate::selectors).
    ///
    /// Every field has a default that constrains nothing. The host validates configurations against the JSON schema of
    /// the struct; a key that is in no schema is refused with "did you mean". Keys match in any case, and `null` means
    /// that the key is absent.
    type Selectors: DeserializeOwned + JsonSchema;

    /// What the provider keeps about each device between discovery and allocation.
    type Facts: Send + Sync;

    /// Name, role and abilities. Called before anything else.
    fn manifest(&self) -> Manifest;

    /// Checks selectors beyond their types: keys that exclude each other, keys that must be there.
    ///
    /// # Errors
    ///
    /// When no sensible selection can follow. The resource is refused with this error, and the others serve.
    fn check(&self, selectors: &Self::Selectors) -> Result<(), Error> {
        let _ = selectors;
        Ok(())
    }

    /// Values of selectors that no device can have, although [`check`](Self::check) accepts them. Each names its selector
    /// with [`Error::at`]. The resource is served all the same, with a warning that has the place in the file.
    fn unmatchable(&self, selectors: &Self::Selectors) -> Vec<Error> {
        let _ = selectors;
        Vec::new()
    }

    /// Finds the devices of this type, or, in an extension, the facts about [`Node::devices`].
    ///
    /// Called for each scan of the node. [`Node::functions`] is the PCI bus, [`Node::pci`] the sysfs directory of one
    /// function, [`Node::root`] any other file. What a later call needs of a device goes into its
    /// [`facts`](Device::facts). A device that cannot be offered is left out with [`Discovery::exclude`], which keeps the
    /// reason for `sriovdp explain`; a failure of one device must not cost the others.
    ///
    /// # Errors
    ///
    /// When nothing is known about any device. The pools keep what they had.
    fn discover(&self, node: &Node) -> Result<Discovery<Self::Facts>, Error>;

    /// Whether `device` is one that `selectors` describe.
    ///
    /// Must be a function of its two arguments alone: it is called for every pair of selector object and device, and
    /// again for `sriovdp explain`. Then `selectors` may be one key of an object, to judge each key alone.
    ///
    /// A device that a pod has stays in its pool, whether it matches or not. Where the pod took along what a key compares,
    /// such as a network interface, set [`Mismatch::unreadable`]: the device stays healthy. By any other mismatch it is
    /// unhealthy, and no other pod gets it.
    ///
    /// # Errors
    ///
    /// Not a failure: the key that does not match, and what was found instead.
    fn matches(
        &self,
        selectors: &Self::Selectors,
        device: &Device<Self::Facts>,
    ) -> Result<(), Mismatch>;

    /// Whether `device`, which [`matches`](Self::matches) accepts, matches `selectors` only by an alias: a further name of
    /// something that has a first one, such as of a PF with several network interfaces.
    ///
    /// A resource gets such a device only when no resource of the configuration matches it without an alias. Must be a
    /// function of its arguments alone, as `matches`.
    fn matches_by_alias(&self, selectors: &Self::Selectors, device: &Device<Self::Facts>) -> bool {
        let _ = (selectors, device);
        false
    }

    /// Why no new pod may get `device` from a resource with `selectors`, beside the findings of the discovery, which count
    /// for each resource: what [`allocate`](Self::allocate) would refuse by what was read
    /// in the discovery, such as the missing device node of something that only some selectors need.
    ///
    /// A selector that the device does not satisfy is a matter of [`matches`](Self::matches) and not a finding. Must be a
    /// function of its arguments alone, as that.
    fn findings(&self, selectors: &Self::Selectors, device: &Device<Self::Facts>) -> Vec<Finding> {
        let _ = (selectors, device);
        Vec::new()
    }

    /// Why a resource does not get `device` although its `selectors` match; nothing for most devices.
    ///
    /// It is for what the node itself needs, such as the network interface of its default route. Other than with
    /// [`Discovery::exclude`], a resource can get the device all the same, because the result may depend on
    /// `selectors`, and the host logs the reason for each resource that is without the device. Must be a function of its
    /// arguments alone, as [`matches`](Self::matches).
    fn kept_out(
        &self,
        selectors: &Self::Selectors,
        device: &Device<Self::Facts>,
    ) -> Option<String> {
        let _ = (selectors, device);
        None
    }

    /// Warnings about `selectors` on this node, such as a device node that
    /// [`allocate`](Self::allocate) will not find for any device.
    ///
    /// The host logs each warning once, and `sriovdp check` prints it. The health of devices does not depend on it. It is
    /// called for each selector object after each scan; [`Node::functions`] and [`Node::devices`] are empty, as in
    /// `allocate` and `pre_start`.
    fn warnings(&self, node: &Node, selectors: &Self::Selectors) -> Vec<Error> {
        let _ = (node, selectors);
        Vec::new()
    }

    /// Builds what a container gets for `device`, from the node as it is now: device nodes, mounts, values for
    /// `PCIDEVICE_…_INFO` and for the device-info file. Call [`Node::require_device_node`] for each device node: a
    /// container without its device is worse than none.
    ///
    /// This is a query. The host also calls it without a pod: to write CDI specifications it allocates every device of a
    /// pool, each time that the pool changes. So it must not reset a device, load anything into it, or write any file, and
    /// two calls with the same arguments on the same node have equal results. `conformance!` checks both.
    ///
    /// # Errors
    ///
    /// When something that the container needs is missing. The pod is then refused.
    fn allocate(
        &self,
        node: &Node,
        selectors: &Self::Selectors,
        device: &Device<Self::Facts>,
    ) -> Result<Allocation, Error>;

    /// Prepares `device` right before a container with it starts, and each time that it starts again, such as by a reset.
    /// Called only for a provider with [`Manifest::pre_start`], within the time limit of `allocate`.
    ///
    /// # Errors
    ///
    /// When the container cannot start. The kubelet tries again.
    fn pre_start(
        &self,
        node: &Node,
        selectors: &Self::Selectors,
        device: &Device<Self::Facts>,
    ) -> Result<(), Error> {
        let _ = (node, selectors, device);
        Ok(())
    }
}
