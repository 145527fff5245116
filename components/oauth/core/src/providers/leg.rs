//! To a provider and back (RFC 6749 section 4.1, OpenID Connect Core section 3.1), with PKCE, nonce and state.
//!
//! The state says no more than that we made it, and when: an id, a time, and an HMAC. What belongs to it is in a sealed
//! cookie of the same id, so that it is no good in another browser, and nothing is stored for people who never come back.

use super::exchange::{self, ExchangeError};
use super::{Endpoints, claims, standing, tokens, told};
use crate::authorize;
use crate::cookies::Cookie;
use crate::crypto;
use crate::errors::Error;
use crate::events::Event;
use crate::form::Form;
use crate::http::{Request, Response};
use crate::people::Person;
use crate::{Server, login, once, redirect, users};
use serde::{Deserialize, Serialize};
use shared_settings::Provider;

/// How long a visit to a provider may take, in seconds.
const LIFETIME: u64 = 600;

/// Longest value of the cookie. Browsers keep cookies of 4096 bytes, name and attributes included.
const MAX_COOKIE: usize = 3800;

/// What has to be remembered of the way there.
#[derive(Serialize, Deserialize)]
struct Leg {
    provider: String,
    target: String,
    verifier: String,
    nonce: String,
    at: u64,
}

/// `GET /oauth/login/{provider}`, from the login page: to the provider.
pub async fn start(server: &Server<'_>, request: &Request, name: &str) -> Result<Response, Error> {
    let provider = server.settings.providers.get(name).ok_or(Error::NotFound)?;
    let carried = login::carried(server, request, &authorize::parse(&request.query)?)?;
    if carried.is_stale(server) {
        return Ok(authorize::again(&carried.target));
    }
    let endpoints = Endpoints::of(server, name, provider).await?;
    let id: [u8; 16] = server.random();
    let leg = Leg {
        provider: name.into(),
        target: carried.target,
        verifier: crypto::base64(&server.random::<32>()),
        nonce: crypto::base64(&server.random::<16>()),
        at: server.now,
    };
    let plain = serde_json::to_vec(&leg).unwrap_or_default();
    let sealed = crypto::base64(&server.settings.keys.leg.seal(server.random(), &id, &plain));
    if sealed.len() > MAX_COOKIE {
        return Err(Error::QueryTooLong);
    }
    let challenge = crypto::base64(&crypto::sha256(leg.verifier.as_bytes()));
    let (callback, state, scope) = (callback_uri(server, name), state(server, &id), provider.scopes.join(" "));
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", provider.client_id.as_str()),
        ("redirect_uri", &callback),
        ("scope", &scope),
        ("state", &state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    if provider.issuer.is_some() {
        parameters.push(("nonce", &leg.nonce));
    }
    for (name, value) in &provider.parameters {
        if !parameters.iter().any(|(ours, _)| ours == name) {
            parameters.push((name, value));
        }
    }
    let location = redirect::with_parameters(&endpoints.authorization, &parameters);
    Ok(Response::redirect(302, location).with("set-cookie", cookie(&id).set(server, &sealed, LIFETIME)))
}

/// `GET /oauth/callback/{provider}`: back from it.
pub async fn callback(server: &Server<'_>, request: &Request, name: &str) -> Result<Response, Error> {
    let provider = server.settings.providers.get(name).ok_or(Error::NotFound)?;
    let form = authorize::parse(&request.query)?;
    let id = read_state(server, form.one("state")?.unwrap_or_default()).ok_or(Error::State)?;
    // Whoever has only seen the state, or has it from his own browser, has no such cookie in this one.
    let leg = cookie(&id).values(server, request).find_map(|value| {
        let plain = server.settings.keys.leg.open(&id, &crypto::unbase64(value)?)?;
        serde_json::from_slice::<Leg>(&plain).ok()
    });
    let leg = leg.filter(|leg| leg.at.saturating_add(LIFETIME) > server.now).ok_or(Error::State)?;
    if leg.provider != name {
        return Err(Error::ProviderMixUp);
    }
    if !once::first_use(server, &["state", &crypto::hex(&id)])? {
        return Err(Error::StateReplayed);
    }
    let result = finish(server, &form, name, provider, &leg).await;
    let response = match result {
        Ok(person) => login::logged_in(server, request, person, &leg.target)?,
        Err(error @ (Error::ProviderRefused(_) | Error::NotAllowed | Error::UserDeleted | Error::Provider { .. })) => {
            server.audit.record(&Event::Refused { why: &error.to_string(), ours: error.is_ours() });
            let recipient = authorize::recipient_of(server, &leg.target).await?;
            login::page(server, request, recipient.as_ref(), &leg.target, Some(&error))
        }
        Err(error) => return Err(error),
    };
    Ok(response.with("set-cookie", cookie(&id).set(server, "", 0)))
}

async fn finish(server: &Server<'_>, form: &Form, name: &str, provider: &Provider, leg: &Leg) -> Result<Person, Error> {
    let endpoints = Endpoints::of(server, name, provider).await?;
    // RFC 9207: an answer that another provider has sent here is not taken to this one.
    match (form.one("iss")?, &provider.issuer) {
        (Some(said), Some(issuer)) if said != issuer => return Err(Error::ProviderMixUp),
        (None, Some(_)) if endpoints.says_issuer => return Err(Error::ProviderMixUp),
        _ => {}
    }
    if let Some(code) = form.one("error")? {
        return Err(Error::ProviderRefused(code.chars().filter(|c| c.is_ascii_graphic()).take(100).collect()));
    }
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", form.one("code")?.ok_or(Error::Missing("code"))?),
        ("redirect_uri", &callback_uri(server, name)),
        ("code_verifier", &leg.verifier),
    ];
    let answer = match exchange::tokens(server, &endpoints, provider, &fields).await {
        Ok(answer) => answer,
        Err(ExchangeError::Refused(code)) => return Err(Error::ProviderRefused(code)),
        Err(ExchangeError::Failed(why)) => return Err(Error::Provider { name: name.into(), why }),
    };
    let person = match (&provider.issuer, &endpoints.userinfo) {
        (Some(issuer), _) => {
            told::person(server, name, provider, &endpoints, issuer, Some(&leg.nonce), &answer).await?
        }
        (None, Some(url)) => {
            let claims = exchange::userinfo(server, name, url, &answer.access_token).await?;
            claims::person(name, provider, &claims)?
        }
        (None, None) => {
            let why = "neither `issuer` nor `userinfoEndpoint` is in the settings".into();
            return Err(Error::Provider { name: name.into(), why });
        }
    };
    let user_hash = users::hash(server, &person.subject)?;
    // First the place in the list: what is stored now is swept also if nothing is ever approved.
    users::note(server, &person, &user_hash)?;
    tokens::store(server, &user_hash, name, &answer)?;
    standing::note(server, &user_hash, &person)?;
    if users::confirm_listed(server, &person.subject, &user_hash)? { Ok(person) } else { Err(Error::UserDeleted) }
}

fn callback_uri(server: &Server, name: &str) -> String {
    format!("{}/oauth/callback/{name}", server.settings.public_url)
}

fn cookie(id: &[u8; 16]) -> Cookie {
    Cookie::Leg(id.first_chunk::<4>().copied().unwrap_or_default())
}

/// Id (16 bytes), time (8), HMAC (32).
fn state(server: &Server, id: &[u8; 16]) -> String {
    let at = server.now.to_be_bytes();
    let mac = crypto::hmac(&server.settings.keys.leg.current, &[b"state", id, &at]);
    crypto::base64(&[&id[..], &at, &mac].concat())
}

fn read_state(server: &Server, text: &str) -> Option<[u8; 16]> {
    let bytes = crypto::unbase64(text)?;
    let (id, rest) = bytes.split_first_chunk::<16>()?;
    let (at, mac) = rest.split_first_chunk::<8>()?;
    let fresh = u64::from_be_bytes(*at).saturating_add(LIFETIME) > server.now;
    (server.settings.keys.leg.verify(&[b"state", id, at], mac) && fresh).then_some(*id)
}
