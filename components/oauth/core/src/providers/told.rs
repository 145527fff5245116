//! What an OpenID provider tells of a person. Many an ID token says little more than who it is; the rest is then told by the
//! userinfo endpoint (OpenID Connect Core sections 5.3 and 5.4).

use super::exchange::{self, Answer};
use super::{Endpoints, claims, id_token};
use crate::Server;
use crate::errors::Error;
use crate::events::Event;
use crate::people::Person;
use serde_json::{Map, Value};
use shared_settings::Provider;

/// The person of a checked ID token, with what only the userinfo endpoint knows.
pub async fn person(
    server: &Server<'_>,
    name: &str,
    provider: &Provider,
    endpoints: &Endpoints,
    issuer: &str,
    nonce: Option<&str>,
    answer: &Answer,
) -> Result<Person, Error> {
    let mut claims = id_token::check(server, name, provider, endpoints, issuer, nonce, answer).await?.0;
    let Some(url) = endpoints.userinfo.as_ref().filter(|_| lacks(provider, &claims).is_some()) else {
        return claims::person(name, provider, &claims);
    };
    match exchange::userinfo(server, name, url, &answer.access_token).await {
        Ok(more) if more.get("sub") != claims.get("sub") => {
            // Section 5.3.2: an answer about somebody else must not be used.
            return Err(Error::Provider { name: name.into(), why: "userinfo: is about somebody else".into() });
        }
        Ok(more) => {
            for (claim, value) in more {
                claims.entry(claim).or_insert(value);
            }
        }
        Err(error) if lacks(provider, &claims) == Some(Lack::Standing) => return Err(error),
        // The pages can do without a name.
        Err(error) => server.audit.record(&Event::Refused { why: &error.to_string(), ours: error.is_ours() }),
    }
    claims::person(name, provider, &claims)
}

/// What the settings ask for and the claims do not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    /// Who somebody is, whether he may come in, or as what.
    Standing,
    /// What the pages call somebody.
    Name,
}

fn lacks(provider: &Provider, claims: &Map<String, Value>) -> Option<Lack> {
    let roles = Some(&provider.claims.roles).filter(|_| !provider.roles.is_empty());
    let mut decisive =
        provider.require.keys().chain(roles).chain(&provider.claims.tenant).chain([&provider.claims.subject]);
    if decisive.any(|claim| !claims.contains_key(claim)) {
        return Some(Lack::Standing);
    }
    (!claims.contains_key(&provider.claims.name)).then_some(Lack::Name)
}
