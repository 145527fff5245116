//! The documents by which clients find their way: RFC 9728 (protected resource) and RFC 8414 (authorization server).

use crate::Server;
use crate::http::Response;
use crate::token;
use serde_json::json;
use shared_settings::GrantType;

/// Protected resource metadata (RFC 9728 section 2) of the MCP endpoint.
pub fn protected_resource(server: &Server) -> Response {
    Response::json(
        200,
        &json!({
            "resource": server.settings.resource,
            "authorization_servers": [server.settings.public_url.as_str()],
            "scopes_supported": server.settings.scopes.names().collect::<Vec<_>>(),
            "bearer_methods_supported": ["header"],
            "resource_name": "mcp-edge",
        }),
    )
}

/// Authorization server metadata (RFC 8414 section 2). Also served where OpenID Connect clients look; what only OpenID
/// providers have is not in it, because this is none.
pub fn authorization_server(server: &Server) -> Response {
    let settings = server.settings;
    let issuer = settings.public_url.as_str();
    let all = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];
    let confidential = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
    let algorithms = json!(["RS256", "ES256"]);
    let configured = |grant_type| settings.clients.values().any(|client| client.may(grant_type));
    let assertions =
        configured(GrantType::JwtBearer) && settings.providers.values().any(|provider| provider.assertions);
    let mut grant_types = vec!["authorization_code", "refresh_token"];
    for (offered, name) in [
        (configured(GrantType::ClientCredentials), "client_credentials"),
        (assertions, token::JWT_BEARER),
        (settings.oauth.token_exchange || configured(GrantType::TokenExchange), token::TOKEN_EXCHANGE),
    ] {
        if offered {
            grant_types.push(name);
        }
    }
    let mut metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "introspection_endpoint": format!("{issuer}/oauth/introspect"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": grant_types,
        "token_endpoint_auth_methods_supported": all,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": all,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": settings.oauth.client_documents.enabled,
        "scopes_supported": settings.scopes.names().collect::<Vec<_>>(),
    });
    if let Some(fields) = metadata.as_object_mut() {
        if settings.oauth.registration.enabled {
            fields.insert("registration_endpoint".into(), format!("{issuer}/oauth/register").into());
        }
        if assertions {
            let profiles = json!(["urn:ietf:params:oauth:grant-profile:id-jag"]);
            fields.insert("authorization_grant_profiles_supported".into(), profiles);
        }
    }
    Response::json(200, &metadata)
}
