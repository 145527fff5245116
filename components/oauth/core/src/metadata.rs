//! The documents by which clients find their way: RFC 9728 (protected resource) and RFC 8414 (authorization server).

use crate::Server;
use crate::http::Response;
use crate::scopes;
use serde_json::{Value, json};

/// How long caches may keep the documents, in seconds. They change with the settings only.
const MAX_AGE: u32 = 60;

/// Protected resource metadata (RFC 9728 section 2) of the MCP endpoint.
pub fn protected_resource(server: &Server) -> Response {
    document(json!({
        "resource": server.settings.resource,
        "authorization_servers": [server.settings.public_url.as_str()],
        "scopes_supported": scopes::names(),
        "bearer_methods_supported": ["header"],
        "resource_name": "mcp-edge",
    }))
}

/// Authorization server metadata (RFC 8414 section 2). Also served where OpenID Connect clients look; what only OpenID
/// providers have is not in it, because this is none.
pub fn authorization_server(server: &Server) -> Response {
    let issuer = server.settings.public_url.as_str();
    let auth_methods = json!(["none", "client_secret_basic", "client_secret_post"]);
    document(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "registration_endpoint": format!("{issuer}/oauth/register"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": auth_methods,
        "revocation_endpoint_auth_methods_supported": auth_methods,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "scopes_supported": scopes::names(),
    }))
}

fn document(value: Value) -> Response {
    let mut response = Response::json(200, &value);
    for (name, value) in &mut response.headers {
        if *name == "cache-control" {
            *value = format!("public, max-age={MAX_AGE}");
        }
    }
    response
}
