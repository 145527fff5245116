//! Redirect URIs: which may be registered, and when a request's one is a registered one.

use crate::form;
use crate::uri::{authority, is_loopback, split_port};

/// Longest redirect URI. Known clients stay below 200 characters.
const MAX_LENGTH: usize = 1024;

/// Schemes without a dot that may be registered besides those of RFC 8252 section 7.1: what editors and desktop apps
/// with an MCP client have registered with operating systems. None of them means anything to a browser itself, which
/// is why this is a list and not "everything but `javascript`".
const APP_SCHEMES: [&str; 14] = [
    "chatwise",
    "cherrystudio",
    "claude",
    "cursor",
    "goose",
    "jan",
    "kiro",
    "lmstudio",
    "raycast",
    "vscode",
    "vscode-insiders",
    "vscodium",
    "windsurf",
    "zed",
];

/// Why a redirect URI cannot be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// Longer than [`MAX_LENGTH`], or has characters that no URI has.
    #[error("is not a URI of at most {MAX_LENGTH} characters")]
    NotAUri,
    /// RFC 6749 section 3.1.2.
    #[error("has a fragment")]
    Fragment,
    /// `https://user@host`: it looks like another host than it is.
    #[error("has a user name in front of the host")]
    UserInfo,
    /// The host is empty, has other characters than host names have, or the port is no number.
    #[error("has no proper host and port")]
    Host,
    /// Plain http to another machine.
    #[error("plain http is for loopback addresses only, use https")]
    PlainHttp,
    /// A scheme that is neither http, https, nor an app's.
    #[error(
        "the scheme is neither https nor one of an app: use https, http on loopback, or a scheme with a dot such as com.example.app"
    )]
    Scheme,
}

