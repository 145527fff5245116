//! A server in memory, a browser and a client.

use crate::events::{Audit, Event};
use crate::form::encode;
use crate::http::{Body, Request, Response};
use crate::settings::Settings;
use crate::validate::{Principal, TokenError, validate};
use crate::{Fetch, FetchError, Fetched, Outside, Server, form, handle};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};
use shared_ports::memory::{MemoryConfig, MemoryRandom, MemoryStore};
use shared_ports::{HttpError, Store};
use shared_settings::Secrets;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

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

/// Answers of others, by URL.
type Answer = Box<dyn Fn(&Fetch) -> Result<Fetched, FetchError>>;

/// Everybody else, as far as he was set up.
#[derive(Default)]
pub struct World {
    pub answers: RefCell<BTreeMap<String, Answer>>,
    pub requests: RefCell<Vec<Fetch>>,
    pub sleeps: Cell<u32>,
}

impl World {
    pub fn on(&self, url: &str, answer: impl Fn(&Fetch) -> Result<Fetched, FetchError> + 'static) {
        self.answers.borrow_mut().insert(url.into(), Box::new(answer));
    }

    pub fn on_json(&self, url: &str, value: Value) {
        self.on(url, move |_| Ok(json_answer(200, &value)));
    }

    pub fn count(&self, url: &str) -> usize {
        self.requests.borrow().iter().filter(|request| request.url == url).count()
    }
}

impl Outside for World {
    fn fetch(&self, fetch: Fetch) -> LocalBoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(async move {
            others_first().await;
            self.requests.borrow_mut().push(fetch.clone());
            match self.answers.borrow().get(&fetch.url) {
                Some(answer) => answer(&fetch),
                None => Err(HttpError::Unreachable("nobody there".into()).into()),
            }
        })
    }

    fn sleep(&self, _: Duration) -> LocalBoxFuture<'_, ()> {
        self.sleeps.set(self.sleeps.get() + 1);
        Box::pin(others_first())
    }
}

/// Let everybody else who is waiting go on first.
async fn others_first() {
    let mut waited = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

pub fn json_answer(status: u16, value: &Value) -> Fetched {
    Fetched { status, headers: Vec::new(), body: value.to_string().into_bytes() }
}

/// Run what waits for nothing but [`World`].
pub fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = pin!(future);
    for _ in 0..100_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("waits for ever");
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

/// Keeps cookies, and follows nothing by itself.
pub struct Browser<'a> {
    pub bench: &'a Bench,
    pub cookies: RefCell<BTreeMap<String, String>>,
}

impl<'a> Browser<'a> {
    pub fn new(bench: &'a Bench) -> Self {
        Self { bench, cookies: RefCell::default() }
    }

    fn send(&self, mut request: Request) -> Response {
        let cookies: Vec<_> = self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request.headers.push(("cookie".into(), cookies.join("; ").into_bytes()));
        }
        let response = self.bench.send(&request);
        for (_, cookie) in response.headers.iter().filter(|(name, _)| *name == "set-cookie") {
            let (pair, attributes) = cookie.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0;") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.into(), value.into());
            }
        }
        response
    }

    pub fn get(&self, target: &str) -> Response {
        self.send(request("GET", target, &[], b""))
    }

    pub fn authorize(&self, query: &str) -> Response {
        self.get(&format!("/oauth/authorize?{query}"))
    }

    pub fn post(&self, target: &str, fields: &[(&str, &str)]) -> Response {
        self.send(form_request(target, fields, &[]))
    }

    pub fn log_in(&self, client: &TestClient, name: &str, password: &str) {
        let page = self.authorize(&Bench::query(client, &[]));
        let answer =
            self.post("/oauth/login", &[("request", &hidden(&page)), ("username", name), ("password", password)]);
        assert_eq!(answer.status, 303, "{}", html(&answer));
    }

    /// The same in a browser where somebody is logged in, whose other cookies stay.
    pub fn log_in_again(&self, client: &TestClient, name: &str, password: &str) {
        self.cookies.borrow_mut().remove("mcp-edge-login");
        self.log_in(client, name, password);
    }

    /// Tick everything, approve, and take the code out of the redirect.
    pub fn approve(&self, query: &str) -> String {
        let page = self.authorize(query);
        let answer = self.decide(&page, "approve", &["mcp"]);
        location_parameter(&answer, "code").unwrap_or_else(|| panic!("{answer:?}"))
    }

    pub fn decide(&self, page: &Response, action: &str, scopes: &[&str]) -> Response {
        let request = hidden(page);
        let mut fields = vec![("request", request.as_str()), ("action", action)];
        fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
        self.post("/oauth/consent", &fields)
    }
}

pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), value.as_bytes().to_vec())).collect();
    Request::new(method.into(), target, headers, Body::Whole(body.into()))
}

pub fn form_request(target: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Request {
    let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
    all.extend(headers);
    request("POST", target, &all, encode_fields(fields).as_bytes())
}

pub fn encode_fields(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

pub fn html(response: &Response) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

/// The sealed field of a page.
pub fn hidden(page: &Response) -> String {
    let html = html(page);
    let (_, rest) = html.split_once("name=\"request\" value=\"").unwrap_or_else(|| panic!("no form in {html}"));
    rest.split_once('"').unwrap().0.into()
}

/// A parameter of the `Location` of a redirect.
pub fn location_parameter(response: &Response, name: &str) -> Option<String> {
    let (_, query) = response.header("location")?.split_once('?')?;
    let form = form::Form::parse(query.as_bytes()).unwrap();
    form.all(name).next().map(String::from)
}

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}
