//! Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document, MCP Client Registration): a client's id is
//! the https address of a document about it.

use crate::Server;
use crate::client_metadata::{Checked, Metadata};
use crate::errors::Error;
use crate::fetched::{self, DocumentError, Limits};
use crate::outbound::Reach;
use crate::records::{AuthMethod, Client, Origin};
use crate::redirect::{self, Target};
use crate::{throttle, uri};
use shared_ports::StoreError;
use shared_settings::is_public_host;

/// Most bytes of a document.
const MAX_BYTES: usize = 5 * 1024;

/// Longest time that a document is kept, in seconds.
const MAX_AGE: u64 = 7 * 24 * 3600;

/// Most documents and sets of keys that requests of one address have fetched in five minutes: enough for a school behind one address,
/// and no way to have this server bother others.
const MAX_FETCHES: i64 = 60;

/// Why a client's document does not count. The text goes to the developer of the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientDocumentError {
    /// The operator has switched it off.
    #[error("documents are not taken here")]
    Disabled,
    /// The address itself.
    #[error("the address {0}")]
    Address(&'static str),
    /// Too many.
    #[error("too many documents were fetched from here")]
    Throttled,
    /// It could not be fetched.
    #[error("it could not be fetched: {0}")]
    Fetch(DocumentError),
    /// `client_id` in it is not its address.
    #[error("client_id in it is not the address it is at")]
    Id,
    /// A part of it.
    #[error("{0}")]
    Metadata(String),
}

/// Whether a client id is the address of a document.
pub fn is_address(id: &str) -> bool {
    id.starts_with("https://")
}

/// The client that an address stands for.
pub async fn client(server: &Server<'_>, url: &str) -> Result<Client, Error> {
    let settings = &server.settings.oauth.client_documents;
    if !settings.enabled {
        return Err(ClientDocumentError::Disabled.into());
    }
    let reach = reach(server);
    check_address(url, reach).map_err(ClientDocumentError::Address)?;
    let limits = Limits { bytes: MAX_BYTES, max_age: MAX_AGE, reach };
    if !fetched::is_kept(server, url)? && !may_fetch(server)? {
        return Err(ClientDocumentError::Throttled.into());
    }
    let document = match fetched::get(server, url, limits, 0).await {
        Err(DocumentError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(ClientDocumentError::Fetch(error).into()),
        Ok(document) => document,
    };
    let checked = read(url, &document.body)?;
    if let Some(uri) = &checked.jwks_uri {
        check_address(uri, reach).map_err(|why| ClientDocumentError::Metadata(format!("jwks_uri {why}")))?;
    }
    Ok(Client {
        id: url.into(),
        name: checked.name,
        redirect_uris: checked.redirect_uris,
        auth: checked.auth.unwrap_or(AuthMethod::None),
        secret_hash: None,
        refresh: checked.refresh,
        created_at: document.at,
        expires_at: u64::MAX,
        jwks: checked.jwks,
        jwks_uri: checked.jwks_uri,
        management_hash: None,
        origin: Origin::Document,
        grant_types: Vec::new(),
    })
}

/// Count a fetch from an address that a client has chosen. Whether it may be made.
pub fn may_fetch(server: &Server) -> Result<bool, StoreError> {
    Ok(throttle::count(server, "fetch", server.address, MAX_FETCHES)?.is_none())
}

/// Where documents of clients, and keys they name, may come from.
pub fn reach(server: &Server) -> Reach {
    match server.settings.oauth.client_documents.allow_loopback_for_development {
        true => Reach::PublicOrLoopback,
        false => Reach::Public,
    }
}

/// Check an address that somebody else has chosen. The error is the end of a sentence.
pub fn check_address(url: &str, reach: Reach) -> Result<(), &'static str> {
    let Ok(Target::Web(authority)) = redirect::classify(url) else {
        return Err("is not an https URL without user name and fragment");
    };
    let host = uri::host(authority);
    let allowed = is_public_host(host) || (reach == Reach::PublicOrLoopback && uri::is_loopback(host));
    if !allowed {
        return Err("is not on the public internet");
    }
    let path = url.strip_prefix("https://").and_then(|rest| rest.strip_prefix(authority)).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    if path.len() < 2 {
        return Err("has no path");
    }
    let dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split('/').any(dots) {
        return Err("has dot segments in its path");
    }
    Ok(())
}

/// Read a document.
pub fn read(url: &str, body: &str) -> Result<Checked, ClientDocumentError> {
    let inside = |error: Error| ClientDocumentError::Metadata(crate::errors::wire(&error).text);
    let metadata = Metadata::parse(body.as_bytes()).map_err(inside)?;
    if metadata.client_id.as_deref() != Some(url) {
        return Err(ClientDocumentError::Id);
    }
    if metadata.client_secret.is_some() {
        return Err(ClientDocumentError::Metadata("client_secret must not be in a public document".into()));
    }
    let checked = metadata.check().map_err(inside)?;
    if checked.name.trim().is_empty() {
        return Err(ClientDocumentError::Metadata("client_name is missing".into()));
    }
    if matches!(checked.auth, Some(AuthMethod::Basic | AuthMethod::Post)) {
        return Err(ClientDocumentError::Metadata(
            "token_endpoint_auth_method has to be none or private_key_jwt".into(),
        ));
    }
    Ok(checked)
}
