//! The token endpoint (RFC 6749 section 3.2).

use crate::client_auth;
use crate::credential::{Credential, Kind};
use crate::errors::Error;
use crate::form::Form;
use crate::grants::{self, Issued};
use crate::http::{Request, Response};
use crate::providers::{self, Heard};
use crate::records::{self, Client, CodeRecord, GrantRecord};
use crate::{Server, machine, pkce, scopes};
use serde_json::json;

/// RFC 7523.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// RFC 8693.
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// `POST /oauth/token`.
pub async fn token(server: &Server<'_>, request: &Request, body: &[u8]) -> Result<Response, Error> {
    let form = Form::parse(body)?;
    let grant_type = form.one("grant_type")?.ok_or(Error::Missing("grant_type"))?;
    let client = client_auth::authenticate(server, request, &form).await?;
    check_resource(server, &form)?;
    let issued = match grant_type {
        "authorization_code" => by_code(server, &client, &form)?,
        "refresh_token" => by_refresh_token(server, &client, &form).await?,
        "client_credentials" => machine::client_credentials(server, &client, &form)?,
        JWT_BEARER => machine::assertion(server, &client, &form).await?,
        TOKEN_EXCHANGE => machine::exchange(server, &client, &form)?,
        _ => return Err(Error::GrantType),
    };
    let mut answer = json!({
        "access_token": issued.access.reveal(),
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": scopes::join(&issued.scopes),
    });
    if let Some(fields) = answer.as_object_mut() {
        if let Some(refresh) = &issued.refresh {
            fields.insert("refresh_token".into(), refresh.reveal().into());
        }
        if grant_type == TOKEN_EXCHANGE {
            fields.insert("issued_token_type".into(), machine::ACCESS_TOKEN.into());
        }
    }
    Ok(Response::json(200, &answer).with("pragma", "no-cache".into()))
}

/// Section 4.1.3. Everything is checked before the code is used up, so that whoever lacks the verifier cannot spoil it.
fn by_code(server: &Server, client: &Client, form: &Form) -> Result<Issued, Error> {
    let text = form.one("code")?.ok_or(Error::Missing("code"))?;
    let verifier = form.one("code_verifier")?.ok_or(Error::Missing("code_verifier"))?;
    let redirect_uri = form.one("redirect_uri")?;
    let code = Credential::parse(&server.settings.keys, Kind::Code, text).ok_or(Error::Unknown)?;
    let Some(record) = records::get::<CodeRecord>(server.store, &records::credential_key(&code, Kind::Code))? else {
        return Err(replayed(server, client, &code)?);
    };
    if record.grant.client_id != client.id {
        return Err(Error::OtherClient);
    }
    if record.expires_at <= server.now {
        return Err(Error::Expired);
    }
    // RFC 6749 wants it repeated, OAuth 2.1 does not any more: so it may be left out, but not be another one.
    if redirect_uri.is_some_and(|uri| uri != record.redirect_uri) {
        return Err(Error::CodeRedirect);
    }
    if !pkce::verify(&record.challenge, verifier) {
        return Err(Error::Verifier);
    }
    if !grants::use_code(server, &code)? {
        return Err(replayed(server, client, &code)?);
    }
    let scopes = record.grant.scopes.clone();
    grants::redeem(server, &code, record, scopes, client.refresh)
}

/// A code of ours that is used up, or over. In the first case its grant ends (RFC 6749 section 4.1.2).
fn replayed(server: &Server, client: &Client, code: &Credential) -> Result<Error, Error> {
    let grant = records::get::<GrantRecord>(server.store, &records::grant_key(code.grant()))?;
    match grant {
        Some(grant) if grant.client_id == client.id => {
            grants::end(server, code.grant(), "code-replay")?;
            Ok(Error::CodeReplayed)
        }
        Some(_) => Ok(Error::OtherClient),
        None => Ok(Error::Unknown),
    }
}

/// Section 6.
async fn by_refresh_token(server: &Server<'_>, client: &Client, form: &Form) -> Result<Issued, Error> {
    let text = form.one("refresh_token")?.ok_or(Error::Missing("refresh_token"))?;
    if !client.refresh {
        return Err(Error::GrantTypeOfClient);
    }
    let asked = form.one("scope")?.map(|list| scopes::parse(&server.settings.scopes, Some(list)));
    if asked.as_ref().is_some_and(Vec::is_empty) {
        return Err(Error::Scope);
    }
    let token = Credential::parse(&server.settings.keys, Kind::Refresh, text).ok_or(Error::Unknown)?;
    let asked = grants::check(server, &token, &client.id, asked)?;
    let said = match providers::hear(server, &asked.grant.user_hash).await? {
        Heard::Nothing => None,
        Heard::Says(standing) => Some(standing),
        Heard::Out => {
            grants::end(server, token.grant(), "provider")?;
            return Err(Error::GrantEnded);
        }
    };
    grants::rotate(server, asked, said)
}

/// RFC 8707 section 2: more than one resource is allowed to ask for, but there is only one here.
pub fn check_resource(server: &Server, form: &Form) -> Result<(), Error> {
    let mut resources = form.all("resource").filter(|resource| !resource.is_empty());
    if resources.all(|resource| server.settings.is_resource(resource)) { Ok(()) } else { Err(Error::Resource) }
}
