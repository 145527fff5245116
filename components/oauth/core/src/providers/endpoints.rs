//! Where a provider's endpoints are: given in the settings, or discovered (OpenID Connect Discovery 1.0 section 4).

use crate::Server;
use crate::errors::Error;
use crate::fetched::{self, Limits};
use crate::keyset::Keyset;
use crate::outbound::Reach;
use serde::Deserialize;
use shared_settings::{Provider, check_url};

/// Most bytes of a discovery document. That of Entra has 2 KiB, that of Keycloak 6.
const MAX_BYTES: usize = 64 * 1024;

/// Longest time that it is kept, in seconds.
const MAX_AGE: u64 = 24 * 3600;

/// The endpoints of one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The provider's name in the settings, for errors.
    name: String,
    /// Where the browser goes.
    pub authorization: String,
    /// Where codes and refresh tokens go.
    pub token: String,
    /// Keys of ID tokens.
    jwks: Option<String>,
    /// Who somebody is.
    pub userinfo: Option<String>,
    /// Whether every answer to the browser says whose it is (RFC 9207).
    pub says_issuer: bool,
    /// Whether the secret goes into the form and not into the header.
    pub secret_in_form: bool,
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    jwks_uri: Option<String>,
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl Endpoints {
    /// Those of a provider. What the settings say goes before what is discovered.
    pub async fn of(server: &Server<'_>, name: &str, provider: &Provider) -> Result<Self, Error> {
        let error = |why: String| Error::Provider { name: name.into(), why };
        let given = provider.authorization_endpoint.is_some()
            && provider.token_endpoint.is_some()
            && (provider.jwks_uri.is_some() || provider.userinfo_endpoint.is_some());
        let discovered = match &provider.issuer {
            Some(issuer) if !given => Some(discover(server, issuer).await.map_err(error)?),
            _ => None,
        };
        let found = discovered.as_ref();
        let pick =
            |given: &Option<String>, found: Option<&Option<String>>| given.clone().or_else(|| found.cloned().flatten());
        let authorization = pick(&provider.authorization_endpoint, found.map(|found| &found.authorization_endpoint));
        let token = pick(&provider.token_endpoint, found.map(|found| &found.token_endpoint));
        let jwks = pick(&provider.jwks_uri, found.map(|found| &found.jwks_uri));
        let (Some(authorization), Some(token)) = (authorization, token) else {
            return Err(error("no authorization or token endpoint".into()));
        };
        let userinfo = pick(&provider.userinfo_endpoint, found.map(|found| &found.userinfo_endpoint));
        let urls = [Some(&authorization), Some(&token), jwks.as_ref(), userinfo.as_ref()];
        for url in urls.into_iter().flatten() {
            check_url(url).map_err(|why| error(format!("endpoint {why}")))?;
        }
        let methods = found.and_then(|found| found.token_endpoint_auth_methods_supported.as_ref());
        let has = |name: &str| methods.is_some_and(|methods| methods.iter().any(|method| method == name));
        Ok(Self {
            name: name.into(),
            authorization,
            token,
            jwks,
            userinfo,
            says_issuer: found.is_some_and(|found| found.authorization_response_iss_parameter_supported),
            // Basic is the default of OpenID Connect; servers of plain OAuth 2 more often know the form only.
            secret_in_form: provider.issuer.is_none() || (has("client_secret_post") && !has("client_secret_basic")),
        })
    }

    /// Keys of its ID tokens.
    pub fn keys(&self) -> Result<Keyset<'_>, Error> {
        match &self.jwks {
            Some(url) => Ok(Keyset::At(url, Reach::Anywhere)),
            None => Err(Error::Provider { name: self.name.clone(), why: "no address of keys".into() }),
        }
    }
}

async fn discover(server: &Server<'_>, issuer: &str) -> Result<Discovered, String> {
    let limits = Limits { bytes: MAX_BYTES, max_age: MAX_AGE, reach: Reach::Anywhere };
    let url = format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer));
    let document = fetched::get(server, &url, limits, 0).await.map_err(|error| format!("discovery: {error}"))?;
    let discovered: Discovered = serde_json::from_str(&document.body).map_err(|error| format!("discovery: {error}"))?;
    if discovered.issuer != issuer {
        return Err("discovery: the issuer in the document is another one".into());
    }
    Ok(discovered)
}
