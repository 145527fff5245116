//! Token introspection (RFC 7662), for clients that prove themselves.

use crate::Server;
use crate::client_auth;
use crate::credential::{Credential, Kind};
use crate::errors::Error;
use crate::form::Form;
use crate::grants;
use crate::http::{Request, Response};
use crate::records::{Client, Origin};
use crate::validate::{self, TokenError};
use serde_json::{Value, json};

/// `POST /oauth/introspect`. A client of the settings, such as a resource server, may ask about every token; any other
/// about its own, because everybody can register. About what it may not ask it gets the same answer as about nothing.
pub async fn introspect(server: &Server<'_>, request: &Request, body: &[u8]) -> Result<Response, Error> {
    let form = Form::parse(body)?;
    let text = form.one("token")?.ok_or(Error::Missing("token"))?;
    let client = client_auth::authenticate(server, request, &form).await?;
    if !client.is_confidential() {
        return Err(Error::ClientAuth("public client"));
    }
    let answer = match access(server, &client, text)? {
        None => refresh(server, &client, text)?,
        answer => answer,
    };
    Ok(Response::json(200, &answer.unwrap_or_else(|| json!({ "active": false }))))
}

fn access(server: &Server, client: &Client, text: &str) -> Result<Option<Value>, Error> {
    let found = match validate::inspect(server, text, &server.settings.resource) {
        Err(TokenError::Unavailable(error)) => return Err(error.into()),
        Err(_) => return Ok(None),
        Ok(found) => found,
    };
    let principal = found.principal;
    if !may_ask(client, &principal.client_id) {
        return Ok(None);
    }
    let mut answer = common(server, &principal.client_id, &principal.scopes);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("token_type".into(), "Bearer".into());
        fields.insert("aud".into(), server.settings.resource.clone().into());
        fields.insert("sub".into(), principal.subject.into());
        fields.insert("exp".into(), principal.expires_at.into());
        fields.insert("roles".into(), principal.roles.into());
        if let Some(tenant) = principal.tenant {
            fields.insert("tenant".into(), tenant.into());
        }
    }
    Ok(Some(answer))
}

fn refresh(server: &Server, client: &Client, text: &str) -> Result<Option<Value>, Error> {
    let Some(token) = Credential::parse(&server.settings.keys, Kind::Refresh, text) else { return Ok(None) };
    let Some((grant, expires_at)) = grants::usable(server, &token)? else { return Ok(None) };
    if !may_ask(client, &grant.client_id) {
        return Ok(None);
    }
    let mut answer = common(server, &grant.client_id, &grant.scopes);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("exp".into(), expires_at.into());
    }
    Ok(Some(answer))
}

fn may_ask(client: &Client, of: &str) -> bool {
    client.origin == Origin::Settings || client.id == of
}

fn common(server: &Server, client_id: &str, scopes: &[String]) -> Value {
    json!({
        "active": true,
        "client_id": client_id,
        "scope": crate::scopes::join(scopes),
        "iss": server.settings.public_url.as_str(),
    })
}
