//! Dynamic client registration (RFC 7591) and its management by the client (RFC 7592).

use crate::Server;
use crate::client_metadata::{Checked, Metadata};
use crate::errors::Error;
use crate::events::Event;
use crate::http::{Body, Request, Response};
use crate::list::{Entry, Fate, List};
use crate::outbound::Reach;
use crate::records::{self, AuthMethod, CLIENTS, Client, Origin};
use crate::secret::SecretHash;
use crate::{clients, crypto, documents, throttle};
use serde_json::json;
use shared_ports::StoreError;

/// A client that nobody has used by this age, in seconds, makes room for others when there are too many.
const UNUSED: u64 = 24 * 3600;

/// `POST /oauth/register`.
pub fn register(server: &Server, body: &[u8]) -> Result<Response, Error> {
    let settings = &server.settings.oauth.registration;
    if !settings.enabled {
        return Err(Error::RegistrationOff);
    }
    let checked = check(Metadata::parse(body)?)?;
    if let Some(retry_after) = throttle::count(server, "register", server.address, settings.per_address.into())? {
        return Err(Error::RegistrationThrottled { retry_after });
    }
    let list = List::new(server.store, CLIENTS.into());
    let full = list.len()? >= u64::from(settings.max_clients);
    sweep(server, &list, full)?;
    if full && list.len()? >= u64::from(settings.max_clients) {
        return Err(Error::RegistrationThrottled { retry_after: 3600 });
    }
    let (secret, token) = (new_secret(server, &checked), crypto::base64(&server.random::<32>()));
    let client = Client {
        id: crypto::hex(&server.random::<16>()),
        name: checked.name,
        redirect_uris: checked.redirect_uris,
        // RFC 7591 section 2: the default if it is left out.
        auth: checked.auth.unwrap_or(AuthMethod::Basic),
        secret_hash: secret.as_deref().map(SecretHash::of),
        refresh: checked.refresh,
        created_at: server.now,
        expires_at: server.now + clients::lifetime(server),
        jwks: checked.jwks,
        jwks_uri: checked.jwks_uri,
        management_hash: Some(SecretHash::of(&token)),
        origin: Origin::Registered,
        grant_types: Vec::new(),
    };
    list.append(&Entry { id: client.id.clone(), at: server.now, also: None })?;
    records::set(server.store, &records::client_key(&client.id), &client)?;
    server.audit.record(&Event::ClientRegistered { client_id: &client.id });
    Ok(Response::json(201, &answer(server, &client, secret.as_deref(), Some(&token))))
}

/// `GET`, `PUT` and `DELETE /oauth/register/{id}`: RFC 7592, by the registration access token.
pub fn manage(server: &Server, request: &Request, id: &str) -> Result<Response, Error> {
    let client = clients::registered(server, id)?;
    let token = bearer(request).ok_or(Error::ManagementToken)?;
    // Also without a client the token is hashed and compared: who asks does not learn which clients there are.
    let known = client.as_ref().and_then(|client| client.management_hash.clone());
    if !known.unwrap_or_else(SecretHash::of_nobody).fits(token) {
        return Err(Error::ManagementToken);
    }
    let client = client.ok_or(Error::ManagementToken)?;
    match request.method.as_str() {
        "GET" | "HEAD" => Ok(Response::json(200, &answer(server, &client, None, Some(token)))),
        "PUT" => replace(server, client, token, json_body(request)?),
        "DELETE" => {
            server.store.delete(&records::client_key(&client.id))?;
            server.store.delete(&records::client_used_key(&client.id))?;
            server.audit.record(&Event::ClientDeleted { client_id: &client.id, why: "client" });
            Ok(Response::empty(204))
        }
        _ => Err(Error::MethodNotAllowed { allow: "GET, HEAD, PUT, DELETE" }),
    }
}

