//! WIT types to those of `router-core` and back.

use crate::bindings::mcp_edge::oauth::tokens::{Principal as WitPrincipal, TokenError};
use crate::bindings::mcp_edge::session::endpoint::{Context, Facts as WitFacts};
use router_core::{Choice, Facts, Head, Principal, Refusal};
use shared_guest::http;
use wasip3::http::types::Request;
use wasip3::wit_future;

/// Headers that nobody behind the router needs: the token has been checked, and a cookie is for pages.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

pub fn head(request: &Request) -> Head {
    let headers = http::headers(&request.get_headers());
    let authority = request.get_authority().or_else(|| {
        let host = headers.iter().find(|(name, _)| name == "host")?;
        String::from_utf8(host.1.clone()).ok()
    });
    let path = request.get_path_with_query().unwrap_or_default();
    Head::new(http::method_name(&request.get_method()), &path, authority, headers)
}

pub fn principal(principal: WitPrincipal) -> Principal {
    Principal {
        user_hash: principal.user_hash,
        client_id: principal.client_id,
        scopes: principal.scopes,
        roles: principal.roles,
        tenant: principal.tenant,
    }
}

pub fn refusal(error: TokenError) -> Refusal {
    match error {
        TokenError::Unknown => Refusal::Invalid("unknown token"),
        TokenError::Expired => Refusal::Invalid("expired token"),
        TokenError::Revoked => Refusal::Invalid("revoked grant"),
        TokenError::WrongAudience => Refusal::Invalid("token of another resource"),
        TokenError::Unavailable(text) => Refusal::Unavailable(text),
    }
}

pub fn context(request_id: &str, principal: &Principal, choice: Choice) -> Context {
    Context {
        request_id: request_id.into(),
        user_hash: principal.user_hash.clone(),
        client_id: principal.client_id.clone(),
        scopes: principal.scopes.clone(),
        roles: principal.roles.clone(),
        tenant: principal.tenant.clone(),
        project: choice.project,
        region: choice.region,
        features: choice.features,
        tool_search: choice.tool_search,
    }
}

pub fn facts(facts: WitFacts) -> Facts {
    Facts {
        revision: facts.revision,
        method: facts.method,
        name: facts.name,
        upstream: facts.upstream,
        error: facts.error,
        reason: facts.reason,
    }
}

/// The same request without the credentials that the client sent; its body is handed on unread.
pub fn without_credentials(request: Request) -> Request {
    let method = request.get_method();
    let path = request.get_path_with_query();
    let mut headers = http::headers(&request.get_headers());
    headers.retain(|(name, _)| !CREDENTIALS.contains(&name.as_str()));
    let (result, read) = wit_future::new(|| Ok(()));
    drop(result);
    let (body, trailers) = Request::consume_body(request, read);
    let (request, transmitted) = Request::new(http::fields(&headers), Some(body), trailers, None);
    drop(transmitted);
    // Both were legal in the request they come from.
    let _ = request.set_method(&method);
    let _ = request.set_path_with_query(path.as_deref());
    request
}
