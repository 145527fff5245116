//! From what was said to a gateway that serves.

use super::builder::Components;
use super::values::{Prepared, make_folder};
use super::{GatewayBuilder, Running, StartError};
use crate::compose::{self, Part};
use crate::plugins::keyvalue::Store;
use crate::plugins::keyvalue::memory::MemoryBackend;
use crate::plugins::keyvalue::redb::RedbBackend;
use crate::plugins::outbound::{Outbound, Trust};
use crate::runtime::cache;
use crate::runtime::{Runtime, Services};
use crate::serve::Server;
use crate::settings::Settings;
use shared_settings::StoreSettings;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;

/// The database in the state folder.
const STORE_FILE: &str = "state.redb";

/// Folder in the state folder for compiled code.
const CACHE_FOLDER: &str = "cache";

impl GatewayBuilder {
    /// Check everything, open everything, and serve.
    pub async fn start(self) -> Result<Running, StartError> {
        let Prepared { settings, keys, login } = self.prepare()?;
        let parts = self.read_parts()?;
        let trust = match &self.trust {
            Some(path) => Trust::default().and_file(path)?,
            None => Trust::default(),
        };

        // Before the seconds that compiling may take, so that a taken port is known at once.
        let listener = TcpListener::bind(self.listen).await.map_err(|error| StartError::Listen(self.listen, error))?;
        let address = listener.local_addr().map_err(|error| StartError::Listen(self.listen, error))?;
        let public_url = self.url_of(&settings, address)?;
        let store = self.open_store(&settings)?;
        let config = settings.config_values(&public_url, login.as_ref(), &keys);

        let state = self.state.clone();
        let (runtime, component, origin) = tokio::task::spawn_blocking(move || {
            let wasm = match parts.as_slice() {
                [only] => only.bytes.clone(),
                several => compose::compose(several)?,
            };
            let runtime = Runtime::new().map_err(StartError::Engine)?;
            let (component, origin) =
                cache::load_or_compile(&runtime, &wasm, &state.join(CACHE_FOLDER)).map_err(StartError::Engine)?;
            Ok::<_, StartError>((runtime, component, origin))
        })
        .await
        .map_err(|error| StartError::Engine(error.into()))??;

        let services = Services {
            store,
            config: Arc::new(config),
            outbound: Arc::new(Outbound::new(&trust).map_err(StartError::Tls)?),
            clock: self.clock,
            log: self.log,
            events: self.events,
        };
        let server = Server::start(listener, runtime, services, &component).map_err(StartError::Engine)?;
        Ok(Running {
            server,
            address,
            public_url,
            state: self.state,
            upstreams: settings.upstreams().map(String::from).collect(),
            login,
            origin,
        })
    }

    fn read_parts(&self) -> Result<Vec<Part>, StartError> {
        Ok(match &self.components {
            Components::Beside => compose::read_parts(&beside_this_program()?)?,
            Components::Folder(folder) => compose::read_parts(folder)?,
            Components::Parts(parts) => parts.clone(),
        })
    }

    fn open_store(&self, settings: &Settings) -> Result<Store, StartError> {
        let path = match settings.store() {
            Some(StoreSettings::Memory {}) => return Ok(Store::new(MemoryBackend::default())),
            Some(StoreSettings::Redb { path }) => {
                let path = PathBuf::from(path);
                if let Some(folder) = path.parent() {
                    make_folder(folder)?;
                }
                path
            }
            None => self.state.join(STORE_FILE),
        };
        Ok(Store::new(RedbBackend::open(&path)?))
    }
}

/// `target/mcp-edge` for `target/release/mcp-edge`.
pub fn beside_this_program() -> Result<PathBuf, StartError> {
    let program = std::env::current_exe().map_err(StartError::Program)?;
    let folder = program.ancestors().nth(2).unwrap_or(Path::new("."));
    Ok(folder.join("mcp-edge"))
}