/// Section 2.2: everything is replaced. The secret stays, unless the client changes to or from having one.
fn replace(server: &Server, client: Client, token: &str, body: &[u8]) -> Result<Response, Error> {
    let metadata = Metadata::parse(body)?;
    if metadata.client_id.as_deref() != Some(client.id.as_str()) {
        return Err(Error::Metadata { field: "client_id", why: "has to be that of the client" });
    }
    let checked = check(metadata)?;
    let auth = checked.auth.unwrap_or(AuthMethod::Basic);
    let secret = match (auth, &client.secret_hash) {
        (AuthMethod::Basic | AuthMethod::Post, None) => new_secret(server, &checked),
        _ => None,
    };
    let secret_hash = match auth {
        AuthMethod::Basic | AuthMethod::Post => secret.as_deref().map(SecretHash::of).or(client.secret_hash),
        AuthMethod::None | AuthMethod::Key => None,
    };
    let client = Client {
        name: checked.name,
        redirect_uris: checked.redirect_uris,
        auth,
        secret_hash,
        refresh: checked.refresh,
        jwks: checked.jwks,
        jwks_uri: checked.jwks_uri,
        ..client
    };
    records::set(server.store, &records::client_key(&client.id), &client)?;
    Ok(Response::json(200, &answer(server, &client, secret.as_deref(), Some(token))))
}

/// The metadata of a client that registers; the address of its keys has to be one that may be fetched.
fn check(metadata: Metadata) -> Result<Checked, Error> {
    let checked = metadata.check()?;
    let fetchable = |uri: &String| documents::check_address(uri, Reach::PublicOrLoopback).is_ok();
    if !checked.jwks_uri.as_ref().is_none_or(fetchable) {
        return Err(Error::Metadata { field: "jwks_uri", why: "is not an https URL on the public internet" });
    }
    Ok(checked)
}

/// A secret for a client that wants one.
fn new_secret(server: &Server, checked: &Checked) -> Option<String> {
    let wanted = matches!(checked.auth, None | Some(AuthMethod::Basic | AuthMethod::Post));
    wanted.then(|| crypto::base64(&server.random::<32>()))
}

/// The token of `Authorization: Bearer`.
fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header_values("authorization").next()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn json_body(request: &Request) -> Result<&[u8], Error> {
    match &request.body {
        Body::TooLarge => Err(Error::BodyTooLarge),
        Body::Whole(_) if request.media_type() != "application/json" => {
            Err(Error::ContentType { expected: "application/json" })
        }
        Body::Whole(bytes) => Ok(bytes),
    }
}

/// Section 3.2.1: the client as it is registered now.
fn answer(server: &Server, client: &Client, secret: Option<&str>, token: Option<&str>) -> serde_json::Value {
    let grant_types: &[&str] =
        if client.refresh { &["authorization_code", "refresh_token"] } else { &["authorization_code"] };
    let mut answer = json!({
        "client_id": client.id,
        "client_id_issued_at": client.created_at,
        "redirect_uris": client.redirect_uris,
        "token_endpoint_auth_method": client.auth,
        "grant_types": grant_types,
        "response_types": ["code"],
    });
    if let Some(fields) = answer.as_object_mut() {
        if !client.name.is_empty() {
            fields.insert("client_name".into(), client.name.clone().into());
        }
        if let Some(jwks) = &client.jwks {
            fields.insert("jwks".into(), jwks.clone());
        }
        if let Some(uri) = &client.jwks_uri {
            fields.insert("jwks_uri".into(), uri.clone().into());
        }
        if let Some(token) = token {
            let uri = format!("{}/oauth/register/{}", server.settings.public_url, client.id);
            fields.insert("registration_client_uri".into(), uri.into());
            fields.insert("registration_access_token".into(), token.into());
        }
        if let Some(secret) = secret {
            fields.insert("client_secret".into(), secret.into());
            // It has no end of its own: it lives as long as the registration, which every use extends.
            fields.insert("client_secret_expires_at".into(), 0.into());
        }
    }
    answer
}

/// Look at a few of the oldest clients: those that are over are deleted, and where room is needed also young ones that
/// were never used.
pub fn sweep(server: &Server, list: &List, full: bool) -> Result<bool, StoreError> {
    list.sweep(server.now, |entry| {
        let age = server.now.saturating_sub(entry.at);
        if age < if full { UNUSED } else { clients::lifetime(server) } {
            return Ok(Fate::Stop);
        }
        let client = records::get::<Client>(server.store, &records::client_key(&entry.id))?;
        let used = server.store.get(&records::client_used_key(&entry.id))?.is_some();
        if let Some(client) = client
            && clients::ends_at(server, &client)? > server.now
            && (used || !full)
        {
            return Ok(Fate::Requeue);
        }
        server.store.delete(&records::client_key(&entry.id))?;
        server.store.delete(&records::client_used_key(&entry.id))?;
        Ok(Fate::Drop)
    })
}
