//! Hosts and ports in URIs (RFC 3986 section 3.2), in the one spelling that is taken here.

use crate::redirect::RedirectError;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The checked authority of a URI, given what follows the colon of the scheme: host and port as everybody reads them.
pub fn authority(rest: &str) -> Result<&str, RedirectError> {
    let rest = rest.strip_prefix("//").ok_or(RedirectError::Host)?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(RedirectError::UserInfo);
    }
    let (host, port) = split_port(authority);
    // Lower case only, so that a name has one spelling. Percent-encoded hosts are not taken: readers disagree on them.
    let name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.' || byte == b'_';
    let proper_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(name),
    };
    let proper_port = port
        .is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    if proper_host && proper_port { Ok(authority) } else { Err(RedirectError::Host) }
}

/// The host of an authority, an IPv6 address with its brackets.
pub fn host(authority: &str) -> &str {
    split_port(authority).0
}

/// Host and port of an authority.
pub fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Whether a host is this machine itself.
pub fn is_loopback(host: &str) -> bool {
    let ipv6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || ipv6.and_then(|address| address.parse::<Ipv6Addr>().ok()).is_some_and(|address| address.is_loopback())
}
