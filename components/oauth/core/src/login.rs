//! Logins, and the one with name and password.

use crate::authorize::{self, Recipient};
use crate::cookies::Cookie;
use crate::errors::Error;
use crate::events::Event;
use crate::form::Form;
use crate::http::{Request, Response};
use crate::password::{MAX_PASSWORD, PasswordHash};
use crate::people::Person;
use crate::secret::Binding;
use crate::throttle::{self, Verdict};
use crate::{Server, crypto, pages, providers, users};
use serde::{Deserialize, Serialize};
use shared_ports::StoreError;

/// How long a login lasts, in seconds.
const LIFETIME: u64 = 12 * 3600;

/// How long a page's form is good, in seconds.
const FORM_LIFETIME: u64 = 600;

/// Longest user name, in bytes: four for each of the 64 characters that the settings allow.
const MAX_NAME: usize = 256;

/// A person who is logged in.
#[derive(Debug)]
pub struct Login {
    /// Who.
    pub person: Person,
    /// His name in keys and logs, as of now.
    pub user_hash: String,
    /// A random name of this login; forms are bound to it.
    pub session: Binding,
    /// When it was made.
    pub at: u64,
}

/// What is in the login cookie, sealed.
#[derive(Serialize, Deserialize)]
struct CookieValue {
    person: Person,
    user_hash: String,
    session: Binding,
    at: u64,
    fingerprint: String,
}

impl Login {
    /// The login of a request, if the cookie is ours, not too old, and the user is still there with the same password or
    /// provider, and was neither deleted nor forgotten since.
    pub fn of(server: &Server, request: &Request) -> Result<Option<Self>, StoreError> {
        let login = Cookie::Login.values(server, request).find_map(|value| {
            let plain = server.settings.keys.login.open(b"login", &crypto::unbase64(value)?)?;
            let value: CookieValue = serde_json::from_slice(&plain).ok()?;
            let fingerprint = fingerprint(server, &value.person.subject)?;
            let fresh = value.at.saturating_add(LIFETIME) > server.now;
            let CookieValue { person, user_hash, session, at, .. } = value;
            (fresh && value.fingerprint == fingerprint).then_some(Self { person, user_hash, session, at })
        });
        let Some(mut login) = login else { return Ok(None) };
        if users::hash(server, &login.person.subject)? != login.user_hash {
            return Ok(None);
        }
        // What the provider has said since. When that is forgotten it is not heard again whether he may still come in.
        match providers::known(server, &login.user_hash)? {
            Some(standing) => (login.person.roles, login.person.tenant) = (standing.roles, standing.tenant),
            None if users::is_of_provider(&login.person.subject) => return Ok(None),
            None => {}
        }
        Ok(Some(login))
    }

    /// Roles by the settings of now.
    pub fn has_role(&self, server: &Server, role: &str) -> bool {
        let Person { subject, roles, tenant, .. } = &self.person;
        let standing = server.settings.standing(subject, roles, tenant.as_deref());
        standing.is_some_and(|standing| standing.roles.iter().any(|name| name == role))
    }
}

/// Changes with what a login hangs on: the password, or the account at the provider. `None`: nobody can log in so.
fn fingerprint(server: &Server, subject: &str) -> Option<String> {
    match subject.split_once(':') {
        None => server.settings.user(subject).map(|user| user.fingerprint.clone()),
        Some((name, _)) => {
            let provider = server.settings.providers.get(name)?;
            let issuer = provider.issuer.as_deref().unwrap_or_default();
            let endpoint = provider.authorization_endpoint.as_deref().unwrap_or_default();
            let parts = serde_json::json!([issuer, endpoint, provider.client_id]).to_string();
            Some(crypto::base64(&crypto::sha256(parts.as_bytes())))
        }
    }
}

/// The browser of somebody who has just logged in goes on where the login began.
pub fn logged_in(server: &Server, request: &Request, person: Person, target: &str) -> Result<Response, StoreError> {
    // Of two tabs that waited for a login, the second must not spoil the form that the first has got.
    let before = Login::of(server, request)?.filter(|login| login.person.subject == person.subject);
    let user_hash = users::hash(server, &person.subject)?;
    server.audit.record(&Event::LoggedIn { user_hash: &user_hash });
    let value = CookieValue {
        fingerprint: fingerprint(server, &person.subject).unwrap_or_default(),
        person,
        user_hash,
        session: before.map_or_else(|| Binding::of(crypto::hex(&server.random::<16>())), |login| login.session),
        at: server.now,
    };
    let plain = serde_json::to_vec(&value).unwrap_or_default();
    let sealed = server.settings.keys.login.seal(server.random(), b"login", &plain);
    let cookie = Cookie::Login.set(server, &crypto::base64(&sealed), LIFETIME);
    Ok(authorize::again(target).with("set-cookie", cookie))
}

/// What a page's form carries through the browser, sealed, so that it comes back unchanged and from where it was sent.
#[derive(Serialize, Deserialize)]
pub struct Carried {
    /// Path and query of the page of ours that it is about.
    pub target: String,
    /// The browser or login that the page was made for.
    pub bound_to: Binding,
    /// When the page was made.
    pub at: u64,
}

