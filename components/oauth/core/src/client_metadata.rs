//! What a client says about itself (RFC 7591 section 2), when it registers or in its document.
//!
//! What is kept of it is what this server acts on: name, redirect URIs, authentication, grant types. Logos and links are
//! not kept: nobody has checked them, and showing them would lend them our word.

use crate::errors::Error;
use crate::records::AuthMethod;
use crate::redirect::{self, Target};
use serde::Deserialize;
use serde_json::Value;

/// Most redirect URIs of one client. Known clients register up to 5.
const MAX_REDIRECT_URIS: usize = 16;

/// Longest name, in characters: what a line of the consent page holds.
const MAX_NAME: usize = 100;

/// Longest set of keys of a client, in bytes of JSON. A key of 4096 bits has 700.
const MAX_JWKS: usize = 8 * 1024;

/// As it comes, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// In documents: their own address. In requests of RFC 7592: the client.
    pub client_id: Option<String>,
    redirect_uris: Option<Vec<String>>,
    client_name: Option<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    /// A secret that everybody can read is none.
    pub client_secret: Option<Value>,
}

/// What has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// May be empty.
    pub name: String,
    /// At least one.
    pub redirect_uris: Vec<String>,
    /// `None` if it did not say.
    pub auth: Option<AuthMethod>,
    /// Whether it wants refresh tokens.
    pub refresh: bool,
    /// Its public keys.
    pub jwks: Option<Value>,
    /// Their address.
    pub jwks_uri: Option<String>,
}

impl Metadata {
    /// Read JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes)
            .map_err(|_| Error::Metadata { field: "The body", why: "is not a JSON object of client metadata" })
    }

    /// Check everything that does not depend on where it came from.
    pub fn check(self) -> Result<Checked, Error> {
        let redirect_uris = self.redirect_uris.unwrap_or_default();
        if redirect_uris.is_empty() || redirect_uris.len() > MAX_REDIRECT_URIS {
            return Err(Error::Metadata { field: "redirect_uris", why: "has to have 1 to 16 entries" });
        }
        for uri in &redirect_uris {
            redirect::classify(uri).map_err(Error::RedirectUri)?;
        }
        let name = self.client_name.unwrap_or_default();
        check_name(&name)?;
        let auth = match self.token_endpoint_auth_method.as_deref() {
            None => None,
            Some("none") => Some(AuthMethod::None),
            Some("client_secret_basic") => Some(AuthMethod::Basic),
            Some("client_secret_post") => Some(AuthMethod::Post),
            Some("private_key_jwt") => Some(AuthMethod::Key),
            Some(_) => {
                return Err(Error::Metadata {
                    field: "token_endpoint_auth_method",
                    why: "has to be none, client_secret_basic, client_secret_post or private_key_jwt",
                });
            }
        };
        check_keys(self.jwks.as_ref(), self.jwks_uri.as_deref(), auth)?;
        let asks = |list: &Option<Vec<String>>, name: &str| {
            list.as_ref().is_none_or(|list| list.iter().any(|entry| entry == name))
        };
        if !asks(&self.response_types, "code") {
            return Err(Error::Metadata { field: "response_types", why: "has to have code in it" });
        }
        if !asks(&self.grant_types, "authorization_code") {
            return Err(Error::Metadata { field: "grant_types", why: "has to have authorization_code in it" });
        }
        // Left out means both: a client that never thought of refresh tokens would send its user to the login every hour.
        let refresh = asks(&self.grant_types, "refresh_token");
        Ok(Checked { name, redirect_uris, auth, refresh, jwks: self.jwks, jwks_uri: self.jwks_uri })
    }
}

fn check_keys(jwks: Option<&Value>, jwks_uri: Option<&str>, auth: Option<AuthMethod>) -> Result<(), Error> {
    if let Some(jwks) = jwks
        && (!jwks.get("keys").is_some_and(Value::is_array) || jwks.to_string().len() > MAX_JWKS)
    {
        return Err(Error::Metadata { field: "jwks", why: "is not a set of public keys of at most 8 KiB" });
    }
    if jwks_uri.is_some_and(|uri| !matches!(redirect::classify(uri), Ok(Target::Web(_)))) {
        return Err(Error::Metadata { field: "jwks_uri", why: "is not an https URL" });
    }
    match (auth, jwks, jwks_uri) {
        (_, Some(_), Some(_)) => Err(Error::Metadata { field: "jwks", why: "must not be there beside jwks_uri" }),
        (Some(AuthMethod::Key), None, None) => {
            Err(Error::Metadata { field: "jwks", why: "or jwks_uri is needed for private_key_jwt" })
        }
        _ => Ok(()),
    }
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
