use super::Bench;
use super::bench::{VERIFIER, form_request, request};
use crate::http::Body;
use serde_json::{Value, json};

fn document(path: &str) -> Value {
    let response = Bench::with_public_url("https://mcp.example.com").get(path);
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")), "{path}");
    serde_json::from_slice(&response.body).unwrap()
}

#[test]
fn the_protected_resource_is_described_wherever_clients_look() {
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/",
        "/.well-known/oauth-protected-resource/mcp",
        "/mcp/.well-known/oauth-protected-resource",
    ] {
        assert_eq!(
            document(path),
            json!({
                "resource": "https://mcp.example.com/mcp",
                "authorization_servers": ["https://mcp.example.com"],
                "scopes_supported": ["mcp"],
                "bearer_methods_supported": ["header"],
                "resource_name": "mcp-edge",
            })
        );
    }
}

#[test]
fn the_authorization_server_is_described_wherever_clients_look() {
    let all = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/openid-configuration",
        "/mcp/.well-known/oauth-authorization-server",
    ] {
        assert_eq!(
            document(path),
            json!({
                "issuer": "https://mcp.example.com",
                "authorization_endpoint": "https://mcp.example.com/oauth/authorize",
                "token_endpoint": "https://mcp.example.com/oauth/token",
                "registration_endpoint": "https://mcp.example.com/oauth/register",
                "revocation_endpoint": "https://mcp.example.com/oauth/revoke",
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "introspection_endpoint": "https://mcp.example.com/oauth/introspect",
                "token_endpoint_auth_methods_supported": all,
                "token_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256"],
                "revocation_endpoint_auth_methods_supported": all,
                "revocation_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256"],
                "introspection_endpoint_auth_methods_supported": all[1..],
                "introspection_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256"],
                "client_id_metadata_document_supported": true,
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": true,
                "scopes_supported": ["mcp"],
            })
        );
    }
}

#[test]
fn what_is_not_there_is_said_in_the_readers_language() {
    let bench = Bench::new();
    for (method, path, status, allow, content) in [
        ("GET", "/.well-known/oauth-authorization-server/other", 404, None, "application/json"),
        ("GET", "/.well-known/", 404, None, "text/html; charset=utf-8"),
        ("GET", "/oauth", 404, None, "text/html; charset=utf-8"),
        ("GET", "/oauth/../token", 404, None, "text/html; charset=utf-8"),
        ("POST", "/.well-known/oauth-authorization-server", 405, Some("GET, HEAD"), "application/json"),
        ("POST", "/oauth/authorize", 405, Some("GET, HEAD"), "text/html; charset=utf-8"),
        ("GET", "/oauth/token", 405, Some("POST"), "application/json"),
        ("DELETE", "/oauth/register", 405, Some("POST"), "application/json"),
        ("GET", "/oauth/login", 405, Some("POST"), "text/html; charset=utf-8"),
        ("POST", "/oauth/token", 415, None, "application/json"),
        ("POST", "/oauth/revoke", 415, None, "application/json"),
        ("POST", "/oauth/register", 415, None, "application/json"),
        ("POST", "/oauth/login", 415, None, "text/html; charset=utf-8"),
        ("POST", "/oauth/consent", 415, None, "text/html; charset=utf-8"),
    ] {
        let response = bench.send(&request(method, path, &[("content-type", "text/plain")], b"x"));
        let seen = (response.status, response.header("allow"), response.header("content-type"));
        assert_eq!(seen, (status, allow, Some(content)), "{method} {path}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{method} {path}");
    }
}

#[test]
fn a_body_beyond_the_cap_is_refused() {
    for path in ["/oauth/token", "/token", "/oauth/register", "/oauth/revoke", "/oauth/login", "/oauth/consent"] {
        let mut request = request("POST", path, &[], b"");
        request.body = Body::TooLarge;
        assert_eq!(Bench::new().send(&request).status, 413, "{path}");
    }
}

#[test]
fn head_is_answered_without_a_body() {
    let bench = Bench::new();
    let response = bench.send(&request("HEAD", "/.well-known/oauth-protected-resource", &[], b""));
    assert_eq!((response.status, response.body.len()), (200, 0));
}

#[test]
fn aliases_lead_to_the_same_places() {
    let bench = Bench::with_oauth(json!({ "aliases": ["/mcp/oauth"] }));
    let client = bench.client();
    let query = Bench::query(&client, &[]);
    assert_eq!(bench.get(&format!("/mcp/oauth/authorize?{query}")).status, 200);
    let fields = [("grant_type", "authorization_code"), ("code", &*bench.code(&client)), ("client_id", &client.id)];
    let fields = [&fields[..], &[("code_verifier", VERIFIER)]].concat();
    assert_eq!(bench.post_json_answer("/mcp/oauth/token", &fields).0, 200);
    assert_eq!(bench.get("/mcp/oauthx/authorize").status, 404);
    assert_eq!(Bench::new().get(&format!("/mcp/oauth/authorize?{query}")).status, 404);
    let request = form_request("/mcp/oauth/revoke", &[("token", "x"), ("client_id", &client.id)], &[]);
    assert_eq!(bench.send(&request).status, 200);
}