impl Carried {
    /// For the hidden field of a form. `page` keeps the forms of different pages apart.
    pub fn seal(server: &Server, page: &str, target: &str, bound_to: &Binding) -> String {
        let carried = Self { target: target.into(), bound_to: bound_to.clone(), at: server.now };
        let plain = serde_json::to_vec(&carried).unwrap_or_default();
        crypto::base64(&server.settings.keys.form.seal(server.random(), page.as_bytes(), &plain))
    }

    /// Out of the hidden field.
    pub fn open(server: &Server, page: &str, field: Option<&str>) -> Result<Self, Error> {
        let sealed = field.and_then(crypto::unbase64).ok_or(Error::ForgedForm)?;
        let plain = server.settings.keys.form.open(page.as_bytes(), &sealed).ok_or(Error::ForgedForm)?;
        serde_json::from_slice(&plain).map_err(|_| Error::ForgedForm)
    }

    /// Whether the page is too old for its form to be taken.
    pub fn is_stale(&self, server: &Server) -> bool {
        self.at.saturating_add(FORM_LIFETIME) <= server.now
    }
}

/// The login page. `target` is where the browser goes afterwards: path and query.
pub fn page(
    server: &Server,
    request: &Request,
    recipient: Option<&Recipient>,
    target: &str,
    error: Option<&Error>,
) -> Response {
    page_for(server, request, recipient, target, "", error)
}

fn page_for(
    server: &Server,
    request: &Request,
    recipient: Option<&Recipient>,
    target: &str,
    name: &str,
    error: Option<&Error>,
) -> Response {
    // The form is bound to the browser by a cookie. Otherwise a page of somebody else could log this browser in as
    // somebody else, who would then get what its user does.
    let known =
        Cookie::Browser.values(server, request).find(|value| crypto::unbase64(value).is_some_and(|b| b.len() == 16));
    let browser = known.map_or_else(|| crypto::base64(&server.random::<16>()), String::from);
    let carried = Carried::seal(server, "login", target, &Binding::of(browser.clone()));
    let ways = pages::Ways { password: !server.settings.users.is_empty(), providers: &server.settings.providers };
    pages::login(recipient, &ways, &carried, name, error)
        .with("set-cookie", Cookie::Browser.set(server, &browser, LIFETIME))
}

/// What a form or link of the login page carries, if it comes from the browser that the page was shown in.
pub fn carried(server: &Server, request: &Request, form: &Form) -> Result<Carried, Error> {
    let carried = Carried::open(server, "login", form.one("request")?)?;
    if !Cookie::Browser.values(server, request).any(|value| carried.bound_to.fits(value)) {
        return Err(Error::ForeignForm);
    }
    Ok(carried)
}

/// `POST /oauth/login`.
pub async fn login(server: &Server<'_>, request: &Request, body: &[u8]) -> Result<Response, Error> {
    let form = Form::parse(body)?;
    let carried = carried(server, request, &form)?;
    if carried.is_stale(server) {
        return Ok(authorize::again(&carried.target));
    }
    let name = form.one("username")?.unwrap_or_default();
    match check(server, name, form.one("password")?.unwrap_or_default()) {
        Ok(person) => Ok(logged_in(server, request, person, &carried.target)?),
        Err(error @ (Error::Credentials | Error::Throttled { .. })) => {
            server.audit.record(&Event::Refused { why: &error.to_string(), ours: false });
            let recipient = authorize::recipient_of(server, &carried.target).await?;
            Ok(page_for(server, request, recipient.as_ref(), &carried.target, name, Some(&error)))
        }
        Err(error) => Err(error),
    }
}

/// Check name and password. The same answer after the same time, whether the name or the password is wrong.
fn check(server: &Server, name: &str, password: &str) -> Result<Person, Error> {
    if name.is_empty() || name.len() > MAX_NAME || password.len() > MAX_PASSWORD {
        return Err(Error::Credentials);
    }
    let user_hash = users::hash(server, name)?;
    let attempt = match throttle::attempt(server, name, server.address)? {
        Verdict::Go(attempt) => attempt,
        Verdict::Wait(retry_after) => {
            server.audit.record(&Event::LoginThrottled { user_hash: &user_hash });
            return Err(Error::Throttled { retry_after });
        }
    };
    let user = server.settings.user(name);
    if user.is_some_and(|user| user.hash.is_none()) {
        server.audit.record(&Event::PasswordHashUnusable { user_hash: &user_hash });
    }
    let like = server.settings.users.iter().find_map(|user| user.hash.as_ref());
    let nobody = PasswordHash::nobody(like);
    let hash = user.and_then(|user| user.hash.as_ref()).unwrap_or(&nobody);
    let right = hash.verify(password)?;
    match user.filter(|_| right) {
        Some(user) => {
            attempt.succeeded(server)?;
            let (subject, name) = (user.name.clone(), user.name.clone());
            Ok(Person { subject, name, roles: Vec::new(), tenant: None })
        }
        None => {
            server.audit.record(&Event::LoginFailed { user_hash: &user_hash });
            Err(Error::Credentials)
        }
    }
}

/// The client's address as the host tells it. The last value counts: those before it may be the client's own.
pub fn address(server: &Server, request: &Request) -> String {
    let header = server.settings.address_header.as_deref().unwrap_or_default();
    shared_settings::client_address(request.header_values(header).next_back().unwrap_or("unknown"))
}
