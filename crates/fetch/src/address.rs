//! Which addresses belong to the public internet: the IANA special-purpose registries (RFC 6890) and IPv4 inside IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::network::Network;

const SPECIAL: &[(Network, &str)] = &[
    (Network::v4([0, 0, 0, 0], 8), "this network"),
    (Network::v4([10, 0, 0, 0], 8), "private"),
    (Network::v4([100, 64, 0, 0], 10), "carrier-grade NAT"),
    (Network::v4([127, 0, 0, 0], 8), "loopback"),
    (Network::v4([169, 254, 0, 0], 16), "link-local"),
    (Network::v4([172, 16, 0, 0], 12), "private"),
    (Network::v4([192, 0, 0, 0], 24), "protocol assignments"),
    (Network::v4([192, 0, 2, 0], 24), "documentation"),
    (Network::v4([192, 88, 99, 0], 24), "6to4 relay"),
    (Network::v4([192, 168, 0, 0], 16), "private"),
    (Network::v4([198, 18, 0, 0], 15), "benchmarking"),
    (Network::v4([198, 51, 100, 0], 24), "documentation"),
    (Network::v4([203, 0, 113, 0], 24), "documentation"),
    (Network::v4([224, 0, 0, 0], 4), "multicast"),
    (Network::v4([240, 0, 0, 0], 4), "reserved"),
    (Network::v6([0; 8], 128), "unspecified"),
    (Network::v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    (COMPATIBLE, "IPv4-compatible"),
    (NAT64_LOCAL, "local NAT64"),
    (Network::v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "discard"),
    (Network::v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "protocol assignments"),
    (Network::v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "documentation"),
    (Network::v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "documentation"),
    (Network::v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "unique local"),
    (Network::v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (Network::v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local"),
    (Network::v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
];

const COMPATIBLE: Network = Network::v6([0; 8], 96);
const NAT64: Network = Network::v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const NAT64_LOCAL: Network = Network::v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48);
const TEREDO: Network = Network::v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32);
const SIX_TO_FOUR: Network = Network::v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);
const GLOBAL_UNICAST: Network = Network::v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Why the address is not one of the public internet; `None` if it is. Does not look at [`embedded`] addresses.
pub(crate) fn special_purpose(address: IpAddr) -> Option<&'static str> {
    let address = address.to_canonical();
    // Tunnels lie in reserved space and lead to the address inside, which the caller checks.
    if NAT64.contains(address) || TEREDO.contains(address) {
        return None;
    }
    let special = SPECIAL.iter().find(|(network, _)| network.contains(address)).map(|(_, name)| *name);
    let unassigned = address.is_ipv6() && !GLOBAL_UNICAST.contains(address);
    special.or(unassigned.then_some("unassigned"))
}

/// IPv4 addresses to which a tunnel or translator would carry packets for this address.
pub(crate) fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let outer = IpAddr::V6(address);
    let segments = address.segments();
    let tail = ipv4(segments[6], segments[7]);
    let mut found = Vec::new();
    // `::` and `::1` are addresses of their own.
    let compatible = COMPATIBLE.contains(outer) && u32::from(tail) > 1;
    let isatap = segments[4] & 0xfcff == 0 && segments[5] == 0x5efe;
    if compatible || isatap || NAT64.contains(outer) || NAT64_LOCAL.contains(outer) {
        found.push(tail);
    }
    if SIX_TO_FOUR.contains(outer) {
        found.push(ipv4(segments[1], segments[2]));
    }
    if TEREDO.contains(outer) {
        found.push(ipv4(segments[2], segments[3]));
        // The client's address is sent with every bit flipped (RFC 4380 section 4).
        found.push(ipv4(!segments[6], !segments[7]));
    }
    found
}

fn ipv4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}
