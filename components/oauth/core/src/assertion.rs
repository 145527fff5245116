//! `private_key_jwt`: a client proves itself with a signed token (RFC 7523 section 3, OpenID Connect Core section 9).

use crate::Server;
use crate::errors::Error;
use crate::jwt::{Claims, Jwt, JwtError};
use crate::keyset::{self, Keyset, KeysetError};
use crate::outbound::Reach;
use crate::records::{Client, Origin};
use crate::{documents, once};

/// Value of `client_assertion_type`.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Longest time before its end that an assertion may be made, in seconds. Its id is remembered longer.
pub const LONGEST: u64 = 3600;

/// Longest id of an assertion, in bytes.
const MAX_ID: usize = 256;

/// Check that an assertion is this client's, for this server, of now, and here for the first time.
pub async fn check(server: &Server<'_>, client: &Client, jwt: &Jwt) -> Result<(), Error> {
    let keys = match (&client.jwks, &client.jwks_uri) {
        (Some(jwks), _) => Keyset::Given(jwks),
        (None, Some(uri)) => {
            let reach = if client.origin == Origin::Settings { Reach::Anywhere } else { documents::reach(server) };
            if reach != Reach::Anywhere {
                documents::check_address(uri, reach).map_err(|_| Error::ClientAuth("address of the keys"))?;
            }
            Keyset::At(uri, reach)
        }
        (None, None) => return Err(Error::ClientAuth("client has no keys")),
    };
    let claims = match keyset::verify(server, keys, jwt).await {
        Err(KeysetError::Jwt(error)) => return Err(Error::Assertion(error)),
        Err(KeysetError::Throttled) => return Err(Error::ClientAuth("too many keys were fetched from here")),
        Err(_) => return Err(Error::ClientAuth("keys of the client could not be read")),
        Ok(claims) => claims,
    };
    claims.require("iss", &client.id)?;
    claims.require("sub", &client.id)?;
    let issuer = server.settings.public_url.as_str();
    // The issuer is what it should be; the token endpoint is what RFC 7523 recommended before, and most libraries send.
    claims.require_audience(&[issuer, &format!("{issuer}/oauth/token")])?;
    claims.require_times(server.now, LONGEST)?;
    use_up(server, &claims, "client assertion", &client.id)
}

/// Use up the id of an assertion.
pub fn use_up(server: &Server, claims: &Claims, kind: &str, issuer: &str) -> Result<(), Error> {
    let id = claims.text("jti").filter(|id| (1..=MAX_ID).contains(&id.len())).ok_or(JwtError::Claim("jti"))?;
    if once::first_use(server, &[kind, issuer, id])? { Ok(()) } else { Err(JwtError::Replayed.into()) }
}
