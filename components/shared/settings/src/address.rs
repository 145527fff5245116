//! Which addresses are out on the public internet. What somebody else names (a client's metadata document) may be fetched
//! from there only; otherwise he could have this gateway look around in the operator's own network (SSRF).
//!
//! A component sees names and literals only. A name can lead anywhere, so the host asks [`is_public`] again about what it
//! resolved to, and connects to that very address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Names that lead nowhere on the public internet (RFC 6761, RFC 6762, RFC 8375, RFC 9476, and ICANN's list of names
/// in private use).
const PRIVATE_SUFFIXES: [&str; 13] = [
    "alt",
    "corp",
    "home",
    "arpa",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "private",
];

/// Whether an address is one of a public unicast host (IANA special-purpose address registries).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // This network; private; shared (RFC 6598); loopback; link-local.
        (0 | 10 | 127, _, _) | (100, 64..=127, _) | (169, 254, _) | (172, 16..=31, _) => true,
        // IETF protocols; documentation; 6to4 relays; private; AS112.
        (192, 0, 0 | 2) | (192, 88, 99) | (192, 168, _) | (192, 31, 196) | (192, 52, 193) | (192, 175, 48) => true,
        // Benchmarks; documentation; multicast, reserved and broadcast.
        (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113) | (224.., _, _) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // IPv4 addresses of NAT64 (RFC 6052) and 6to4 (RFC 3056) lead to that IPv4 address.
        (0x64, 0xff9b) => (c, d, e, f) == (0, 0, 0, 0) && embedded(g, h),
        (0x2002, _) => embedded(b, c),
        // IETF protocols with Teredo, ORCHID and benchmarks; documentation.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff) => false,
        // All other global unicast addresses. Everything outside 2000::/3 is loopback, local, multicast, an IPv4
        // address in disguise, or not assigned.
        (0x2000..=0x3fff, _) => true,
        _ => false,
    }
}

/// Whether the host of a URL, as it stands there (IPv6 in brackets), may be out on the public internet. False for what
/// is an address in a spelling that only some readers understand.
pub fn is_public_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
        return address.is_some_and(is_public_v6);
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return is_public_v4(address);
    }
    let Some((rest, top)) = host.rsplit_once('.') else { return false };
    // `127.1`, `0x7f.1`, `10.0.0.010`: a top-level domain begins with a letter, and none looks like a number.
    let is_name = top.starts_with(|c: char| c.is_ascii_alphabetic());
    !rest.is_empty() && is_name && !PRIVATE_SUFFIXES.iter().any(|suffix| top.eq_ignore_ascii_case(suffix))
}

/// The address in a value of the header that `client_address_header` names. Spin writes the port after it, which is another
/// one for each connection: what counts by address must not count it.
pub fn client_address(value: &str) -> String {
    let value = value.trim();
    value.parse::<SocketAddr>().map_or_else(|_| value.into(), |address| address.ip().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_address_has_no_port() {
        let check = |value, expected| assert_eq!(client_address(value), expected);
        check("192.0.2.1", "192.0.2.1");
        check(" 192.0.2.1:50012 ", "192.0.2.1");
        check("2001:db8::1", "2001:db8::1");
        check("[2001:db8::1]:50012", "2001:db8::1");
        check("unknown", "unknown");
        check("", "");
    }

    #[test]
    fn only_public_hosts_are_public() {
        for (host, expected) in [
            ("client.example", true),
            ("a.b.co.uk", true),
            ("8.8.8.8", true),
            ("[2606:4700::1111]", true),
            ("100.63.0.1", true),
            ("172.32.0.1", true),
            ("[64:ff9b::8.8.8.8]", true),
            ("[2002:808:808::1]", true),
            ("", false),
            ("localhost", false),
            ("a.localhost", false),
            ("LOCALHOST.", false),
            ("printer", false),
            ("printer.local", false),
            ("metadata.google.internal", false),
            ("router.home.arpa", false),
            ("a.example.", false),
            (".example", false),
            ("127.0.0.1", false),
            ("127.1", false),
            ("0x7f.0.0.1", false),
            ("2130706433", false),
            ("017700000001", false),
            ("10.0.0.010", false),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("192.0.2.1", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("[::1]", false),
            ("[::]", false),
            ("[::ffff:127.0.0.1]", false),
            ("[::ffff:8.8.8.8]", false),
            ("[fe80::1]", false),
            ("[fc00::1]", false),
            ("[fd00:ec2::254]", false),
            ("[ff02::1]", false),
            ("[2001:db8::1]", false),
            ("[2001::1]", false),
            ("[64:ff9b::127.0.0.1]", false),
            ("[2002:7f00:1::]", false),
            ("[2002:a00:1::]", false),
            ("[::1", false),
        ] {
            assert_eq!(is_public_host(host), expected, "{host}");
        }
    }
}
