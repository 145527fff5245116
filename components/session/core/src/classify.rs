//! Which era a POST belongs to: decided from the request alone (2026-07-28, versioning, "Compatibility Matrix").
//!
//! | what the request has | era |
//! |---|---|
//! | `_meta` with a protocol version | modern, whatever else it has |
//! | method `initialize` | legacy |
//! | `MCP-Protocol-Version` of the modern era | modern |
//! | `Mcp-Session-Id`, or `MCP-Protocol-Version` of a legacy revision | legacy |
//! | `MCP-Protocol-Version` of no known revision | none: refused |
//! | none of these, but `Mcp-Method` or a method that only the modern era has | modern |
//! | nothing | legacy |

use crate::errors::{Refusal, unsupported_version};
use crate::request::HttpRequest;
use shared_mcp::{Era, Message, Revision, header, meta};

/// Methods that no legacy revision knows, so that a client that sends one has a modern request in mind.
pub(crate) const MODERN_ONLY: [&str; 2] = ["server/discover", "subscriptions/listen"];

/// Refuse a request whose header names a revision that nobody here knows (2025-11-25, "Protocol Version Header"). For
/// requests of which nothing but the header says which revision they are of.
pub(crate) fn check_version(request: &HttpRequest) -> Result<(), Refusal> {
    match request.header(header::PROTOCOL_VERSION)? {
        Some(version) if Revision::parse(version).is_none() => Err(unsupported_version(version)),
        _ => Ok(()),
    }
}

/// The era of a message.
pub(crate) fn era(request: &HttpRequest, message: &Message<'_>) -> Result<Era, Refusal> {
    let method = message.method();
    if message.params().object("_meta").is_some_and(|meta| meta.get(meta::PROTOCOL_VERSION).is_some()) {
        return Ok(Era::Modern);
    }
    if method == Some("initialize") {
        return Ok(Era::Legacy);
    }
    if let Some(version) = request.header(header::PROTOCOL_VERSION)? {
        return match Revision::parse(version) {
            Some(revision) => Ok(revision.era()),
            None => Err(unsupported_version(version)),
        };
    }
    let modern = request.header(header::SESSION_ID)?.is_none()
        && (request.header(header::METHOD)?.is_some() || method.is_some_and(|method| MODERN_ONLY.contains(&method)));
    Ok(if modern { Era::Modern } else { Era::Legacy })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &str)], body: &str, expected: Result<Era, i64>) {
        let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
        let request = HttpRequest { headers, ..HttpRequest::default() };
        let message = Message::parse(body).unwrap();
        let found = era(&request, &message).map_err(|refusal| {
            assert_eq!(refusal.status, 400);
            refusal.error.code
        });
        assert_eq!(found, expected, "{:?} {body}", request.headers);
    }

    #[test]
    fn each_request_says_itself_which_era_it_is_of() {
        use Era::{Legacy, Modern};
        const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        const INIT: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
        const META: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let version = |v| ("mcp-protocol-version", v);
        let session = ("mcp-session-id", "x");

        check(&[], LIST, Ok(Legacy));
        check(&[session], LIST, Ok(Legacy));
        check(&[session, version("2025-11-25")], LIST, Ok(Legacy));
        check(&[version("2025-03-26")], LIST, Ok(Legacy));
        check(&[], INIT, Ok(Legacy));
        check(&[version("2026-07-28")], INIT, Ok(Legacy));
        check(&[version("2099-01-01")], INIT, Ok(Legacy));
        check(&[], META, Ok(Modern));
        check(&[session], META, Ok(Modern));
        check(&[version("2025-06-18")], META, Ok(Modern));
        check(&[version("2026-07-28")], LIST, Ok(Modern));
        check(&[version("2026-07-28"), session], LIST, Ok(Modern));
        check(&[("mcp-method", "tools/list")], LIST, Ok(Modern));
        check(&[("mcp-method", "tools/list"), session], LIST, Ok(Legacy));
        check(&[], r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#, Ok(Modern));
        check(&[version("2024-11-05")], LIST, Err(-32022));
        check(&[version("2099-01-01"), session], LIST, Err(-32022));
        check(&[version("2025-11-25"), version("2026-07-28")], LIST, Err(-32600));
        check(
            &[],
            &INIT.replace("\"params\":{}", r#""params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"x"}}"#),
            Ok(Modern),
        );
        check(&[session], r#"{"jsonrpc":"2.0","id":"a","result":{}}"#, Ok(Legacy));
    }
}
