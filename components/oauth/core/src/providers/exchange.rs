//! Asking a provider's token endpoint.

use super::Endpoints;
use crate::Server;
use crate::errors::Error;
use crate::fetched::TIMEOUT;
use crate::form;
use crate::outbound::{Fetch, Fetched, Reach};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use shared_settings::Provider;

/// Most bytes of an answer. Tokens with many groups have 8 KiB.
const MAX_BYTES: usize = 64 * 1024;

/// What a token endpoint answers (RFC 6749 section 5.1).
#[derive(Deserialize)]
pub struct Answer {
    /// For the provider's own services.
    pub access_token: String,
    /// `Bearer`, in whatever case.
    #[serde(default)]
    pub token_type: Option<String>,
    /// Seconds.
    #[serde(default)]
    pub expires_in: Option<u64>,
    /// For the next access token.
    #[serde(default)]
    pub refresh_token: Option<String>,
    /// Who has logged in.
    #[serde(default)]
    pub id_token: Option<String>,
    /// What was granted.
    #[serde(default)]
    pub scope: Option<String>,
}

/// Why there is no answer. For the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The provider refuses: an error of RFC 6749 section 5.2.
    #[error("refused: {0}")]
    Refused(String),
    /// It could not be asked, or what it says is no answer.
    #[error("{0}")]
    Failed(String),
}

/// Ask for tokens.
pub async fn tokens(
    server: &Server<'_>,
    endpoints: &Endpoints,
    provider: &Provider,
    fields: &[(&str, &str)],
) -> Result<Answer, ExchangeError> {
    let mut fields = fields.to_vec();
    let mut headers = vec![
        ("accept", String::from("application/json")),
        ("content-type", "application/x-www-form-urlencoded".into()),
        ("user-agent", "mcp-edge".into()),
    ];
    match &provider.client_secret {
        Some(secret) if endpoints.secret_in_form => {
            fields.push(("client_id", &provider.client_id));
            fields.push(("client_secret", secret));
        }
        Some(secret) => {
            let pair = format!("{}:{}", form::encode(&provider.client_id), form::encode(secret));
            headers.push(("authorization", format!("Basic {}", BASE64_STANDARD.encode(pair))));
        }
        None => fields.push(("client_id", &provider.client_id)),
    }
    let body = fields.iter().map(|(name, value)| format!("{}={}", form::encode(name), form::encode(value)));
    let body = body.collect::<Vec<_>>().join("&").into_bytes();
    let answer = fetch(server, "POST", &endpoints.token, headers, body).await.map_err(ExchangeError::Failed)?;
    let value: Map<String, Value> = serde_json::from_slice(&answer.body)
        .map_err(|_| ExchangeError::Failed(format!("status {} and no JSON", answer.status)))?;
    // GitHub says 200 also when it refuses.
    if let Some(code) = value.get("error").and_then(Value::as_str) {
        return Err(ExchangeError::Refused(code.chars().filter(|c| c.is_ascii_graphic()).take(100).collect()));
    }
    if answer.status != 200 {
        return Err(ExchangeError::Failed(format!("status {}", answer.status)));
    }
    let answer: Answer = serde_json::from_value(Value::Object(value))
        .map_err(|_| ExchangeError::Failed("no answer of a token endpoint".into()))?;
    if answer.token_type.as_ref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(ExchangeError::Failed("tokens are not bearer tokens".into()));
    }
    Ok(answer)
}

/// Ask who somebody is.
pub async fn userinfo(server: &Server<'_>, name: &str, url: &str, token: &str) -> Result<Map<String, Value>, Error> {
    let error = |why: String| Error::Provider { name: name.into(), why: format!("userinfo: {why}") };
    let headers = vec![
        ("accept", String::from("application/json")),
        ("authorization", format!("Bearer {token}")),
        ("user-agent", "mcp-edge".into()),
    ];
    let answer = fetch(server, "GET", url, headers, Vec::new()).await.map_err(error)?;
    match answer.status {
        200 => {}
        // RFC 6750 section 3.1: the token is not good any more.
        401 => return Err(Error::ProviderRefused("invalid_token".into())),
        status => return Err(error(format!("status {status}"))),
    }
    serde_json::from_slice(&answer.body).map_err(|_| error("no JSON object".into()))
}

async fn fetch(
    server: &Server<'_>,
    method: &'static str,
    url: &str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
) -> Result<Fetched, String> {
    let (url, limit) = (url.into(), MAX_BYTES);
    let fetch = Fetch { method, url, headers, body, limit, timeout: TIMEOUT, reach: Reach::Anywhere };
    server.outside.fetch(fetch).await.map_err(|error| error.to_string())
}
