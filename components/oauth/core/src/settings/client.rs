//! Clients of the settings.

use super::SetupError;
use crate::records::{AuthMethod, Client, Origin};
use crate::redirect;
use crate::secret::SecretHash;
use shared_settings::{ClientSettings, GrantType};

/// Shortest secret of a client in the settings, in bytes. Whoever has the client's id can try secrets.
const MIN_SECRET: usize = 16;

/// A client of the settings.
pub fn configured(id: &str, settings: &ClientSettings) -> Result<Client, SetupError> {
    let client_error = |why: String| SetupError::Client { id: id.into(), why };
    for uri in &settings.redirect_uris {
        redirect::classify(uri).map_err(|why| client_error(format!("redirect URI `{uri}` {why}")))?;
    }
    let auth = match (&settings.secret, settings.jwks.is_some() || settings.jwks_uri.is_some()) {
        (Some(secret), _) if secret.len() < MIN_SECRET => {
            return Err(client_error(format!("secret has fewer than {MIN_SECRET} bytes")));
        }
        (Some(_), _) => AuthMethod::Basic,
        (None, true) => AuthMethod::Key,
        (None, false) => AuthMethod::None,
    };
    let grant_types = settings.grant_types.0.clone();
    Ok(Client {
        id: id.into(),
        name: settings.name.clone(),
        redirect_uris: settings.redirect_uris.clone(),
        auth,
        secret_hash: settings.secret.as_deref().map(SecretHash::of),
        refresh: grant_types.contains(&GrantType::RefreshToken),
        created_at: 0,
        expires_at: u64::MAX,
        jwks: settings.jwks.clone(),
        jwks_uri: settings.jwks_uri.clone(),
        management_hash: None,
        origin: Origin::Settings,
        grant_types,
    })
}
