//! The nodes that are measured: how many virtual functions, in how many pools.

use std::fmt::Write;

/// A node, by what makes it large.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Virtual functions.
    pub(crate) vfs: usize,
    /// Pools that they are divided among.
    pub(crate) pools: usize,
}

/// As many as an adapter of the kind that is written has for one physical function.
const VFS_OF_A_PF: usize = 64;
/// Functions that are no network functions, as every server has them.
const PORTS: usize = 32;

impl Size {
    /// The node in the tree language. One physical function sits on each bus; every other VF has a kernel driver and
    /// a netdev, the rest is bound to vfio-pci.
    pub(crate) fn tree(self) -> String {
        let mut tree = String::from("net lo\n");
        for port in 0..PORTS {
            line(
                &mut tree,
                format_args!("pci 0000:00:{port:02x}.0 8086:2030 class=060400 driver=pcieport"),
            );
        }
        let pfs = self.physical_functions();
        for pf in 0..pfs {
            let bus = pf + 1;
            line(
                &mut tree,
                format_args!(
                    "pf 0000:{bus:02x}:00.0 8086:1572 driver=i40e net=pf{pf} numa={}",
                    pf % 2
                ),
            );
            for vf in 0..self.vfs / pfs {
                let (device, function) = (1 + vf / 8, vf % 8);
                let bound = match vf % 2 {
                    0 => format!("driver=iavf net=pf{pf}v{vf}"),
                    _ => format!("driver=vfio-pci group={}", 1 + pf * VFS_OF_A_PF + vf),
                };
                line(
                    &mut tree,
                    format_args!(
                        "vf 0000:{bus:02x}:{device:02x}.{function} 8086:154c pf=0000:{bus:02x}:00.0 id={vf} {bound}"
                    ),
                );
            }
        }
        tree
    }

    /// One more virtual function of the first physical function, which is in the first pool: the `n`th.
    pub(crate) fn one_more(self, n: usize) -> String {
        let id = self.vfs / self.physical_functions() + n;
        format!(
            "vf {} 8086:154c pf=0000:01:00.0 id={id} driver=iavf net=more{n}",
            self.one_more_at(n)
        )
    }

    /// Its address.
    pub(crate) fn one_more_at(self, n: usize) -> String {
        format!("0000:01:{:02x}.{}", 16 + n / 8, n % 8)
    }

    /// The configuration: each pool takes the VFs of its share of the physical functions, by name.
    pub(crate) fn config(self) -> String {
        let resources: Vec<String> = (0..self.pools).map(|pool| self.resource(pool)).collect();
        format!(r#"{{"resourceList": [{}]}}"#, resources.join(","))
    }

    /// The resources as the kubelet has them.
    pub(crate) fn resources(self) -> impl Iterator<Item = String> {
        (0..self.pools).map(|pool| format!("intel.com/pool{pool}"))
    }

    /// How many devices each pool has.
    pub(crate) fn devices_of_a_pool(self) -> usize {
        self.vfs / self.pools
    }

    fn resource(self, pool: usize) -> String {
        let names: Vec<String> = (pool..self.physical_functions())
            .step_by(self.pools)
            .map(|pf| format!("\"pf{pf}\""))
            .collect();
        format!(
            r#"{{"resourceName": "pool{pool}", "selectors": {{"pfNames": [{}]}}}}"#,
            names.join(",")
        )
    }

    fn physical_functions(self) -> usize {
        self.pools.max(self.vfs.div_ceil(VFS_OF_A_PF))
    }
}

fn line(tree: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(tree, "{words}");
}
