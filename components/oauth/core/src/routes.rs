//! Which path is what.

use crate::errors::Error;
use crate::events::{Audit, Event};
use crate::http::{Body, Request, Response};
use crate::settings::SetupError;
use crate::{Server, authorize, consent, login, metadata, pages, registration, revoke, token};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Who reads an error: a person or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Person,
    Program,
}

/// Answer one request. Never fails: every error is a response.
///
/// | path | method | what |
/// |---|---|---|
/// | `/.well-known/oauth-protected-resource`, `…/mcp`, `/mcp/.well-known/…` | GET | RFC 9728 |
/// | `/.well-known/oauth-authorization-server`, `…/mcp`, `/mcp/.well-known/…` | GET | RFC 8414 |
/// | `/.well-known/openid-configuration`, `…/mcp`, `/mcp/.well-known/…` | GET | the same, for clients that look only there |
/// | `/oauth/authorize`, `/authorize` | GET | the authorization endpoint: login page or consent page |
/// | `/oauth/login` | POST | the login page's form |
/// | `/oauth/consent` | POST | the consent page's form |
/// | `/oauth/token`, `/token` | POST | the token endpoint |
/// | `/oauth/register`, `/register` | POST | RFC 7591 |
/// | `/oauth/revoke` | POST | RFC 7009 |
///
/// The paths at the origin without `/oauth` are where clients of MCP revision 2025-03-26 look when they find no
/// metadata.
pub fn handle(server: &Server, request: &Request) -> Response {
    let (reader, result) = dispatch(server, request);
    let mut response = result.unwrap_or_else(|error| {
        server.audit.record(&Event::Refused { why: &error.to_string(), ours: error.is_ours() });
        match reader {
            Reader::Person => error.to_page(),
            Reader::Program => error.to_json(),
        }
    });
    if request.method == "HEAD" {
        response.body.clear();
    }
    response
}

/// The answer to every request as long as the operator's settings cannot be used.
pub fn not_set_up(audit: &dyn Audit, error: &SetupError) -> Response {
    audit.record(&Event::Refused { why: &error.to_string(), ours: true });
    pages::error(503, "The server is not set up properly. Its operator finds the reason in the log.")
}

fn dispatch(server: &Server, request: &Request) -> (Reader, Result<Response, Error>) {
    // A slash at the end means nothing, as in the router.
    let path = request.path.strip_suffix('/').unwrap_or(&request.path);
    match path {
        "/oauth/authorize" | "/authorize" => {
            (Reader::Person, get(request).and_then(|()| authorize::authorize(server, request)))
        }
        "/oauth/login" => (Reader::Person, post(request, FORM).and_then(|body| login::login(server, request, body))),
        "/oauth/consent" => {
            (Reader::Person, post(request, FORM).and_then(|body| consent::consent(server, request, body)))
        }
        "/oauth/token" | "/token" => {
            (Reader::Program, post(request, FORM).and_then(|body| token::token(server, request, body)))
        }
        "/oauth/register" | "/register" => {
            (Reader::Program, post(request, JSON).and_then(|body| registration::register(server, body)))
        }
        "/oauth/revoke" => {
            (Reader::Program, post(request, FORM).and_then(|body| revoke::revoke(server, request, body)))
        }
        _ => match well_known(path) {
            Some("oauth-protected-resource") => {
                (Reader::Program, get(request).map(|()| metadata::protected_resource(server)))
            }
            Some("oauth-authorization-server" | "openid-configuration") => {
                (Reader::Program, get(request).map(|()| metadata::authorization_server(server)))
            }
            Some(_) => (Reader::Program, Err(Error::NotFound)),
            None => (Reader::Person, Err(Error::NotFound)),
        },
    }
}

/// The name of a well-known document: at the root, with the resource's path behind it (RFC 8414 section 3.1, RFC 9728
/// section 3.1), or, as OpenID Connect Discovery has it, behind the path.
fn well_known(path: &str) -> Option<&str> {
    let behind = path.strip_prefix("/mcp").and_then(|path| path.strip_prefix("/.well-known/"));
    let inserted = path.strip_prefix("/.well-known/").map(|name| name.strip_suffix("/mcp").unwrap_or(name));
    behind.or(inserted)
}

fn get(request: &Request) -> Result<(), Error> {
    match request.method.as_str() {
        "GET" | "HEAD" => Ok(()),
        _ => Err(Error::MethodNotAllowed { allow: "GET, HEAD" }),
    }
}

fn post<'a>(request: &'a Request, media_type: &'static str) -> Result<&'a [u8], Error> {
    if request.method != "POST" {
        return Err(Error::MethodNotAllowed { allow: "POST" });
    }
    match &request.body {
        Body::TooLarge => Err(Error::BodyTooLarge),
        Body::Whole(_) if request.media_type() != media_type => Err(Error::ContentType { expected: media_type }),
        Body::Whole(bytes) => Ok(bytes),
    }
}
