//! A scripted OAuth client that finds everything out by itself, as MCP clients do: 401, RFC 9728, RFC 8414, RFC 7591,
//! authorization code with PKCE, login and consent pages, token.

use crate::browser::{Browser, Page};
use crate::http::{Answer, Http, request};
use crate::settings::Person;
use crate::unique;
use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

/// Where the scripted client is sent back to. Nobody listens there; the address is read from the redirect.
pub const REDIRECT: &str = "http://127.0.0.1:33418/callback";

/// Most pages between the authorize request and the code.
const MAX_PAGES: usize = 10;

/// What the discovery documents say.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// The protected resource's document.
    pub resource: Value,
    /// The authorization server's document.
    pub server: Value,
    /// Where the first one is, as the 401 says.
    pub resource_metadata_url: String,
}

impl Metadata {
    /// An address out of the authorization server's document.
    pub fn endpoint(&self, name: &str) -> Result<&str> {
        self.server[name].as_str().with_context(|| format!("the metadata has no {name}: {}", self.server))
    }

    /// The resource's identifier.
    pub fn resource(&self) -> Result<&str> {
        self.resource["resource"].as_str().context("the metadata has no resource")
    }
}

/// Tokens of one person for one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Access token.
    pub access: String,
    /// Refresh token.
    pub refresh: String,
    /// Seconds until the access token ends.
    pub expires_in: u64,
}

impl Tokens {
    /// Out of a token response.
    pub fn read(answer: &Answer) -> Result<Self> {
        let body = answer.json()?;
        ensure!(answer.status == 200, "no tokens: {} {body}", answer.status);
        let text = |name: &str| body[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {body}"));
        ensure!(text("token_type")?.eq_ignore_ascii_case("bearer"), "not a bearer token: {body}");
        Ok(Self {
            access: text("access_token")?,
            refresh: text("refresh_token")?,
            expires_in: body["expires_in"].as_u64().context("no expires_in")?,
        })
    }
}

/// A client that has registered itself.
#[derive(Clone)]
pub struct Client {
    /// For everything but pages.
    pub http: Http,
    /// What it found out.
    pub metadata: Metadata,
    /// Its id.
    pub id: String,
}

/// An authorization request on its way.
#[derive(Debug, Clone)]
pub struct Authorization {
    /// Where the browser is sent.
    pub url: Url,
    /// `state`.
    pub state: String,
    /// PKCE's verifier.
    pub verifier: String,
}

/// Walk from the 401 to the metadata of the authorization server.
pub async fn discover(http: &Http, mcp_url: &str) -> Result<Metadata> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    let headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    let challenge = http.send(request(Method::POST, mcp_url, &headers, body)?).await?.expect(401)?;
    let challenge = challenge.header("www-authenticate").context("a 401 without WWW-Authenticate")?;
    let resource_metadata_url = challenge
        .split_once("resource_metadata=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(url, _)| url.to_owned())
        .with_context(|| format!("no resource_metadata in {challenge}"))?;
    let resource = http.get(&resource_metadata_url).await?.expect(200)?.json()?;
    ensure!(resource["resource"] == mcp_url, "the resource is not {mcp_url}: {resource}");
    let issuer = resource["authorization_servers"][0].as_str().context("no authorization server")?.to_owned();
    // RFC 8414 section 3.1: between host and path; this issuer has no path.
    let server = http.get(&format!("{issuer}/.well-known/oauth-authorization-server")).await?.expect(200)?.json()?;
    ensure!(server["issuer"] == issuer.as_str(), "the issuer is not {issuer}: {server}");
    Ok(Metadata { resource, server, resource_metadata_url })
}

impl Client {
    /// Discover and register.
    pub async fn register(mcp_url: &str, name: &str) -> Result<Self> {
        let http = Http::new();
        let metadata = discover(&http, mcp_url).await?;
        let registration = json!({
            "client_name": name, "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        });
        let answer = http.post_json(metadata.endpoint("registration_endpoint")?, &registration).await?.expect(201)?;
        let id = answer.json()?["client_id"].as_str().context("no client_id")?.to_owned();
        Ok(Self { http, metadata, id })
    }

    /// Make an authorization request.
    pub fn authorization(&self) -> Result<Authorization> {
        let verifier = format!("{}{}{}", unique("v"), unique("v"), unique("v"));
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let state = unique("state");
        let scope = self.metadata.resource["scopes_supported"]
            .as_array()
            .map(|scopes| scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "));
        let mut url = Url::parse(self.metadata.endpoint("authorization_endpoint")?)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.id)
            .append_pair("redirect_uri", REDIRECT)
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("resource", self.metadata.resource()?);
        if let Some(scope) = scope.filter(|scope| !scope.is_empty()) {
            url.query_pairs_mut().append_pair("scope", &scope);
        }
        Ok(Authorization { url, state, verifier })
    }

    /// Go through the pages as this person and come back with the code.
    pub async fn code(&self, authorization: &Authorization, person: Person) -> Result<String> {
        let back = walk(&mut Browser::default(), &authorization.url, person, Consent::Allow).await?;
        let value = |name: &str| back.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned());
        if let Some(error) = value("error") {
            bail!("sent back with {error}: {:?}", value("error_description"));
        }
        ensure!(value("state").as_deref() == Some(&*authorization.state), "another state came back: {back}");
        if self.metadata.server["authorization_response_iss_parameter_supported"] == true {
            ensure!(
                value("iss").as_deref() == self.metadata.server["issuer"].as_str(),
                "another iss came back: {back}"
            );
        }
        value("code").with_context(|| format!("no code came back: {back}"))
    }

    /// Ask for tokens with a code.
    pub async fn redeem(&self, code: &str, verifier: &str) -> Result<Answer> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("client_id", &self.id),
            ("code_verifier", verifier),
            ("resource", self.metadata.resource()?),
        ];
        self.http.post_form(self.metadata.endpoint("token_endpoint")?, &fields).await
    }

