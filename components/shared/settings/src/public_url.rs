//! The address that clients know the gateway by.

use serde::{Deserialize, Deserializer};
use std::fmt;

/// Scheme, host and port of the gateway as clients see it, without a slash at the end: `https://mcp.example.com`.
/// It is the issuer (RFC 8414) and the base of the resource identifier (RFC 9728), so it comes from the settings and
/// never from a request. Plain `http` is for loopback only (OAuth 2.1 section 1.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublicUrl(
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = "^https?://[^/?#@]+$")))]
    String,
);

impl PublicUrl {
    /// Check a text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, authority) = text.split_once("://").ok_or("needs `https://` in front")?;
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._~:[]".contains(c);
        if authority.is_empty() || !authority.chars().all(legal) {
            return Err("must be scheme, host and port only, without a path or a slash at the end".into());
        }
        match scheme {
            "https" => {}
            "http" if is_loopback(host(authority)) => {}
            "http" => return Err("plain http is allowed for loopback addresses only: use https".into()),
            _ => return Err("must start with `https://`".into()),
        }
        if text.chars().any(|c| c.is_ascii_uppercase()) {
            return Err("must be in lower case: clients compare the issuer letter by letter".into());
        }
        Ok(Self(text.into()))
    }

    /// The URL, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port, as in a Host header.
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Whether it is served by TLS.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Whether it names this machine itself.
    pub fn is_loopback(&self) -> bool {
        is_loopback(host(self.authority()))
    }

    /// The MCP endpoint, which is also the identifier of the protected resource.
    pub fn mcp(&self) -> String {
        format!("{}/mcp", self.0)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PublicUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|why| serde::de::Error::custom(format!("publicUrl `{text}` {why}")))
    }
}

/// The host of an authority: without the port, an IPv6 address with its brackets.
pub(crate) fn host(authority: &str) -> &str {
    match authority.rfind(']') {
        Some(end) => authority.get(..=end).unwrap_or(authority),
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    }
}

/// Whether a host is this machine itself (RFC 8252 section 7.3 and `localhost`, RFC 6761 section 6.3).
pub(crate) fn is_loopback(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    host == "localhost"
        || host.ends_with(".localhost")
        || inner.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origins_that_clients_may_trust_are_taken() {
        for good in
            ["https://mcp.example.com", "https://a:8443", "http://127.0.0.1:8787", "http://localhost", "http://[::1]:1"]
        {
            assert_eq!(PublicUrl::parse(good).as_ref().map(PublicUrl::as_str), Ok(good));
        }
        for bad in [
            "",
            "example.com",
            "http://example.com",
            "https://a/",
            "https://a/mcp",
            "https://u@a",
            "ftp://a",
            "https://A",
            "https://",
            "http://127.0.0.1.evil.example",
        ] {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
