//! Grant types without a browser: a client for itself (RFC 6749 section 4.4), an assertion of an identity provider about
//! a person (RFC 7523, ID-JAG), and a token with fewer scopes for one with more (RFC 8693).

use crate::assertion;
use crate::credential::{Credential, Kind};
use crate::errors::Error;
use crate::form::Form;
use crate::grants::{self, Issued};
use crate::jwt::{Jwt, JwtError};
use crate::keyset::{self, KeysetError};
use crate::people::Person;
use crate::providers;
use crate::records::{Client, Props};
use crate::validate::{self, TokenError};
use crate::{Server, scopes, users};
use shared_settings::GrantType;

/// Type of access tokens (RFC 8693 section 3).
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// `typ` of an identity assertion (draft-ietf-oauth-identity-assertion-authz-grant section 3).
const ID_JAG: &str = "oauth-id-jag+jwt";

/// Longest time before its end that an assertion may be made, in seconds.
const LONGEST: u64 = assertion::LONGEST;

/// A client for itself.
pub fn client_credentials(server: &Server, client: &Client, form: &Form) -> Result<Issued, Error> {
    if !client.may(GrantType::ClientCredentials) || !client.is_confidential() {
        return Err(Error::GrantTypeOfClient);
    }
    let subject = format!("client:{}", client.id);
    let props = Props { subject, authenticated_at: server.now, roles: Vec::new(), tenant: None };
    grants::issue(server, client, props, asked(server, form)?, "client_credentials")
}

/// What an identity provider says about a person to a client that has proven itself.
pub async fn assertion(server: &Server<'_>, client: &Client, form: &Form) -> Result<Issued, Error> {
    if !client.may(GrantType::JwtBearer) || !client.is_confidential() {
        return Err(Error::GrantTypeOfClient);
    }
    let jwt = Jwt::parse(form.one("assertion")?.ok_or(Error::Missing("assertion"))?).map_err(Error::Grant)?;
    if !jwt.is_type(ID_JAG) {
        return Err(Error::Grant(JwtError::Claim("typ")));
    }
    let issuer = jwt.unchecked("iss").unwrap_or_default();
    let known =
        |provider: &shared_settings::Provider| provider.assertions && provider.issuer.as_deref() == Some(issuer);
    let (name, provider) = server
        .settings
        .providers
        .iter()
        .find(|(_, provider)| known(provider))
        .ok_or(Error::Grant(JwtError::Claim("iss")))?;
    let endpoints = providers::Endpoints::of(server, name, provider).await?;
    let claims = match keyset::verify(server, endpoints.keys()?, &jwt).await {
        Err(KeysetError::Jwt(error)) => return Err(Error::Grant(error)),
        Err(error) => return Err(Error::Provider { name: name.clone(), why: error.to_string() }),
        Ok(claims) => claims,
    };
    let resource = claims.text("resource").is_none_or(|resource| server.settings.is_resource(resource));
    claims
        .require_audience(&[server.settings.public_url.as_str()])
        .and_then(|()| claims.require("client_id", &client.id))
        .and(if resource { Ok(()) } else { Err(JwtError::Claim("resource")) })
        .and_then(|()| claims.require_times(server.now, LONGEST))
        .map_err(Error::Grant)?;
    match assertion::use_up(server, &claims, "identity assertion", issuer) {
        Err(Error::Assertion(error)) => return Err(Error::Grant(error)),
        result => result?,
    }
    let person = providers::person(name, provider, &claims.0)?;
    users::note(server, &person, &users::hash(server, &person.subject)?)?;
    // The provider may allow less than the client asks for.
    let mut granted = asked(server, form)?;
    if let Some(allowed) = claims.text("scope") {
        let allowed = scopes::parse(&server.settings.scopes, Some(allowed));
        granted.retain(|scope| scopes::within(&server.settings.scopes, std::slice::from_ref(scope), &allowed));
    }
    if granted.is_empty() {
        return Err(Error::Scope);
    }
    let Person { subject, roles, tenant, .. } = person;
    let props = Props { subject, authenticated_at: server.now, roles, tenant };
    grants::issue(server, client, props, granted, "assertion")
}

/// A token with fewer scopes for the same user, client and resource. It ends no later than the one it comes from, and
/// with the same grant.
pub fn exchange(server: &Server, client: &Client, form: &Form) -> Result<Issued, Error> {
    let own = server.settings.oauth.token_exchange;
    // A client of the settings that may do it does it for everybody's tokens: it is the operator's.
    let others = client.may(GrantType::TokenExchange) && client.is_confidential();
    if !own && !others {
        return Err(Error::GrantTypeOfClient);
    }
    let is_access_token = |name| Ok::<_, Error>(form.one(name)?.is_none_or(|kind| kind == ACCESS_TOKEN));
    let text = form.one("subject_token")?.ok_or(Error::Missing("subject_token"))?;
    form.one("subject_token_type")?.ok_or(Error::Missing("subject_token_type"))?;
    if !is_access_token("subject_token_type")? || !is_access_token("requested_token_type")? {
        return Err(Error::TokenType);
    }
    if form.one("actor_token")?.is_some() {
        return Err(Error::Actor);
    }
    if !form.all("audience").all(|audience| server.settings.is_resource(audience)) {
        return Err(Error::Resource);
    }
    let subject = validate::inspect(server, text, &server.settings.resource).map_err(|error| match error {
        TokenError::Unavailable(error) => Error::Store(error),
        _ => Error::Unknown,
    })?;
    if subject.principal.client_id != client.id && !others {
        return Err(Error::OtherClient);
    }
    let scopes = match form.one("scope")? {
        None => subject.principal.scopes.clone(),
        Some(_) => asked(server, form)?,
    };
    if !scopes::within(&server.settings.scopes, &scopes, &subject.principal.scopes) {
        return Err(Error::ScopeExceeded);
    }
    let access = Credential::mint(&server.settings.keys, Kind::Access, subject.grant, &server.random());
    let longest = server.now + u64::from(server.settings.oauth.access_token_seconds);
    let expires_at = subject.principal.expires_at.min(longest);
    grants::store_exchanged(server, &access, &subject.key, scopes.clone(), expires_at, subject.said)?;
    Ok(Issued { access, expires_in: expires_at.saturating_sub(server.now), scopes, refresh: None })
}

fn asked(server: &Server, form: &Form) -> Result<Vec<String>, Error> {
    let scopes = scopes::parse(&server.settings.scopes, form.one("scope")?);
    if scopes.is_empty() { Err(Error::Scope) } else { Ok(scopes) }
}
