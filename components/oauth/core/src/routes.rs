//! Which path is what.

use crate::errors::Error;
use crate::events::{Audit, Event};
use crate::http::{Body, Request, Response};
use crate::settings::SetupError;
use crate::{
    Server, apps, authorize, consent, introspect, login, metadata, pages, providers, registration, revoke, token,
};

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
/// | `/oauth/register/{id}` | GET, PUT, DELETE | RFC 7592 |
/// | `/oauth/revoke` | POST | RFC 7009 |
/// | `/oauth/introspect` | POST | RFC 7662 |
/// | `/oauth/login/{provider}` | GET | to an identity provider |
/// | `/oauth/callback/{provider}` | GET | and back |
/// | `/oauth/apps` | GET, POST | connected apps |
/// | `/oauth/admin` | GET, POST | the same of all users, for administrators |
///
/// What is below `/oauth` is also below each alias of the settings.
///
/// The paths at the origin without `/oauth` are where clients of MCP revision 2025-03-26 look when they find no
/// metadata.
pub async fn handle(server: &Server<'_>, request: &Request) -> Response {
    let address = login::address(server, request);
    let server = &Server { address: &address, ..*server };
    let (reader, result) = dispatch(server, request).await;
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

async fn dispatch(server: &Server<'_>, request: &Request) -> (Reader, Result<Response, Error>) {
    // A slash at the end means nothing, as in the router.
    let path = request.path.strip_suffix('/').unwrap_or(&request.path);
    let path = shared_settings::unalias(&server.settings.oauth.aliases, path);
    if let Some(name) = well_known(&path) {
        return (Reader::Program, document(server, request, name));
    }
    let reader = match &*path {
        "/oauth/token" | "/token" | "/oauth/register" | "/register" | "/oauth/revoke" | "/oauth/introspect" => {
            Reader::Program
        }
        path if path.starts_with("/oauth/register/") => Reader::Program,
        _ => Reader::Person,
    };
    (reader, page_or_endpoint(server, request, &path).await)
}

async fn page_or_endpoint(server: &Server<'_>, request: &Request, path: &str) -> Result<Response, Error> {
    match path {
        "/oauth/authorize" | "/authorize" => {
            get(request)?;
            authorize::authorize(server, request).await
        }
        "/oauth/login" => login::login(server, request, post(request, FORM)?).await,
        "/oauth/consent" => consent::consent(server, request, post(request, FORM)?).await,
        "/oauth/token" | "/token" => token::token(server, request, post(request, FORM)?).await,
        "/oauth/register" | "/register" => registration::register(server, post(request, JSON)?),
        "/oauth/revoke" => revoke::revoke(server, request, post(request, FORM)?).await,
        "/oauth/introspect" => introspect::introspect(server, request, post(request, FORM)?).await,
        apps::APPS if request.method == "POST" => apps::change(server, request, post(request, FORM)?),
        apps::APPS => get_or_post(request).and_then(|()| apps::apps(server, request)),
        apps::ADMIN if request.method == "POST" => apps::administer(server, request, post(request, FORM)?),
        apps::ADMIN => get_or_post(request).and_then(|()| apps::admin(server, request)),
        path => {
            if let Some(id) = path.strip_prefix("/oauth/register/") {
                return registration::manage(server, request, id);
            }
            if let Some(name) = path.strip_prefix("/oauth/login/") {
                get(request)?;
                return providers::start(server, request, name).await;
            }
            if let Some(name) = path.strip_prefix("/oauth/callback/") {
                get(request)?;
                return providers::callback(server, request, name).await;
            }
            Err(Error::NotFound)
        }
    }
}

fn document(server: &Server, request: &Request, name: &str) -> Result<Response, Error> {
    match name {
        "oauth-protected-resource" => get(request).map(|()| metadata::protected_resource(server)),
        "oauth-authorization-server" | "openid-configuration" => {
            get(request).map(|()| metadata::authorization_server(server))
        }
        _ => Err(Error::NotFound),
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

fn get_or_post(request: &Request) -> Result<(), Error> {
    get(request).map_err(|_| Error::MethodNotAllowed { allow: "GET, HEAD, POST" })
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