    /// Ask for tokens with a refresh token.
    pub async fn refresh(&self, token: &str) -> Result<Answer> {
        let resource = self.metadata.resource()?;
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", &self.id),
            ("resource", resource),
        ];
        self.http.post_form(self.metadata.endpoint("token_endpoint")?, &fields).await
    }

    /// The whole way: pages and code included.
    pub async fn log_in(&self, person: Person) -> Result<Tokens> {
        let authorization = self.authorization()?;
        let code = self.code(&authorization, person).await?;
        Tokens::read(&self.redeem(&code, &authorization.verifier).await?)
    }
}

/// Register a client of its own and log in.
pub async fn login(mcp_url: &str, person: Person) -> Result<Tokens> {
    Client::register(mcp_url, "harness").await?.log_in(person).await
}

/// What the person does on the consent page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Yes.
    Allow,
    /// No.
    Deny,
}

/// Log in and consent until the browser is sent back to [`REDIRECT`]; returns that address.
pub async fn walk(browser: &mut Browser, start: &Url, person: Person, consent: Consent) -> Result<Url> {
    let mut page = browser.get(start).await?;
    for _ in 0..MAX_PAGES {
        if let Some(target) = page.redirect() {
            if target.as_str().starts_with(REDIRECT) {
                return Ok(target);
            }
            page = browser.get(&target).await?;
        } else {
            page = answer_page(browser, &page, person, consent).await?;
        }
    }
    bail!("no end after {MAX_PAGES} pages, last: {}", page.answer.text())
}

/// Log in where the page asks for a password, else consent or not.
pub async fn answer_page(browser: &mut Browser, page: &Page, person: Person, consent: Consent) -> Result<Page> {
    ensure!(page.answer.status == 200, "{} {}: {}", page.url.path(), page.answer.status, page.answer.text());
    let forms = page.forms();
    if let Some(form) = forms.iter().find(|form| form.asks_password()) {
        let field =
            |kinds: &[&str]| form.fields.iter().find(|f| kinds.contains(&f.kind.as_str())).map(|f| f.name.as_str());
        let name = field(&["text", "email"]).context("the login form has no field for the name")?;
        let password = field(&["password"]).context("the login form has no field for the password")?;
        let values = [(name, person.name), (password, person.password)];
        return browser.submit(page, form, &values, form.yes().or(form.buttons.first())).await;
    }
    let chosen = forms.iter().find_map(|form| {
        let button = match consent {
            Consent::Allow => form.yes(),
            Consent::Deny => form.no(),
        };
        button.map(|button| (form, button))
    });
    let (form, button) = chosen.with_context(|| format!("nothing to press on {}", page.answer.text()))?;
    browser.submit(page, form, &[], Some(button)).await
}
