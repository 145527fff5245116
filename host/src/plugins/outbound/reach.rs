//! How far a request may reach: what somebody else names must not lead into the operator's own network (SSRF).

use http::{HeaderMap, Uri};
use std::net::IpAddr;

/// Request header by which a guest asks that its request goes to public addresses only: `public`, or `public, loopback`.
/// It is taken off every request. Guests know its name as `public_only_header` of `wasi:config`.
pub const PUBLIC_ONLY: &str = "mcp-edge-public-only";

/// The addresses that a connection may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All: the address is the operator's choice.
    Anywhere,
    /// Those of public hosts.
    Public,
    /// Those, and this machine: for trying things out.
    PublicOrLoopback,
}

impl Reach {
    /// What a request asks for, and the header off. What is not understood is the narrowest.
    pub fn take(headers: &mut HeaderMap) -> Self {
        let reach = {
            let mut values = headers.get_all(PUBLIC_ONLY).iter();
            match (values.next(), values.next()) {
                (None, _) => Self::Anywhere,
                (Some(value), None) if value == "public, loopback" => Self::PublicOrLoopback,
                _ => Self::Public,
            }
        };
        headers.remove(PUBLIC_ONLY);
        reach
    }

    /// Whether a connection may go to this address.
    pub fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Public => shared_settings::is_public(address),
            Self::PublicOrLoopback => address.is_loopback() || shared_settings::is_public(address),
        }
    }

    /// The same for the host of a URL, if it is an address and not a name: those are not resolved.
    pub fn allows_host(self, uri: &Uri) -> bool {
        let host = uri.host().unwrap_or_default();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        bare.parse().map_or(true, |address| self.allows(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_taken_off_and_what_is_not_understood_is_the_narrowest() {
        for (values, expected) in [
            (&[][..], Reach::Anywhere),
            (&["public"], Reach::Public),
            (&["public, loopback"], Reach::PublicOrLoopback),
            (&["public, loopback", "public"], Reach::Public),
            (&["loopback"], Reach::Public),
            (&[""], Reach::Public),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(PUBLIC_ONLY, value.parse().unwrap());
            }
            assert_eq!(Reach::take(&mut headers), expected, "{values:?}");
            assert!(headers.is_empty());
        }
    }

    #[test]
    fn addresses_in_urls_are_within_the_reach_or_not() {
        for (uri, public, with_loopback) in [
            ("http://8.8.8.8/", true, true),
            ("http://[2606:4700::1111]/", true, true),
            ("http://client.example/", true, true),
            ("http://127.0.0.1/", false, true),
            ("http://[::1]/", false, true),
            ("http://10.0.0.1/", false, false),
            ("http://192.168.1.1:80/", false, false),
            ("http://169.254.169.254/", false, false),
            ("http://[fe80::1]/", false, false),
            ("http://[fd00:ec2::254]/", false, false),
            ("http://[::ffff:127.0.0.1]/", false, false),
            ("http://[::ffff:10.0.0.1]/", false, false),
            ("http://[64:ff9b::a00:1]/", false, false),
            ("http://0.0.0.0/", false, false),
            ("http://[::]/", false, false),
        ] {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(Reach::Public.allows_host(&uri), public, "{uri}");
            assert_eq!(Reach::PublicOrLoopback.allows_host(&uri), with_loopback, "{uri}");
            assert!(Reach::Anywhere.allows_host(&uri), "{uri}");
        }
    }
}
