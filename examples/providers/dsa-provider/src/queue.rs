//! A work queue as the driver `idxd` shows it (Linux: `Documentation/ABI/stable/sysfs-driver-dma-idxd`).

use sriovdp_sdk::selector::CaseInsensitive;
use sriovdp_sdk::{Context, Error, Finding, FindingKind, Node};

const MODES: [&str; 2] = ["dedicated", "shared"];
const BUS: &str = "/sys/bus/dsa/devices";

/// What is kept about a work queue.
#[derive(Clone, Debug)]
pub struct Queue {
    /// `dsa` or `iax`.
    pub accelerator: CaseInsensitive,
    pub mode: &'static str,
    pub name: Option<String>,
    pub size: u32,
    pub numa_node: Option<u32>,
    /// The directory of its accelerator.
    pub parent: String,
    state: String,
}

/// The names of the work queues of the node, such as `wq0.1`.
///
/// # Errors
///
/// When the bus is there and cannot be read.
pub fn names(node: &Node) -> Result<Vec<String>, Error> {
    let mut names = node.root().try_list(BUS)?;
    names.retain(|name| name.starts_with("wq"));
    Ok(names)
}

impl Queue {
    /// # Errors
    ///
    /// When programs cannot use it, or not yet.
    pub fn read(node: &Node, name: &str) -> Result<Self, Error> {
        let root = node.root();
        let attribute = |name_of: &str| {
            root.read(&format!("{BUS}/{name}/{name_of}"))
                .with_context(|| format!("`{name}` has no attribute `{name_of}`"))
        };
        if attribute("type")? != "user" {
            let error = Error::new("its type is not `user`, which programs need");
            return Err(error.with_hint("configure it: `accel-config config-wq --type=user`"));
        }
        let mode = attribute("mode")?;
        // `../../../devices/pci0000:6a/0000:6a:01.0/dsa0/wq0.1`
        let place = root.link_target(&format!("{BUS}/{name}"));
        let place = place.with_context(|| format!("`{name}` is no link"))?;
        let parent = place.parent().context("it has no parent")?;
        let accelerator = parent.file_name().unwrap_or_default().to_string_lossy();
        let kind = accelerator.trim_end_matches(|c: char| c.is_ascii_digit());
        let numa_node = root.read(&format!("{BUS}/{accelerator}/numa_node"));
        let place = parent.to_string_lossy();
        Ok(Self {
            accelerator: kind.into(),
            mode: MODES
                .into_iter()
                .find(|known| *known == mode)
                .context("its mode is not known")?,
            name: Some(attribute("name")?).filter(|name| !name.is_empty()),
            size: attribute("size")?
                .parse()
                .ok()
                .context("its size is no number")?,
            numa_node: numa_node.and_then(|node| node.parse().ok()),
            parent: format!("/sys/{}", place.trim_start_matches("../")),
            state: attribute("state")?,
        })
    }

    /// A queue that is being configured stays where it is, and no new pod gets it.
    pub fn finding(&self) -> Option<Finding> {
        let state = self.state.as_str();
        (state != "enabled").then(|| Finding::new(FindingKind::Other, "it is not enabled"))
    }

    /// The path of its device node, which has to be there.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn require_node(&self, node: &Node, name: &str) -> Result<String, Error> {
        let path = format!("/dev/{}/{name}", self.accelerator.as_str());
        node.require_device_node(&path)
            .map_err(|missing| missing.with_hint("load the module `idxd` on this node"))?;
        Ok(path)
    }
}
