//! A whole gateway in a value: what `mcp-edge serve` runs, and what tests start in-process.

use crate::compose::{self, ComposeError, Part};
use crate::plugins::config::ConfigValues;
use crate::plugins::keyvalue::Store;
use crate::plugins::keyvalue::memory::MemoryBackend;
use crate::plugins::keyvalue::redb::{OpenError, RedbBackend};
use crate::plugins::outbound::{Outbound, Trust, TrustError};
use crate::runtime::cache::{self, Origin};
use crate::runtime::{Clock, LogSink, Runtime, Services};
use crate::serve::Server;
use crate::settings::{DevLogin, Environment, KeyError, Keys, Settings, SettingsError};
use serde_json::Value;
use shared_settings::StoreSettings;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;

/// The database in the state folder.
const STORE_FILE: &str = "state.redb";

/// Folder in the state folder for compiled code.
const CACHE_FOLDER: &str = "cache";

/// Entry to the library.
///
/// ```no_run
/// # async fn example() -> Result<(), mcp_edge::StartError> {
/// let gateway = mcp_edge::Gateway::builder()
///     .listen("127.0.0.1:0".parse().unwrap())
///     .state("/tmp/state")
///     .components("target/mcp-edge")
///     .settings(serde_json::json!({ "mcpServers": { "demo": { "url": "http://127.0.0.1:8788/mcp" } } }))
///     .dev(true)
///     .start()
///     .await?;
/// println!("{}", gateway.mcp_url());
/// gateway.stop().await;
/// # Ok(()) }
/// ```
pub struct Gateway;

impl Gateway {
    /// A gateway with the defaults of `mcp-edge serve`.
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder {
            listen: SocketAddr::from(([127, 0, 0, 1], 8787)),
            state: PathBuf::from(".mcp-edge"),
            source: Source::None,
            components: Components::Beside,
            dev: false,
            trust: None,
            environment: Environment::process(),
            clock: Clock::default(),
            log: LogSink::discard(),
            events: LogSink::discard(),
        }
    }
}

/// What to serve and how. Every method returns the builder.
pub struct GatewayBuilder {
    listen: SocketAddr,
    state: PathBuf,
    source: Source,
    components: Components,
    dev: bool,
    trust: Option<PathBuf>,
    environment: Environment,
    clock: Clock,
    log: LogSink,
    events: LogSink,
}

enum Source {
    None,
    File(PathBuf),
    Document(Value),
}

enum Components {
    /// `mcp-edge/` beside the folder of this program: `target/mcp-edge` for `target/release/mcp-edge`.
    Beside,
    Folder(PathBuf),
    Parts(Vec<Part>),
}

impl GatewayBuilder {
    /// Address to listen on; port 0 takes any free one. Default `127.0.0.1:8787`.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// State folder; made (0700) if it is missing. Default `.mcp-edge`.
    pub fn state(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state = folder.into();
        self
    }

    /// Settings file. Default: none, which is the empty document.
    pub fn settings_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = Source::File(path.into());
        self
    }

    /// Settings as a value; relative paths in it start at the state folder.
    pub fn settings(mut self, document: Value) -> Self {
        self.source = Source::Document(document);
        self
    }

    /// Folder with `router.wasm`, `oauth.wasm`, `session.wasm`, `connector.wasm`.
    pub fn components(mut self, folder: impl Into<PathBuf>) -> Self {
        self.components = Components::Folder(folder.into());
        self
    }

    /// Components as bytes, in the order of the path of a request; a single one is served as it is.
    pub fn parts(mut self, parts: Vec<Part>) -> Self {
        self.components = Components::Parts(parts);
        self
    }

    /// Make keys, and a login `dev` if the settings name no user; see `mcp-edge serve --help`. Default: no.
    pub fn dev(mut self, dev: bool) -> Self {
        self.dev = dev;
        self
    }

    /// PEM file with certificate authorities that outbound requests trust besides those that Mozilla trusts. Default: none.
    pub fn trust(mut self, path: impl Into<PathBuf>) -> Self {
        self.trust = Some(path.into());
        self
    }

    /// Where `${NAME}`, keys and passwords come from. Default: the process's environment.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// The guests' wall clock. Default: the system's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Where the guests' lines go: one JSON line for each request. Default: nowhere.
    pub fn log(mut self, log: LogSink) -> Self {
        self.log = log;
        self
    }

    /// Where the guests' events go, and the text of a panic: lines on standard error. Default: nowhere.
    pub fn events(mut self, events: LogSink) -> Self {
        self.events = events;
        self
    }

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
        let public_url = public_url(&settings, address)?;
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

    /// What [`Self::start`] would give the components, with all its checks of settings and keys; nothing is served, and no
    /// component is read. For hosts that are not this one. The port must be known: 0 stands for itself.
    pub fn values(&self) -> Result<Values, StartError> {
        let Prepared { settings, keys, login } = self.prepare()?;
        let public_url = public_url(&settings, self.listen)?;
        Ok(Values {
            config: settings.config_values(&public_url, login.as_ref(), &keys),
            public_url,
            upstreams: settings.upstreams().map(String::from).collect(),
            dev_login: login.is_some(),
        })
    }

    /// Settings, key and login, all checked.
    fn prepare(&self) -> Result<Prepared, StartError> {
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

/// What is known before anything is opened.
struct Prepared {
    settings: Settings,
    keys: Keys,
    login: Option<DevLogin>,
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

/// The settings' own, else that of the address, which others must not be able to reach.
fn public_url(settings: &Settings, address: SocketAddr) -> Result<String, StartError> {
    match &settings.parsed.public_url {
        Some(url) => Ok(url.as_str().to_owned()),
        None if address.ip().is_loopback() => Ok(format!("http://{address}")),
        None => Err(StartError::NoPublicUrl(address)),
    }
}

/// `target/mcp-edge` for `target/release/mcp-edge`.
pub fn beside_this_program() -> Result<PathBuf, StartError> {
    let program = std::env::current_exe().map_err(StartError::Program)?;
    let folder = program.ancestors().nth(2).unwrap_or(Path::new("."));
    Ok(folder.join("mcp-edge"))
}

fn make_folder(folder: &Path) -> Result<(), StartError> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| StartError::State(folder.to_owned(), error))
}

