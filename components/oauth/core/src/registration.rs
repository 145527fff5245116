//! Dynamic client registration (RFC 7591).
//!
//! What is kept of a client is what this server acts on: name, redirect URIs, authentication, grant types. Logos and
//! links are not kept: nobody has checked them, and showing them would lend them our word.

use crate::Server;
use crate::clients;
use crate::crypto;
use crate::errors::Error;
use crate::events::Event;
use crate::http::Response;
use crate::list::{Entry, Fate, List};
use crate::records::{self, AuthMethod, CLIENTS, Client};
use crate::redirect;
use serde::Deserialize;
use serde_json::json;
use shared_ports::StoreError;

/// Most redirect URIs of one client. Known clients register up to 5.
const MAX_REDIRECT_URIS: usize = 16;

/// Longest name, in characters: what a line of the consent page holds.
const MAX_NAME: usize = 100;

/// What a client says about itself (RFC 7591 section 2), as far as it matters here.
#[derive(Deserialize)]
struct Metadata {
    redirect_uris: Option<Vec<String>>,
    client_name: Option<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
}

/// `POST /oauth/register`.
pub fn register(server: &Server, body: &[u8]) -> Result<Response, Error> {
    let metadata: Metadata = serde_json::from_slice(body)
        .map_err(|_| Error::Metadata { field: "The body", why: "is not a JSON object of client metadata" })?;
    let redirect_uris = metadata.redirect_uris.unwrap_or_default();
    if redirect_uris.is_empty() || redirect_uris.len() > MAX_REDIRECT_URIS {
        return Err(Error::Metadata { field: "redirect_uris", why: "has to have 1 to 16 entries" });
    }
    for uri in &redirect_uris {
        redirect::classify(uri).map_err(Error::RedirectUri)?;
    }
    let name = metadata.client_name.unwrap_or_default();
    check_name(&name)?;
    let auth = match metadata.token_endpoint_auth_method.as_deref() {
        Some("none") => AuthMethod::None,
        // Section 2: the default if it is left out.
        None | Some("client_secret_basic") => AuthMethod::Basic,
        Some("client_secret_post") => AuthMethod::Post,
        Some(_) => {
            return Err(Error::Metadata {
                field: "token_endpoint_auth_method",
                why: "has to be none, client_secret_basic or client_secret_post",
            });
        }
    };
    let asks = |list: &Option<Vec<String>>, name: &str| {
        list.as_ref().is_none_or(|list| list.iter().any(|entry| entry == name))
    };
    if !asks(&metadata.response_types, "code") {
        return Err(Error::Metadata { field: "response_types", why: "has to have code in it" });
    }
    if !asks(&metadata.grant_types, "authorization_code") {
        return Err(Error::Metadata { field: "grant_types", why: "has to have authorization_code in it" });
    }
    // Left out means both: a client that never thought of refresh tokens would send its user to the login every hour.
    let refresh = asks(&metadata.grant_types, "refresh_token");

    let secret = (auth != AuthMethod::None).then(|| crypto::base64(&server.random::<32>()));
    let client = Client {
        id: crypto::hex(&server.random::<16>()),
        name,
        redirect_uris,
        auth,
        secret_hash: secret.as_ref().map(|secret| crypto::hex(&crypto::sha256(secret.as_bytes()))),
        refresh,
        created_at: server.now,
        expires_at: server.now + clients::lifetime(server),
    };
    let list = List::new(server.store, CLIENTS.into());
    sweep(server, &list)?;
    list.append(&Entry { id: client.id.clone(), at: server.now, also: None })?;
    records::set(server.store, &records::client_key(&client.id), &client)?;
    server.audit.record(&Event::ClientRegistered { client_id: &client.id });
    Ok(Response::json(201, &answer(&client, secret.as_deref())))
}

/// Section 3.2.1: the client as it is registered now.
fn answer(client: &Client, secret: Option<&str>) -> serde_json::Value {
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
        if let Some(secret) = secret {
            fields.insert("client_secret".into(), secret.into());
            // It has no end of its own: it lives as long as the registration, which every use extends.
            fields.insert("client_secret_expires_at".into(), 0.into());
        }
    }
    answer
}

/// A name goes onto the consent page, so it must not hide or turn around what stands beside it.
fn check_name(name: &str) -> Result<(), Error> {
    if name.chars().count() > MAX_NAME {
        return Err(Error::Metadata { field: "client_name", why: "has more than 100 characters" });
    }
    let invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    if name.chars().any(invisible) {
        return Err(Error::Metadata { field: "client_name", why: "has control characters" });
    }
    Ok(())
}

/// Look at a few of the oldest clients: those that are over are deleted.
fn sweep(server: &Server, list: &List) -> Result<(), StoreError> {
    list.sweep(server.now, |entry| {
        if entry.at.saturating_add(clients::lifetime(server)) > server.now {
            return Ok(Fate::Stop);
        }
        let client = records::get::<Client>(server.store, &records::client_key(&entry.id))?;
        if let Some(client) = client
            && clients::ends_at(server, &client)? > server.now
        {
            return Ok(Fate::Requeue);
        }
        server.store.delete(&records::client_key(&entry.id))?;
        server.store.delete(&records::client_used_key(&entry.id))?;
        Ok(Fate::Drop)
    })
}
