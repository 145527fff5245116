//! A server in memory, a browser and a client.

mod browser;
pub mod provider;
mod stores;
mod world;

pub use browser::{Browser, encode_fields, form_request, hidden, html, location_parameter, request, text};
pub use stores::Interrupted;
pub use world::{World, json_answer, now};

use crate::events::{Audit, Event};
use crate::http::{Request, Response};
use crate::settings::Settings;
use crate::validate::{Principal, TokenError, validate};
use crate::{Server, handle};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde_json::{Value, json};
use shared_ports::Store;
use shared_ports::memory::{MemoryConfig, MemoryRandom, MemoryStore};
use shared_settings::Secrets;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

pub const TOKEN_KEY: &str = "a token key of more than 32 bytes";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const REDIRECT: &str = "https://client.example/cb";
/// What `${SECRET}` in settings stands for.
pub const CLIENT_SECRET: &str = "a secret of a client";
pub const ISSUER: &str = "http://127.0.0.1:8787";

/// All keys out of one secret.
pub fn secrets(secret: &str) -> Secrets {
    let key = || String::from(secret);
    Secrets {
        token_key: key(),
        token_key_previous: None,
        cookie_key: key(),
        cookie_key_previous: None,
        user_key: key(),
    }
}

/// A hash that costs as little as possible.
pub fn password_hash(password: &str) -> String {
    let mut hash = [0; 16];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, Some(16)).unwrap())
        .hash_password_into(password.as_bytes(), b"saltsalt", &mut hash)
        .unwrap();
    let encode = |bytes: &[u8]| BASE64_STANDARD_NO_PAD.encode(bytes);
    format!("$argon2id$v=19$m=8,t=1,p=1${}${}", encode(b"saltsalt"), encode(&hash))
}

/// Settings with the users `dev` (password `secret`, role `admin`) and `eve` (password `eve`).
pub fn document(public_url: &str) -> String {
    json!({
        "publicUrl": public_url,
        "identity": { "type": "local", "users": [
            { "name": "dev", "passwordHash": password_hash("secret"), "roles": ["ops", "admin", "ops"], "tenant": "t1" },
            { "name": "eve", "passwordHash": password_hash("eve") },
        ] },
    })
    .to_string()
}

/// Events as JSON, in order.
#[derive(Default)]
pub struct Recorder(pub RefCell<Vec<Value>>);

impl Audit for Recorder {
    fn record(&self, event: &Event<'_>) {
        self.0.borrow_mut().push(event.to_json());
    }
}

pub struct Bench {
    pub settings: Settings,
    pub world: World,
    pub store: MemoryStore,
    pub random: MemoryRandom,
    pub audit: Recorder,
    pub now: Cell<u64>,
}