/// Where a redirect URI leads, as far as a person has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A web site: host and port.
    Web(&'a str),
    /// A program on the user's own computer: host and port.
    Loopback(&'a str),
    /// An app that has registered this scheme on the user's device.
    App(&'a str),
}

/// Check a redirect URI for registration.
pub fn classify(uri: &str) -> Result<Target<'_>, RedirectError> {
    // No `\`, `"`, `<`, `>`, `` ` ``, `{`, `}`, `|`, `^`, space or control character: RFC 3986 has none of them, and
    // browsers repair some of them into something else.
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    if uri.len() > MAX_LENGTH || !uri.bytes().all(legal) {
        return Err(RedirectError::NotAUri);
    }
    if uri.contains('#') {
        return Err(RedirectError::Fragment);
    }
    let (scheme, rest) = uri.split_once(':').ok_or(RedirectError::NotAUri)?;
    let mut bytes = scheme.bytes();
    let proper = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    if !proper {
        return Err(RedirectError::NotAUri);
    }
    match scheme {
        "https" => Ok(Target::Web(authority(rest)?)),
        "http" => {
            let authority = authority(rest)?;
            if is_loopback(split_port(authority).0) {
                Ok(Target::Loopback(authority))
            } else {
                Err(RedirectError::PlainHttp)
            }
        }
        _ if scheme.contains('.') || APP_SCHEMES.contains(&scheme) => {
            let at_host = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?']).next());
            if at_host.is_some_and(|authority| authority.contains('@')) {
                return Err(RedirectError::UserInfo);
            }
            if rest.starts_with('/') { Ok(Target::App(scheme)) } else { Err(RedirectError::NotAUri) }
        }
        _ => Err(RedirectError::Scheme),
    }
}

/// Whether the redirect URI of a request is the registered one: letter by letter, but for the port of a loopback
/// address, which a native app does not know beforehand (RFC 8252 section 7.3). `localhost` counts as loopback, because
/// nearly every MCP client uses it, yet is not the same as `127.0.0.1`.
pub fn matches(registered: &str, requested: &str) -> bool {
    if registered == requested {
        return true;
    }
    matches!((without_port(registered), without_port(requested)), (Some(a), Some(b)) if a == b)
}

/// A redirect URI with parameters added to its query (RFC 6749 section 4.1.2).
pub fn with_parameters(uri: &str, parameters: &[(&str, &str)]) -> String {
    let mut out = uri.to_owned();
    let mut separator = if uri.contains('?') { '&' } else { '?' };
    for (name, value) in parameters {
        out.push(separator);
        out.push_str(name);
        out.push('=');
        out.push_str(&form::encode(value));
        separator = '&';
    }
    out
}

/// Host, and what follows the port, of an http loopback URI that could be registered.
fn without_port(uri: &str) -> Option<(&str, &str)> {
    match classify(uri) {
        Ok(Target::Loopback(authority)) => {
            let after = uri.strip_prefix("http://")?.strip_prefix(authority)?;
            Some((split_port(authority).0, after))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn uris_of_real_clients_may_be_registered() {
        for (uri, target) in [
            ("https://claude.ai/api/mcp/auth_callback", Target::Web("claude.ai")),
            ("https://app.example.com:8443/cb?x=1", Target::Web("app.example.com:8443")),
            ("https://vscode.dev/redirect", Target::Web("vscode.dev")),
            ("http://localhost:3118/callback", Target::Loopback("localhost:3118")),
            ("http://127.0.0.1/", Target::Loopback("127.0.0.1")),
            ("http://127.0.0.1:33418", Target::Loopback("127.0.0.1:33418")),
            ("http://[::1]:9/cb", Target::Loopback("[::1]:9")),
            ("com.example.app:/cb", Target::App("com.example.app")),
            ("cursor://anysphere.cursor-mcp/oauth/callback", Target::App("cursor")),
            ("vscode-insiders://vscode.mcp/cb", Target::App("vscode-insiders")),
        ] {
            assert_eq!(classify(uri), Ok(target), "{uri}");
        }
    }

    #[test]
    fn tricks_may_not_be_registered() {
        for (uri, error) in [
            ("", RedirectError::NotAUri),
            ("/cb", RedirectError::NotAUri),
            ("//evil.example/cb", RedirectError::NotAUri),
            ("https://a.example/cb#x", RedirectError::Fragment),
            ("https://a.example#", RedirectError::Fragment),
            ("https://good.example@evil.example/", RedirectError::UserInfo),
            ("http://localhost@evil.example/", RedirectError::UserInfo),
            ("cursor://u@host/", RedirectError::UserInfo),
            ("https:/a.example/", RedirectError::Host),
            ("https:///cb", RedirectError::Host),
            ("https://a.example:x/", RedirectError::Host),
            ("https://a.example:/", RedirectError::Host),
            ("https://a.example:99999/", RedirectError::Host),
            ("https://a.example:+1/", RedirectError::Host),
            ("https://a%2eexample/", RedirectError::Host),
            ("https://A.example/", RedirectError::Host),
            ("https://[::1/", RedirectError::Host),
            ("https://[v1.x]/", RedirectError::Host),
            ("https://a.example\\@evil.example/", RedirectError::NotAUri),
            ("https://a.example/\r\nx", RedirectError::NotAUri),
            ("https://a.example/ ", RedirectError::NotAUri),
            ("https://a.example/é", RedirectError::NotAUri),
            ("HTTPS://a.example/", RedirectError::NotAUri),
            ("http://a.example/", RedirectError::PlainHttp),
            ("http://localhost.evil.example/", RedirectError::PlainHttp),
            ("http://127.0.0.1.evil.example/", RedirectError::PlainHttp),
            ("http://127.1/", RedirectError::PlainHttp),
            ("http://0x7f.0.0.1/", RedirectError::PlainHttp),
            ("http://2130706433/", RedirectError::PlainHttp),
            ("http://0.0.0.0/", RedirectError::PlainHttp),
            ("http://[::]/", RedirectError::PlainHttp),
            ("http://[::ffff:127.0.0.1]/", RedirectError::PlainHttp),
            ("javascript:alert(1)", RedirectError::Scheme),
            ("data:text/html,x", RedirectError::Scheme),
            ("file:///etc/passwd", RedirectError::Scheme),
            ("blob:https://a.example/x", RedirectError::Scheme),
            ("vbscript:x", RedirectError::Scheme),
            ("about:blank", RedirectError::Scheme),
            ("intent://x/", RedirectError::Scheme),
            ("view-source:https://a.example/", RedirectError::Scheme),
            ("com.example.app:cb", RedirectError::NotAUri),
        ] {
            assert_eq!(classify(uri), Err(error), "{uri}");
        }
        assert_eq!(classify(&format!("https://a.example/{}", "x".repeat(MAX_LENGTH))), Err(RedirectError::NotAUri));
    }

    #[test]
    fn only_the_port_of_a_loopback_address_may_differ() {
        for (registered, requested, expected) in [
            ("https://a.example/cb", "https://a.example/cb", true),
            ("https://a.example/cb", "https://a.example/cb/", false),
            ("https://a.example/cb", "https://a.example/cb?x", false),
            ("https://a.example/cb", "https://a.example/cb%2f", false),
            ("https://a.example/cb", "https://a.example/%63b", false),
            ("https://a.example/cb", "https://a.example/x/../cb", false),
            ("https://a.example/cb", "https://a.example:443/cb", false),
            ("https://a.example/cb", "https://a.example:8443/cb", false),
            ("https://a.example/cb", "https://a.example.evil.example/cb", false),
            ("https://a.example/cb", "https://evil.example/?https://a.example/cb", false),
            ("https://a.example/cb", "http://a.example/cb", false),
            ("https://a.example/cb", "https://A.example/cb", false),
            ("http://localhost/cb", "http://localhost:3000/cb", true),
            ("http://localhost:1/cb", "http://localhost:3000/cb", true),
            ("http://localhost:1/cb", "http://localhost/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", true),
            ("http://[::1]:1/cb", "http://[::1]:2/cb", true),
            ("http://127.0.0.1:1/cb", "http://localhost:1/cb", false),
            ("http://127.0.0.1:1/cb", "http://127.0.0.2:1/cb", false),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:1/cb2", false),
            ("http://127.0.0.1:1/cb", "https://127.0.0.1:2/cb", false),
            ("https://127.0.0.1:1/cb", "https://127.0.0.1:2/cb", false),
            ("http://localhost:1/cb", "http://localhost:2@evil.example/cb", false),
            ("http://localhost:1/cb", "http://localhost:2/cb#x", false),
            ("http://localhost:1/cb", "http://localhost:2x/cb", false),
            ("cursor://a/cb", "cursor://a:1/cb", false),
        ] {
            assert_eq!(matches(registered, requested), expected, "{registered} {requested}");
        }
    }

    #[test]
    fn parameters_are_added_encoded() {
        for (uri, expected) in [
            ("https://a.example/cb", "https://a.example/cb?state=a%26b%3D%22%0D%0A%C3%A9&iss=x"),
            ("https://a.example/cb?k=v", "https://a.example/cb?k=v&state=a%26b%3D%22%0D%0A%C3%A9&iss=x"),
        ] {
            assert_eq!(with_parameters(uri, &[("state", "a&b=\"\r\né"), ("iss", "x")]), expected);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(a in ".*", b in ".*") {
            let _ = classify(&a);
            let _ = matches(&a, &b);
        }

        #[test]
        fn another_host_never_matches(
            host in "[a-z.@:/\\\\%0-9\\[\\]]{0,30}",
            registered in prop::sample::select(&["https://a.example/cb", "http://localhost:1/cb", "http://127.0.0.1/cb"][..]),
        ) {
            let requested = format!("http://{host}/cb");
            if matches(registered, &requested) {
                let name = split_port(&host).0;
                prop_assert!(name == "localhost" || name == "127.0.0.1", "{}", requested);
            }
        }
    }
}
