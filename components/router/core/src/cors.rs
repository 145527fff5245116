//! Cross-origin resource sharing, by route.

use crate::Route;

/// Request headers that MCP and OAuth clients in a web page send.
const REQUEST_HEADERS: &str =
    "authorization, content-type, accept, last-event-id, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name";

/// Response headers that such clients have to read.
const EXPOSED_HEADERS: &str = "mcp-session-id, mcp-protocol-version, www-authenticate, retry-after, x-request-id";

/// Seconds that a browser may remember a preflight: what Chromium remembers at most.
const MAX_AGE: &str = "7200";

/// Who may read the answer of a route from a web page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Everybody.
    Public,
    /// Pages of allowed origins.
    Allowed,
    /// Nobody: pages for people are opened, not fetched.
    Nobody,
}

pub(crate) fn sharing(route: Route) -> Sharing {
    match route {
        Route::Metadata => Sharing::Public,
        Route::Mcp | Route::Endpoints | Route::Clients => Sharing::Allowed,
        Route::Health | Route::Front | Route::Pages | Route::Admin => Sharing::Nobody,
    }
}

/// The headers that let an allowed page read an answer.
pub(crate) fn headers(route: Route, allowed_origin: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    match (sharing(route), allowed_origin) {
        (Sharing::Public, _) => vec![pair("access-control-allow-origin", "*")],
        (Sharing::Allowed, Some(origin)) => vec![
            pair("access-control-allow-origin", origin),
            pair("access-control-expose-headers", EXPOSED_HEADERS),
            pair("vary", "origin"),
        ],
        // Answers differ by origin, so caches must know even where there is none.
        (Sharing::Allowed, None) => vec![pair("vary", "origin")],
        (Sharing::Nobody, _) => Vec::new(),
    }
}

/// The headers of a preflight's answer, besides [`headers`]. Mirrored arguments (`Mcp-Param-*`) have names that nobody
/// knows in advance, so those asked for are allowed by their names.
pub(crate) fn preflight(route: Route, asked_for: &str) -> Vec<(String, Vec<u8>)> {
    let mirrored = asked_for
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| {
            name.strip_prefix("mcp-param-").is_some_and(|rest| {
                !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            })
        })
        .take(MAX_MIRRORED);
    let mut allowed = REQUEST_HEADERS.to_owned();
    for name in mirrored {
        allowed.push_str(", ");
        allowed.push_str(&name);
    }
    let methods = route.methods().join(", ");
    [
        ("access-control-allow-methods", methods),
        ("access-control-allow-headers", allowed),
        ("access-control-max-age", MAX_AGE.into()),
    ]
    .map(|(name, value)| (name.to_owned(), value.into_bytes()))
    .to_vec()
}

/// Most mirrored arguments in one preflight: no tool has more parameters that it wants mirrored.
const MAX_MIRRORED: usize = 64;
