//! Cookies (RFC 6265).

use crate::Server;
use crate::crypto;
use crate::http::Request;

/// The cookies of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// Who is logged in: sealed.
    Login,
    /// A random name of the browser, which ties a login form to the browser it was shown in.
    Browser,
    /// What was approved in this browser before: sealed.
    Approvals,
    /// A visit to an identity provider, by the first bytes of its id, so that two tabs do not meet: sealed.
    Leg([u8; 4]),
}

impl Cookie {
    /// Its name. With TLS it has the prefix by which browsers refuse it from other hosts and from plain http. Without
    /// TLS (loopback only) there is no such prefix, and other servers on the same machine see the cookie: good enough
    /// for development, which is what plain http is for.
    fn name(self, server: &Server) -> String {
        let prefix = if server.settings.public_url.is_https() { "__Host-" } else { "" };
        match self {
            Self::Login => format!("{prefix}mcp-edge-login"),
            Self::Browser => format!("{prefix}mcp-edge-browser"),
            Self::Approvals => format!("{prefix}mcp-edge-approved"),
            Self::Leg(id) => format!("{prefix}mcp-edge-leg-{}", crypto::hex(&id)),
        }
    }

    /// All values that a request has for it. More than one means that somebody planted one: the caller takes what
    /// proves to be its own.
    pub fn values<'a>(self, server: &Server, request: &'a Request) -> impl Iterator<Item = &'a str> {
        let name = self.name(server);
        request
            .header_values("cookie")
            .flat_map(|header| header.split(';'))
            .filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='))
            .filter_map(move |(n, value)| (n == name).then_some(value))
    }

    /// The value of the `Set-Cookie` header that sets it; `seconds` of 0 deletes it.
    pub fn set(self, server: &Server, value: &str, seconds: u64) -> String {
        let secure = if server.settings.public_url.is_https() { "; Secure" } else { "" };
        format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.name(server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Body;
    use crate::tests::Bench;
    use proptest::prelude::*;

    fn values(public_url: &str, header: &str) -> Vec<String> {
        let bench = Bench::with_public_url(public_url);
        let headers = vec![("cookie".into(), header.as_bytes().to_vec())];
        let request = Request::new("GET".into(), "/", headers, Body::Whole(Vec::new()));
        Cookie::Login.values(&bench.server(), &request).map(String::from).collect()
    }

    #[test]
    fn a_cookie_is_found_by_its_exact_name() {
        let plain = "http://127.0.0.1:8787";
        assert_eq!(values(plain, "a=b; mcp-edge-login=x=y;mcp-edge-login=z"), ["x=y", "z"]);
        assert_eq!(values(plain, "xmcp-edge-login=x; mcp-edge-loginx=y; mcp-edge-login"), [""; 0]);
        assert_eq!(values("https://a.example", "mcp-edge-login=x; __Host-mcp-edge-login=y"), ["y"]);
    }

    #[test]
    fn with_tls_cookies_are_bound_to_the_host() {
        let bench = Bench::with_public_url("https://a.example");
        assert_eq!(
            Cookie::Login.set(&bench.server(), "v", 5),
            "__Host-mcp-edge-login=v; Path=/; Max-Age=5; HttpOnly; SameSite=Lax; Secure"
        );
        let bench = Bench::with_public_url("http://127.0.0.1:1");
        assert_eq!(
            Cookie::Browser.set(&bench.server(), "", 0),
            "mcp-edge-browser=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(header in ".*") {
            let _ = values("http://127.0.0.1:1", &header);
        }
    }
}
