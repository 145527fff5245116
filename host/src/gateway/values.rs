//! What the components are given, checked before anything is opened.

use super::builder::Source;
use super::{GatewayBuilder, StartError};
use crate::plugins::config::ConfigValues;
use crate::settings::{DevLogin, Keys, Settings};
use serde_json::Value;
use shared_settings::PublicUrl;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

impl GatewayBuilder {
    /// What [`Self::start`] would give the components, with all its checks of settings and keys; nothing is served, and no
    /// component is read. For hosts that are not this one. The port must be known: 0 stands for itself.
    pub fn values(&self) -> Result<Values, StartError> {
        let Prepared { settings, keys, login } = self.prepare()?;
        let public_url = self.url_of(&settings, self.listen)?;
        Ok(Values {
            config: settings.config_values(&public_url, login.as_ref(), &keys),
            public_url,
            upstreams: settings.upstreams().map(String::from).collect(),
            dev_login: login.is_some(),
        })
    }

    /// The settings' own, else the given one, else that of the address, which others must not be able to reach.
    pub(super) fn url_of(&self, settings: &Settings, address: SocketAddr) -> Result<String, StartError> {
        match (&settings.parsed.public_url, &self.public_url) {
            (Some(url), _) => Ok(url.as_str().to_owned()),
            (None, Some(url)) => match PublicUrl::parse(url) {
                Ok(url) => Ok(url.as_str().to_owned()),
                Err(why) => Err(StartError::PublicUrl(url.clone(), why)),
            },
            (None, None) if address.ip().is_loopback() => Ok(format!("http://{address}")),
            (None, None) => Err(StartError::NoPublicUrl(address)),
        }
    }

    /// Settings, key and login, all checked.
    pub(super) fn prepare(&self) -> Result<Prepared, StartError> {
        let settings = self.read_settings()?;
        if !settings.has_identity() && !self.dev {
            return Err(StartError::NoIdentity);
        }
        let dev_login = self.dev && !settings.has_users();
        if dev_login && !self.listen.ip().is_loopback() {
            return Err(StartError::DevLoginInPublic(self.listen));
        }
        make_folder(&self.state)?;
        let keys = Keys::load_or_make(&self.environment, &self.state, self.dev)?;
        let login = dev_login.then(|| DevLogin::load_or_make(&self.environment, &self.state)).transpose()?;
        Ok(Prepared { settings, keys, login })
    }

    fn read_settings(&self) -> Result<Settings, StartError> {
        Ok(match &self.source {
            Source::File(path) => Settings::read(path, &self.environment)?,
            Source::Document(document) => Settings::check(document.clone(), self.state.clone(), &self.environment)?,
            Source::None => Settings::check(Value::Object(Default::default()), self.state.clone(), &self.environment)?,
        })
    }
}

/// What is known before anything is opened.
pub(super) struct Prepared {
    pub settings: Settings,
    pub keys: Keys,
    pub login: Option<DevLogin>,
}

/// What the components are given, and what the operator is told.
#[derive(Debug)]
pub struct Values {
    /// The values of `wasi:config`, secrets included.
    pub config: ConfigValues,
    /// The address that clients know the gateway by, without a slash at the end: the issuer.
    pub public_url: String,
    /// Names of the upstreams.
    pub upstreams: Vec<String>,
    /// Whether `dev` made the login, because the settings name nobody.
    pub dev_login: bool,
}

/// Make a folder that only its owner may look into, if it is not there.
pub(super) fn make_folder(folder: &Path) -> Result<(), StartError> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| StartError::State(folder.to_owned(), error))
}
