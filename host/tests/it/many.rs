//! 64 pools with 4,096 VFs.

use std::fmt::Write;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::world::{Way, World, both_ways};

both_ways!(every_pool_is_registered_and_listed_once);

const PFS: usize = 64;
const VFS: usize = 64;

/// One PF on each bus, each with 64 VFs.
fn node() -> String {
    let mut tree = String::new();
    for pf in 0..PFS {
        let bus = pf + 1;
        writeln!(
            tree,
            "pf 0000:{bus:02x}:00.0 8086:1572 driver=i40e net=pf{pf} numa={}",
            pf % 2
        )
        .unwrap();
        for vf in 0..VFS {
            let (device, function) = (1 + vf / 8, vf % 8);
            writeln!(
                tree,
                "vf 0000:{bus:02x}:{device:02x}.{function} 8086:154c pf=0000:{bus:02x}:00.0 id={vf} driver=iavf numa={}",
                pf % 2
            )
            .unwrap();
        }
    }
    tree
}

fn config() -> String {
    let resources: Vec<String> = (0..PFS)
        .map(|pf| {
            format!(r#"{{"resourceName": "pool{pf}", "selectors": {{"pfNames": ["pf{pf}"]}}}}"#)
        })
        .collect();
    format!(r#"{{"resourceList": [{}]}}"#, resources.join(","))
}

async fn every_pool_is_registered_and_listed_once(way: Way) {
    let world = World::with_config(&node(), way, &config());
    let kubelet = world.kubelet().await;
    let mut daemon = world.daemon();
    for pf in 0..PFS {
        let pool = format!("intel.com/pool{pf}");
        kubelet
            .wait_for(&pool, |view| view.allocatable() == VFS)
            .await
            .unwrap();
    }
    // Outcome again twice; a further look of something that did change shows that both are over.
    for look in 0..2 {
        daemon.signal(Signal::HUP);
        world.change(&format!(
            "vf 0000:01:10.{look} 8086:154c pf=0000:01:00.0 id={} driver=iavf",
            VFS + look
        ));
        daemon.signal(Signal::HUP);
        kubelet
            .wait_for("intel.com/pool0", |view| {
                view.allocatable() == VFS + look + 1
            })
            .await
            .unwrap();
    }
    for pf in 1..PFS {
        let view = kubelet.resource(&format!("intel.com/pool{pf}")).unwrap();
        assert_eq!(
            (view.messages, view.registrations),
            (1, 1),
            "pool{pf} has not changed"
        );
    }
    let asked = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(0));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(2), "the end took {took:?}");
    assert_eq!(kubelet.violations(), [""; 0]);
}
