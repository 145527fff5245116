//! Token revocation (RFC 7009).

use crate::Server;
use crate::client_auth;
use crate::credential::{Credential, Kind};
use crate::errors::Error;
use crate::form::Form;
use crate::grants;
use crate::http::{Request, Response};
use crate::records::{self, GrantRecord};

/// `POST /oauth/revoke`. Revoking either token ends the grant, and with it all its tokens (section 2.1 allows that). A
/// token that is unknown or over already is a success (section 2.2). `token_type_hint` is not needed: tokens say
/// themselves what they are.
pub async fn revoke(server: &Server<'_>, request: &Request, body: &[u8]) -> Result<Response, Error> {
    let form = Form::parse(body)?;
    let text = form.one("token")?.ok_or(Error::Missing("token"))?;
    let client = client_auth::authenticate(server, request, &form).await?;
    let keys = &server.settings.keys;
    let token = Credential::parse(keys, Kind::Refresh, text).or_else(|| Credential::parse(keys, Kind::Access, text));
    if let Some(token) = token
        && let Some(grant) = records::get::<GrantRecord>(server.store, &records::grant_key(token.grant()))?
    {
        if grant.client_id != client.id {
            return Err(Error::OtherClient);
        }
        grants::end(server, token.grant(), "client")?;
    }
    Ok(Response::empty(200))
}
