//! Routes, byte for byte as the kernel prints them.

use std::fs;

use super::{PF, expect, node};

#[test]
fn routes_are_in_the_kernels_format() {
    let node = node(&format!(
        "{PF}\nnet lan0
        route lan0
        route eth0 192.0.2.0/24 via=198.51.100.7
        route lan0 2001:db8::/32
        route lan0 default metric=4278198272
        route eth0 default6 via=fe80::1
        route lan0 default6 metric=100"
    ));
    let v4 = fs::read_to_string(node.path().join("proc/net/route")).unwrap();
    assert!(v4.lines().all(|line| line.len() == 127), "{v4}");
    let v4: Vec<_> = v4.lines().map(str::trim_end).collect();
    assert_eq!(
        v4,
        [
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
            "lan0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0",
            "eth0\t000200C0\t076433C6\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0",
            "lan0\t00000000\t00000000\t0001\t0\t0\t4278198272\t00000000\t0\t0\t0",
        ]
    );
    let v6 = fs::read_to_string(node.path().join("proc/net/ipv6_route")).unwrap();
    let none = "0".repeat(32);
    assert_eq!(
        v6,
        format!(
            "20010db8{} 20 {none} 00 {none} 00000400 00000001 00000000 00000001     lan0\n\
             {none} 00 {none} 00 fe80{}1 00000400 00000001 00000000 00000003     eth0\n\
             {none} 00 {none} 00 {none} 00000064 00000001 00000000 00000001     lan0\n",
            "0".repeat(24),
            "0".repeat(27),
        )
    );
    expect(node.path(), "/sys/class/net/lan0/operstate = up\\n");
    node.apply("route lan0 192.0.2.1/32");
    let v4 = fs::read_to_string(node.path().join("proc/net/route")).unwrap();
    assert!(
        v4.trim_end()
            .ends_with("lan0\t010200C0\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0"),
        "{v4}"
    );
}