/// A registered client.
#[derive(Clone)]
pub struct TestClient {
    pub id: String,
    pub secret: Option<String>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with_public_url(ISSUER)
    }

    pub fn with_public_url(public_url: &str) -> Self {
        Self::with_document(&document(public_url))
    }

    /// With this section `oauth` in the settings.
    pub fn with_oauth(oauth: Value) -> Self {
        let mut settings: Value = serde_json::from_str(&document(ISSUER)).unwrap();
        settings["oauth"] = oauth;
        Self::with_document(&settings.to_string())
    }

    pub fn with_document(document: &str) -> Self {
        let bench = Self {
            settings: settings(document),
            world: World::default(),
            store: MemoryStore::default(),
            random: MemoryRandom::default(),
            audit: Recorder::default(),
            now: Cell::new(1_800_000_000),
        };
        bench.random_bytes();
        bench
    }

    fn random_bytes(&self) {
        let mut skipped = [0; 8];
        shared_ports::Random::fill(&self.random, &mut skipped);
    }

    pub fn server(&self) -> Server<'_> {
        self.server_on(&self.store)
    }

    pub fn server_on<'a>(&'a self, store: &'a dyn Store) -> Server<'a> {
        Server {
            settings: &self.settings,
            store,
            random: &self.random,
            audit: &self.audit,
            outside: &self.world,
            now: self.now.get(),
            address: "",
        }
    }

    pub fn advance(&self, seconds: u64) {
        self.now.set(self.now.get() + seconds);
    }

    pub fn send(&self, request: &Request) -> Response {
        now(handle(&self.server(), request))
    }

    pub fn get(&self, target: &str) -> Response {
        self.send(&request("GET", target, &[], b""))
    }

    pub fn post(&self, target: &str, fields: &[(&str, &str)]) -> Response {
        self.send(&form_request(target, fields, &[]))
    }

    /// Post a form that has to be answered with JSON.
    pub fn post_json_answer(&self, target: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let response = self.post(target, fields);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        (response.status, serde_json::from_slice(&response.body).unwrap_or(Value::Null))
    }

    pub fn register(&self, metadata: &Value) -> (u16, Value) {
        let headers = [("content-type", "application/json")];
        let response = self.send(&request("POST", "/oauth/register", &headers, metadata.to_string().as_bytes()));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        (response.status, serde_json::from_slice(&response.body).unwrap())
    }

    pub fn client_with(&self, metadata: &Value) -> TestClient {
        let (status, answer) = self.register(metadata);
        assert_eq!(status, 201, "{answer}");
        TestClient {
            id: answer["client_id"].as_str().unwrap().into(),
            secret: answer["client_secret"].as_str().map(String::from),
        }
    }

    /// A public client with the redirect URI [`REDIRECT`].
    pub fn client(&self) -> TestClient {
        self.client_with(&json!({
            "redirect_uris": [REDIRECT], "client_name": "Test client", "token_endpoint_auth_method": "none",
        }))
    }

    /// The query of an authorization request as a well-behaved client sends it, with changes: an empty value leaves a
    /// parameter out.
    pub fn query(client: &TestClient, changes: &[(&str, &str)]) -> String {
        let mut parameters = BTreeMap::from([
            ("client_id", client.id.as_str()),
            ("redirect_uri", REDIRECT),
            ("response_type", "code"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "st"),
            ("scope", "mcp"),
            ("resource", "http://127.0.0.1:8787/mcp"),
        ]);
        parameters.extend(changes.iter().copied());
        encode_fields(&parameters.into_iter().filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>())
    }

    /// A browser with `dev` logged in.
    pub fn dev(&self) -> Browser<'_> {
        let browser = Browser::new(self);
        browser.log_in(&self.client(), "dev", "secret");
        browser
    }

    /// A code for `dev` and this client.
    pub fn code(&self, client: &TestClient) -> String {
        self.dev().approve(&Self::query(client, &[]))
    }

    /// Redeem a code as a well-behaved client does.
    pub fn redeem(&self, client: &TestClient, code: &str) -> (u16, Value) {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", REDIRECT),
            ("client_id", client.id.as_str()),
        ];
        fields.extend(client.secret.as_deref().map(|secret| ("client_secret", secret)));
        self.post_json_answer("/oauth/token", &fields)
    }

    /// Tokens for `dev` and this client.
    pub fn tokens(&self, client: &TestClient) -> Value {
        let (status, tokens) = self.redeem(client, &self.code(client));
        assert_eq!(status, 200, "{tokens}");
        tokens
    }

    pub fn refresh(&self, client: &TestClient, token: &str) -> (u16, Value) {
        self.post_json_answer("/oauth/token", &Self::refresh_fields(client, token))
    }

    pub fn refresh_fields<'a>(client: &'a TestClient, token: &'a str) -> [(&'a str, &'a str); 3] {
        [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", client.id.as_str())]
    }

    pub fn validate(&self, tokens: &Value) -> Result<Principal, TokenError> {
        validate(&self.server(), text(tokens, "access_token"), &self.settings.resource)
    }

    /// Names of the events so far.
    pub fn events(&self) -> Vec<String> {
        self.audit.0.borrow().iter().map(|event| event["event"].as_str().unwrap().into()).collect()
    }

    pub fn keys(&self) -> Vec<String> {
        self.store.entries.borrow().keys().cloned().collect()
    }
}

pub fn settings(document: &str) -> Settings {
    let values = [
        ("settings", document),
        ("token_key", TOKEN_KEY),
        ("client_address_header", "X-Address"),
        ("secret", CLIENT_SECRET),
    ];
    Settings::read(&values.into_iter().collect::<MemoryConfig>()).unwrap()
}