/// A gateway at work. Dropping it without [`Running::stop`] leaves it serving until the process ends.
pub struct Running {
    server: Server,
    address: SocketAddr,
    public_url: String,
    state: PathBuf,
    upstreams: Vec<String>,
    login: Option<DevLogin>,
    origin: Origin,
}

impl Running {
    /// The address it listens on, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that clients know it by, without a slash at the end: the issuer.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// What a client is given to connect to.
    pub fn mcp_url(&self) -> String {
        format!("{}/mcp", self.public_url)
    }

    /// The state folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Names of the upstreams.
    pub fn upstreams(&self) -> &[String] {
        &self.upstreams
    }

    /// The login that `dev` made, if the settings name nobody.
    pub fn dev_login(&self) -> Option<&DevLogin> {
        self.login.as_ref()
    }

    /// Whether the components had to be compiled.
    pub fn compiled(&self) -> Origin {
        self.origin
    }

    /// Stop accepting, finish open requests (for [`crate::serve::limits::GRACE`] at most), end streams, close the store.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// Why a gateway does not start. The texts are for the operator: one line each (one for each problem of the settings),
/// with the fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Nobody could log in.
    #[error(
        "settings: identity: nobody could log in: add \"identity\": {{ \"type\": \"local\", \"users\": [{{ \"name\": \"…\", \"passwordHash\": \"…\" }}] }} (`mcp-edge hash-password` makes the hash), or try the gateway with --dev"
    )]
    NoIdentity,
    /// The dev login is for one's own machine.
    #[error(
        "the login of --dev is for this machine only: listen on 127.0.0.1 instead of {0}, or add an identity to the settings"
    )]
    DevLoginInPublic(SocketAddr),
    /// Nothing to derive the public URL from.
    #[error(
        "settings: publicUrl: is needed to listen on {0}: write the address that clients use, as in \"https://mcp.example.com\""
    )]
    NoPublicUrl(SocketAddr),
    /// The port is taken, or not ours to take.
    #[error("{}", listen_text(.0, .1))]
    Listen(SocketAddr, #[source] io::Error),
    /// The state folder cannot be made.
    #[error("the folder {0} cannot be made: {1}: check the path given to --state")]
    State(PathBuf, #[source] io::Error),
    /// A key is missing or bad.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A component is missing or does not fit.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// This program does not know where it is.
    #[error("this program's own path is unknown: give --components FOLDER")]
    Program(#[source] io::Error),
    /// The file with further certificate authorities is no good.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// TLS for outbound requests cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The component cannot be compiled or linked.
    #[error("the components cannot be loaded: build them and the host from one checkout with `cargo xtask build`")]
    Engine(#[source] wasmtime::Error),
}

fn listen_text(address: &SocketAddr, error: &io::Error) -> String {
    let fix = match error.kind() {
        io::ErrorKind::AddrInUse => "is taken: stop what listens there, or choose another port with --listen",
        io::ErrorKind::PermissionDenied => "is not allowed: choose a port above 1023 with --listen",
        io::ErrorKind::AddrNotAvailable => "is not an address of this machine: choose another with --listen",
        _ => return format!("cannot listen on {address}: {error}: choose another address with --listen"),
    };
    format!("{address} {fix}")
}
