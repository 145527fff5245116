//! Host and Origin: the guard against DNS rebinding and foreign web pages (MCP, "Security Warning").

use shared_settings::PublicUrl;

/// Whether the authority that the client named may be ours. A web page that has rebound its name to a loopback address
/// shows by its own name here; a gateway on a public address cannot be attacked so, and proxies in front of it may
/// rewrite the header, so there it is not looked at.
pub(crate) fn host_allowed(public_url: &PublicUrl, authority: Option<&str>) -> bool {
    match authority {
        Some(authority) if public_url.is_loopback() => loopback_origin(&format!("http://{authority}")),
        Some(_) | None => true,
    }
}

/// Whether a web page of this origin may call the MCP endpoint: the gateway's own, one the operator allows, and, for a
/// gateway on loopback, any page that this machine itself serves (such as the MCP Inspector).
pub(crate) fn origin_allowed(public_url: &PublicUrl, allowed: &[String], origin: &str) -> bool {
    origin == public_url.as_str()
        || allowed.iter().any(|o| o == origin)
        || (public_url.is_loopback() && loopback_origin(origin))
}

fn loopback_origin(origin: &str) -> bool {
    PublicUrl::parse(&origin.to_ascii_lowercase()).is_ok_and(|url| url.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PublicUrl {
        PublicUrl::parse(text).unwrap()
    }

    #[test]
    fn foreign_hosts_are_refused_on_loopback() {
        for (host, allowed) in [
            ("127.0.0.1:8787", true),
            ("localhost:8787", true),
            ("LOCALHOST", true),
            ("[::1]:8787", true),
            ("evil.example", false),
            ("evil.example:8787", false),
            ("127.0.0.1.evil.example", false),
            ("user@127.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(host_allowed(&url("http://127.0.0.1:8787"), Some(host)), allowed, "{host}");
        }
        assert!(host_allowed(&url("http://127.0.0.1:8787"), None));
        assert!(host_allowed(&url("https://mcp.example.com"), Some("internal:8080")));
    }

    #[test]
    fn foreign_origins_are_refused() {
        let allowed = ["https://app.example.com".to_owned()];
        for (base, origin, expected) in [
            ("https://mcp.example.com", "https://mcp.example.com", true),
            ("https://mcp.example.com", "https://app.example.com", true),
            ("https://mcp.example.com", "https://app.example.com.evil.example", false),
            ("https://mcp.example.com", "http://localhost:6274", false),
            ("https://mcp.example.com", "null", false),
            ("http://127.0.0.1:8787", "http://localhost:6274", true),
            ("http://127.0.0.1:8787", "http://evil.example", false),
            ("http://127.0.0.1:8787", "null", false),
        ] {
            assert_eq!(origin_allowed(&url(base), &allowed, origin), expected, "{base} {origin}");
        }
    }
}
