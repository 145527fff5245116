//! The authorization endpoint (RFC 6749 section 3.1, OAuth 2.1 section 4.1).

use crate::errors::{self, Error};
use crate::events::Event;
use crate::form::Form;
use crate::http::{MAX_QUERY, Request, Response};
use crate::login::Login;
use crate::records::Client;
use crate::{Server, clients, consent, login, pkce, redirect, scopes, token};

/// Who gets the answer. Once this is known, errors go there; before, they are shown to the person, because sending a
/// browser to an address that nobody has registered would be an open redirect.
#[derive(Debug)]
pub struct Recipient {
    /// The client.
    pub client: Client,
    /// Where its answer goes.
    pub redirect_uri: String,
    /// Handed back as it came.
    pub state: Option<String>,
}

/// What is asked for.
#[derive(Debug)]
pub struct Ask {
    /// Known scopes, in ascending order; never empty.
    pub scopes: Vec<String>,
    /// PKCE challenge, S256.
    pub challenge: String,
}

/// `GET /oauth/authorize`: the login page, or the consent page for who is logged in.
pub fn authorize(server: &Server, request: &Request) -> Result<Response, Error> {
    let form = parse(&request.query)?;
    let recipient = recipient(server, &form)?;
    match ask(server, &form) {
        Err(error) => Ok(recipient.refuse(server, 302, &error)),
        Ok(ask) => match Login::of(server, request) {
            None => Ok(login::page(server, request, &recipient, None)),
            Some(login) => Ok(consent::page(server, &login, &request.query, &recipient, &ask, None)),
        },
    }
}

/// The parameters of an authorization request.
pub fn parse(query: &str) -> Result<Form, Error> {
    if query.len() > MAX_QUERY {
        return Err(Error::QueryTooLong);
    }
    Ok(Form::parse(query.as_bytes())?)
}

/// Find out who gets the answer.
pub fn recipient(server: &Server, form: &Form) -> Result<Recipient, Error> {
    let id = form.one("client_id")?.ok_or(Error::Missing("client_id"))?;
    let client = clients::find(server, id)?.ok_or(Error::UnknownClient)?;
    let redirect_uri = match (form.one("redirect_uri")?, client.redirect_uris.as_slice()) {
        (Some(uri), registered) if registered.iter().any(|known| redirect::matches(known, uri)) => uri.to_owned(),
        (None, [only]) => only.clone(),
        (None, _) => return Err(Error::Missing("redirect_uri")),
        (Some(_), _) => return Err(Error::RedirectMismatch),
    };
    // A state that is there twice is an error for `ask` to find; none of the two is handed back.
    let state = form.one("state").ok().flatten().map(String::from);
    Ok(Recipient { client, redirect_uri, state })
}

/// Find out what is asked for.
pub fn ask(server: &Server, form: &Form) -> Result<Ask, Error> {
    form.one("state")?;
    for name in ["request", "request_uri"] {
        if form.all(name).next().is_some() {
            return Err(Error::RequestObject(name));
        }
    }
    match form.one("response_type")?.ok_or(Error::Missing("response_type"))? {
        "code" => {}
        _ => return Err(Error::ResponseType),
    }
    if form.one("response_mode")?.is_some_and(|mode| mode != "query") {
        return Err(Error::ResponseMode);
    }
    let challenge = form.one("code_challenge")?.ok_or(Error::ChallengeMissing)?;
    // Left out, it would mean `plain` (RFC 7636 section 4.3).
    if form.one("code_challenge_method")? != Some("S256") {
        return Err(Error::ChallengeMethod);
    }
    if !pkce::is_challenge(challenge) {
        return Err(Error::Challenge);
    }
    token::check_resource(server, form)?;
    let scopes = scopes::parse(form.one("scope")?);
    if scopes.is_empty() {
        return Err(Error::Scope);
    }
    Ok(Ask { scopes, challenge: challenge.into() })
}

impl Recipient {
    /// Send an error (RFC 6749 section 4.1.2.1). `status`: 302, or 303 after a form.
    pub fn refuse(&self, server: &Server, status: u16, error: &Error) -> Response {
        server.audit.record(&Event::Refused { why: &error.to_string(), ours: error.is_ours() });
        let wire = errors::wire(error);
        self.answer(server, status, &[("error", wire.code), ("error_description", &wire.text)])
    }

    /// Send an answer, with `state` as it came and `iss` (RFC 9207), by which clients of several authorization servers
    /// see whose answer it is.
    pub fn answer(&self, server: &Server, status: u16, parameters: &[(&str, &str)]) -> Response {
        let mut parameters = parameters.to_vec();
        if let Some(state) = &self.state {
            parameters.push(("state", state));
        }
        parameters.push(("iss", server.settings.public_url.as_str()));
        Response::redirect(status, redirect::with_parameters(&self.redirect_uri, &parameters))
    }
}

/// Where a browser goes to begin again with the same request. A path and no URL, so that it stays at the name it knows
/// this server by, with the cookies it has there.
pub fn again(query: &str) -> Response {
    Response::redirect(303, format!("/oauth/authorize?{query}"))
}
