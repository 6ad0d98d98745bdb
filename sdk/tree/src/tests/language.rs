//! Entries, ranges, edits, and the message for each wrong line.

use super::super::Tree;
use super::{PF, VF, check, refused};

#[test]
fn entries_say_what_is_there() {
    check(
        r"
        # a comment
        /sys/a/b/            # and another
          line = one
          lines = one\ntwo
          blank = \n
          escapes = \\ \x41\x20
          hash = a#b
          empty =
          up -> ../c
          empty_directory/
          deeper/still = x
        /dev/null =
        ",
        r"
        /sys/a/b/line = one\n
        /sys/a/b/lines = one\ntwo\n
        /sys/a/b/blank = \n
        /sys/a/b/escapes = \\ A \n
        /sys/a/b/hash = a#b\n
        /sys/a/b/empty =
        /sys/a/b/up -> ../c
        /sys/a/b/empty_directory /
        /sys/a/b/deeper/still = x\n
        /dev/null =
        ",
    );
}

#[test]
fn ranges_advance_together() {
    check(
        &format!("{PF}\nvf 0000:41:10.{{0-2}} 8086:10ca pf=0000:41:00.0 id={{0-2}} net=v{{7-9}}"),
        r"
        PF/sriov_numvfs = 3\n
        PF/virtfn2 -> ../0000:41:10.2
        /sys/class/net/v9/ifindex = 5\n
        /sys/class/net/v9/operstate = down\n
        /sys/class/net/v9/carrier absent
        ",
    );
}

#[test]
fn edits_follow_links() {
    check(
        &format!(
            "{PF}\n{VF}
            file /sys/class/net/eth0/operstate down
            file @0000:41:10.0/physfn/sriov_numvfs 9
            link kernel/here ../bus
            dir @0000:41:10.0/uio
            rm @0000:41:10.0/modalias
            rm /sys/class/net/eth0/carrier
            dev /dev/net/tun
            nodev /dev/vfio/vfio
            @0000:41:10.0/
              acpi_index = 3"
        ),
        r"
        PF/net/eth0/operstate = down\n
        PF/sriov_numvfs = 9\n
        /sys/kernel/here -> ../bus
        VF/uio /
        VF/modalias absent
        PF/net/eth0/carrier absent
        PF/net/eth0/mtu = 1500\n
        /dev/net/tun =
        /dev/vfio/vfio absent
        VF/acpi_index = 3\n
        ",
    );
}

#[test]
fn errors_name_the_line() {
    for (line, message) in [
        (
            "pf 0000:41:00.1",
            "this is not `pf ADDR VEN:DEV [key=value..]`",
        ),
        (
            "pf 41:00.1 8086:10c9",
            "`41:00.1` is no PCI address such as 0000:41:10.0",
        ),
        (
            "pci 0000:41:00.1 8086",
            "`8086` is no pair of ids such as 8086:10ca",
        ),
        ("pci 0000:41:00.1 8086:10c9 group=x", "`x` is no number"),
        (
            "pci 0000:41:00.0 8086:10c9",
            "`0000:41:00.0` is already there",
        ),
        (
            "pci 0000:41:00.1 8086:10c9 net=eth0",
            "`eth0` is already there",
        ),
        (
            "aux a.b.1 on=0000:41:00.0 num=1",
            "`aux` has no key `num`; its keys are on",
        ),
        (
            "vf 0000:41:10.0 8086:10ca pf=0000:41:00.1 id=0",
            "no line above describes the device `0000:41:00.1`",
        ),
        (
            "vf 0000:41:10.0 8086:10ca pf=0000:41:00.0",
            "this is not `vf ADDR VEN:DEV pf=ADDR id=N [key=value..]`",
        ),
        ("net a up=1 up=1", "`up=` appears twice"),
        ("route eth1", "no line above describes the device `eth1`"),
        (
            "route eth0 everywhere",
            "`everywhere` is no destination such as default, default6 or 192.0.2.0/24",
        ),
        (
            "route eth0 default via=::1",
            "`::1` is no gateway of the route's own address family",
        ),
        ("rm /sys/nothing", "there is no `/sys/nothing`"),
        (
            "rm @0000:41:00.1/x",
            "no line above describes the device `0000:41:00.1`",
        ),
        (
            "net a{1-2} link={1-3}",
            "the ranges of a line count up and have one length",
        ),
        (
            "net a{2-1}",
            "the ranges of a line count up and have one length",
        ),
        ("net a{0-65536}", "a range makes at most 65536 lines"),
        (
            "vendor = 0x8086",
            "`vendor` is in no directory: a line such as `/sys/kernel/` must come first",
        ),
        (
            "/sys/kernel",
            "`/sys/kernel` needs `= TEXT`, `-> TARGET` or a final `/`",
        ),
        (
            "/sys/a = \\q",
            "`\\q` is no escape; there are `\\n`, `\\\\` and `\\xNN`",
        ),
    ] {
        refused(
            &format!("# one\n{PF}\n\n{line}"),
            &format!("line 4: {message}"),
        );
    }
    let unknown = Tree::parse("pff 0000:41:00.0").unwrap_err().to_string();
    assert!(
        unknown.starts_with("line 1: unknown word `pff`; the words are pf, vf, pci,"),
        "{unknown}"
    );
}
