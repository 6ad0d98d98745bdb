//! Which devices exclude each other: a PCI function, or another device, as a whole, and the parts of it that providers make.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{DiscoveredDevice, DiscoveredDevices};

/// What one device takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The whole of something that others are parts of.
    Whole(String),
    /// A part.
    Part(String),
}

/// How something was taken first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken<'a> {
    Whole,
    /// By parts that this device type makes.
    Parts(&'a str),
}

/// What is taken by the devices that are assigned. Nodes on which no device is a part of another one have no claims.
#[derive(Debug)]
pub struct Claims<'a> {
    /// What devices are parts of.
    divided: HashSet<String>,
    taken: HashMap<String, Taken<'a>>,
}

impl<'a> Claims<'a> {
    /// Of devices by their device type.
    pub fn new<'d>(
        device_types: impl IntoIterator<Item = (&'d str, &'d DiscoveredDevices)>,
    ) -> Self {
        // Several resources have one device type.
        let device_types: BTreeMap<&str, &DiscoveredDevices> = device_types.into_iter().collect();
        let devices = device_types.values().flat_map(|found| &found.devices);
        Self {
            divided: devices.filter_map(part_of).collect(),
            taken: HashMap::new(),
        }
    }

    /// Whether no device is a part of another one.
    pub fn are_empty(&self) -> bool {
        self.divided.is_empty()
    }

    /// What `device` takes, if another device may take the same.
    pub fn of(&self, device: &DiscoveredDevice) -> Option<Claim> {
        if self.are_empty() {
            return None;
        }
        if let Some(whole) = part_of(device) {
            return Some(Claim::Part(whole));
        }
        let whole = self.divided.get(device.id.as_str())?;
        Some(Claim::Whole(whole.clone()))
    }

    /// Whether a device of `device_type` can take it beside what is taken.
    pub(super) fn is_free(&self, claim: &Claim, device_type: &str) -> bool {
        match (claim, self.taken.get(claim.whole())) {
            (_, None) => true,
            (Claim::Part(_), Some(Taken::Parts(by))) => *by == device_type,
            (Claim::Whole(_), Some(_)) | (Claim::Part(_), Some(Taken::Whole)) => false,
        }
    }

    pub(super) fn take(&mut self, claim: &Claim, device_type: &'a str) {
        let taken = match claim {
            Claim::Whole(_) => Taken::Whole,
            Claim::Part(_) => Taken::Parts(device_type),
        };
        self.taken.entry(claim.whole().to_owned()).or_insert(taken);
    }
}

impl Claim {
    /// The whole.
    pub fn whole(&self) -> &str {
        match self {
            Self::Whole(whole) | Self::Part(whole) => whole,
        }
    }
}

/// What a device is a part of: the address of its function, or of the function that its parent is below, or the path of
/// its parent.
fn part_of(device: &DiscoveredDevice) -> Option<String> {
    if !device.is_part {
        return None;
    }
    if let Some(function) = device.function {
        return Some(function.to_string());
    }
    let parent = device.extras.as_ref()?.parent.as_deref()?;
    let is_address = |name: &&str| name.bytes().filter(|&byte| byte == b':').count() == 2;
    let mut names = parent.rsplit('/').filter(is_address);
    let function = names.find_map(|name| name.parse::<sriovdp_sdk::PciAddress>().ok());
    Some(function.map_or_else(|| parent.to_owned(), |function| function.to_string()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sriovdp_providers::DeviceExtras;

    use super::*;
    use crate::pools::sample;

    fn device(id: &str, function: Option<&str>, parent: Option<&str>) -> DiscoveredDevice {
        let extras = DeviceExtras {
            parent: parent.map(str::to_owned),
            ..DeviceExtras::default()
        };
        DiscoveredDevice {
            is_part: function.is_some_and(|function| function != id) || parent.is_some(),
            function: function.map(|function| function.parse().unwrap()),
            extras: Some(Arc::new(extras)),
            ..sample::discovered(id)
        }
    }

    #[test]
    fn parts_name_what_they_are_parts_of() {
        let function = Some("0000:17:00.0");
        let queue = "/sys/devices/pci0000:6a/0000:6a:01.0/dsa0";
        for (device, expected) in [
            (device("0000:17:00.0", function, None), None),
            (device("0000:17:00.0-1", function, None), function),
            (device("wq0.0", None, Some(queue)), Some("0000:6a:01.0")),
            (
                device("x", None, Some("/sys/devices/platform/x")),
                Some("/sys/devices/platform/x"),
            ),
            (device("x", None, None), None),
        ] {
            assert_eq!(part_of(&device).as_deref(), expected, "{device:?}");
        }
        let subfunction = DiscoveredDevice {
            is_part: false,
            ..device("mlx5_core.sf.4", function, None)
        };
        assert_eq!(part_of(&subfunction), None);
    }

    #[test]
    fn a_whole_excludes_its_parts_and_one_device_type_makes_them() {
        let of = |devices: &[DiscoveredDevice]| DiscoveredDevices {
            devices: devices.to_vec(),
            excluded: Vec::new(),
        };
        let function = Some("0000:17:00.0");
        let whole = device("0000:17:00.0", function, None);
        let parts = [0, 1].map(|n| device(&format!("0000:17:00.0-{n}"), function, None));
        let (wholes, shares) = (of(std::slice::from_ref(&whole)), of(&parts));
        let types = || [("whole", &wholes), ("share", &shares), ("other", &shares)];
        let mut claims = Claims::new(types());
        let [first, second] = parts.each_ref().map(|part| claims.of(part).unwrap());
        let whole = claims.of(&whole).unwrap();
        assert!(claims.is_free(&whole, "whole"));
        claims.take(&first, "share");
        assert!(claims.is_free(&second, "share"));
        assert!(!claims.is_free(&second, "other") && !claims.is_free(&whole, "whole"));
        let mut claims = Claims::new(types());
        claims.take(&whole, "whole");
        assert!(!claims.is_free(&first, "share"));
        let undivided = Claims::new([("whole", &wholes)]);
        assert_eq!(undivided.of(&wholes.devices[0]), None);
    }
}
