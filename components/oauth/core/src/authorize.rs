//! The authorization endpoint (RFC 6749 section 3.1, OAuth 2.1 section 4.1).

use crate::errors::{self, Error};
use crate::events::Event;
use crate::form::Form;
use crate::http::{MAX_QUERY, Request, Response};
use crate::login::Login;
use crate::records::{Client, Origin};
use crate::{Server, approval, clients, consent, login, pkce, redirect, scopes, token};
use shared_settings::GrantType;

/// Path of this endpoint.
const PATH: &str = "/oauth/authorize";

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
    /// Whether the client wants the person asked in any case (OpenID Connect Core section 3.1.2.1, `prompt`).
    pub ask_again: bool,
}

/// `GET /oauth/authorize`: the login page, or the consent page for who is logged in.
pub async fn authorize(server: &Server<'_>, request: &Request) -> Result<Response, Error> {
    let form = parse(&request.query)?;
    let recipient = recipient(server, &form).await?;
    let login = Login::of(server, request)?;
    match (ask(server, &form), login) {
        // Anybody can register a client and make links with an error in them, so that an unsuspecting reader would be
        // sent on to wherever the client likes. So only who has logged in is sent there, and whoever comes from a client
        // that the operator has registered (RFC 9700 section 4.11.2).
        (Err(error), login) if login.is_some() || recipient.client.origin == Origin::Settings => {
            Ok(recipient.refuse(server, 302, &error))
        }
        (_, None) => Ok(login::page(server, request, Some(&recipient), &target(&request.query), None)),
        (Err(error), _) => Ok(recipient.refuse(server, 302, &error)),
        (Ok(ask), Some(login)) => {
            if approval::suffices(server, request, &login, &recipient, &ask)
                && let Ok(code) =
                    consent::issue_code(server, &login, &recipient, ask.challenge.clone(), ask.scopes.clone())
            {
                return Ok(recipient.answer(server, 302, &[("code", code.reveal())]));
            }
            let ticked = approval::remembered(server, request, &login, &recipient);
            Ok(consent::page(server, &login, &request.query, &recipient, &ask, ticked.as_deref(), None))
        }
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
pub async fn recipient(server: &Server<'_>, form: &Form) -> Result<Recipient, Error> {
    let id = form.one("client_id")?.ok_or(Error::Missing("client_id"))?;
    let client = clients::find(server, id).await?.ok_or(Error::UnknownClient)?;
    if !client.may(GrantType::AuthorizationCode) {
        return Err(Error::RedirectMismatch);
    }
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
    let scopes = scopes::parse(&server.settings.scopes, form.one("scope")?);
    if scopes.is_empty() {
        return Err(Error::Scope);
    }
    let ask_again = form.one("prompt")?.is_some_and(|prompt| prompt.split(' ').any(|word| word == "consent"));
    Ok(Ask { scopes, challenge: challenge.into(), ask_again })
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

/// Path and query of the authorization request with this query string.
pub fn target(query: &str) -> String {
    format!("{PATH}?{query}")
}

/// Who gets the answer of the request with this path and query; `None` for another page of ours.
pub async fn recipient_of(server: &Server<'_>, target: &str) -> Result<Option<Recipient>, Error> {
    match target.strip_prefix(PATH).and_then(|rest| rest.strip_prefix('?')) {
        None => Ok(None),
        Some(query) => recipient(server, &parse(query)?).await.map(Some),
    }
}

/// Where a browser goes to begin again with the same request. A path and no URL, so that it stays at the name it knows
/// this server by, with the cookies it has there.
pub fn again(target: &str) -> Response {
    Response::redirect(303, target.into())
}
