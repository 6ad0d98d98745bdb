//! The format of `/proc/net/route`.

/// The first line of the IPv4 table, which is there without a single route.
pub(super) fn header() -> Vec<u8> {
    padded("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT")
        .into_bytes()
}

/// The kernel pads every line of the IPv4 table to one width.
pub(super) fn padded(line: &str) -> String {
    format!("{line:<127}\n")
}
