//! The nodes that are measured: so many virtual functions, in so many pools.

use std::fmt::{Display, Formatter, Write};

use serde_json::json;

/// A node, by what makes it large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Virtual functions: a multiple of the physical functions.
    pub(crate) vfs: usize,
    /// One pool, or a multiple of the physical functions.
    pub(crate) pools: usize,
}

/// What a virtual function is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// A kernel driver with a network interface.
    Netdev,
    Vfio,
}

/// Physical functions of each node.
const PFS: usize = 8;
/// Functions that are no network functions, as every server has them.
const PORTS: usize = 32;
/// The first pool also selects these indices, for functions that are added.
const SPARE: std::ops::Range<usize> = 1000..1200;
/// The bus numbers of a physical function and its virtual ones.
const BUSES_OF_A_PF: usize = 8;

impl Size {
    /// The node in the tree language. Every other VF has a netdev, the rest is bound to vfio-pci.
    pub(crate) fn tree(self) -> String {
        let mut tree = String::from("net lo\n");
        for port in 0..PORTS {
            line(
                &mut tree,
                format_args!("pci 0000:00:{port:02x}.0 8086:2030 class=060400 driver=pcieport"),
            );
        }
        for pf in 0..PFS {
            line(
                &mut tree,
                format_args!(
                    "pf {} 8086:1572 driver=i40e net=pf{pf} numa={}",
                    address(pf, 0),
                    pf % 2
                ),
            );
            for vf in 0..self.vfs_of_a_pf() {
                line(&mut tree, format_args!("{}", vf_line(pf, vf)));
            }
        }
        tree
    }

    /// The configuration: each pool selects all physical functions, or a range of the VFs of one of them.
    pub(crate) fn config(self) -> String {
        let resources = (0..self.pools).map(|pool| {
            json!({
                "resourceName": format!("pool{pool}"),
                "selectors": { "pfNames": self.pf_names(pool) },
            })
        });
        json!({ "resourceList": resources.collect::<Vec<_>>() }).to_string()
    }

    /// The resources as the kubelet has them.
    pub(crate) fn resources(self) -> impl Iterator<Item = String> {
        (0..self.pools).map(resource_name)
    }

    /// How many devices each pool has.
    pub(crate) fn devices_of_a_pool(self) -> usize {
        self.vfs / self.pools
    }

    /// All devices with this driver, each with the name of its resource.
    pub(crate) fn devices(self, driver: Driver) -> Vec<(String, String)> {
        let vfs = (0..PFS).flat_map(|pf| (0..self.vfs_of_a_pf()).map(move |vf| (pf, vf)));
        let bound = vfs.filter(|&(_, vf)| driver_of(vf) == driver);
        let named = bound.map(|(pf, vf)| {
            let pool = (pf * self.vfs_of_a_pf() + vf) / self.devices_of_a_pool();
            (resource_name(pool), vf_address(pf, vf))
        });
        named.collect()
    }

    /// The selector of a pool.
    pub(crate) fn pf_names(self, pool: usize) -> Vec<String> {
        if self.pools == 1 {
            return (0..PFS).map(|pf| format!("pf{pf}")).collect();
        }
        let (share, of_a_pf) = (self.devices_of_a_pool(), self.vfs_of_a_pf());
        let (pf, first) = (pool * share / of_a_pf, pool * share % of_a_pf);
        let spare = match pool {
            0 => format!(",{}-{}", SPARE.start, SPARE.end - 1),
            _ => String::new(),
        };
        vec![format!("pf{pf}#{first}-{}{spare}", first + share - 1)]
    }

    fn vfs_of_a_pf(self) -> usize {
        self.vfs / PFS
    }
}

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let plural = if self.pools == 1 { "pool" } else { "pools" };
        write!(f, "{} VFs in {} {plural}", self.vfs, self.pools)
    }
}

/// One more virtual function of the first physical function, which is in the first pool: the `n`th.
pub(crate) fn one_more(n: usize) -> String {
    vf_line(0, SPARE.start + 2 * n)
}

/// Its address.
pub(crate) fn one_more_at(n: usize) -> String {
    vf_address(0, SPARE.start + 2 * n)
}

fn vf_line(pf: usize, vf: usize) -> String {
    let bound = match driver_of(vf) {
        Driver::Netdev => format!("driver=iavf net=pf{pf}v{vf}"),
        Driver::Vfio => format!("driver=vfio-pci group={}", 1 + pf * SPARE.end + vf),
    };
    format!(
        "vf {} 8086:154c pf={} id={vf} {bound}",
        vf_address(pf, vf),
        address(pf, 0)
    )
}

fn driver_of(vf: usize) -> Driver {
    match vf % 2 {
        0 => Driver::Netdev,
        _ => Driver::Vfio,
    }
}

fn vf_address(pf: usize, vf: usize) -> String {
    address(pf, 8 + vf)
}

/// The function so many routing ids after the physical function.
fn address(pf: usize, offset: usize) -> String {
    let bus = 1 + pf * BUSES_OF_A_PF + offset / 256;
    format!("0000:{bus:02x}:{:02x}.{}", offset / 8 % 32, offset % 8)
}

fn resource_name(pool: usize) -> String {
    format!("intel.com/pool{pool}")
}

fn line(tree: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(tree, "{words}");
}
