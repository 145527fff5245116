//! ID tokens of providers.

use super::Endpoints;
use super::exchange::Answer;
use crate::Server;
use crate::crypto;
use crate::errors::Error;
use crate::jwt::{Claims, Jwt, JwtError};
use crate::keyset::{self, KeysetError};
use shared_settings::Provider;

/// Longest time before its end that an ID token may be made, in seconds.
const LONGEST: u64 = 7 * 24 * 3600;

/// Check the ID token of an answer: of a login (OpenID Connect Core section 3.1.3.7), with the `nonce` that was sent, or of a
/// refresh (section 12.2).
pub async fn check(
    server: &Server<'_>,
    name: &str,
    provider: &Provider,
    endpoints: &Endpoints,
    issuer: &str,
    nonce: Option<&str>,
    answer: &Answer,
) -> Result<Claims, Error> {
    let error = |why: String| Error::Provider { name: name.into(), why: format!("ID token: {why}") };
    let text = answer.id_token.as_deref().ok_or_else(|| error("is missing: ask for the scope `openid`".into()))?;
    let jwt = Jwt::parse(text).map_err(|why| error(why.to_string()))?;
    let claims = match keyset::verify(server, endpoints.keys()?, &jwt).await {
        Err(KeysetError::Jwt(why)) => return Err(error(why.to_string())),
        Err(why) => return Err(error(why.to_string())),
        Ok(claims) => claims,
    };
    check_claims(server.now, &claims, issuer, &provider.client_id, nonce, &answer.access_token)
        .map_err(|why| error(why.to_string()))?;
    Ok(claims)
}

fn check_claims(
    now: u64,
    claims: &Claims,
    issuer: &str,
    client_id: &str,
    nonce: Option<&str>,
    access_token: &str,
) -> Result<(), JwtError> {
    claims.require("iss", issuer)?;
    // More audiences than us are fine if it says that we are the one it was made for.
    if claims.text("azp") != Some(client_id) || !claims.has_audience(client_id) {
        claims.require_audience(&[client_id])?;
    }
    if claims.0.contains_key("azp") {
        claims.require("azp", client_id)?;
    }
    claims.require_times(now, LONGEST)?;
    claims.time("iat").ok_or(JwtError::Claim("iat"))?;
    if let Some(nonce) = nonce {
        claims.require("nonce", nonce)?;
    }
    if claims.0.contains_key("at_hash") {
        let hash = crypto::sha256(access_token.as_bytes());
        claims.require("at_hash", &crypto::base64(hash.first_chunk::<16>().unwrap_or(&[0; 16])))?;
    }
    Ok(())
}
