//! The consent page: a person decides what an app may do.

use crate::authorize::{self, Ask, Recipient};
use crate::cookies::Cookie;
use crate::credential::{Credential, GrantId, Kind};
use crate::crypto::Key;
use crate::errors::Error;
use crate::events::Event;
use crate::form::Form;
use crate::grants;
use crate::http::{Request, Response};
use crate::login::{Carried, Login};
use crate::people::Person;
use crate::records::{CodeRecord, GrantRecord, Props};
use crate::{Server, approval, clients, consent_page, users};

/// The page for a request. `query` is the request's query string; `ticked` are the boxes that are ticked at first, all of
/// them if it is `None`.
pub fn page(
    server: &Server,
    login: &Login,
    query: &str,
    recipient: &Recipient,
    ask: &Ask,
    ticked: Option<&[String]>,
    notice: Option<&str>,
) -> Response {
    // Sealed and bound to the login, it is also what no other site can make: the CSRF token.
    let carried = Carried::seal(server, "consent", &authorize::target(query), &login.session);
    let skills = ask.scopes.iter().map(|name| consent_page::Skill {
        name,
        meaning: server.settings.scopes.meaning(name).unwrap_or(name),
        servers: server.settings.scopes.servers(name),
        ticked: ticked.is_none_or(|ticked| ticked.contains(name)),
    });
    consent_page::consent(recipient, &skills.collect::<Vec<_>>(), &login.person.name, &carried, notice)
}

/// `POST /oauth/consent`.
pub async fn consent(server: &Server<'_>, request: &Request, body: &[u8]) -> Result<Response, Error> {
    let form = Form::parse(body)?;
    let carried = Carried::open(server, "consent", form.one("request")?)?;
    let Some(login) = Login::of(server, request)? else { return Ok(authorize::again(&carried.target)) };
    let is_his = login.session.fits_other(&carried.bound_to);
    if carried.is_stale(server) {
        return Ok(authorize::again(&carried.target));
    }
    let query = carried.target.split_once('?').map_or("", |(_, query)| query);
    let parameters = authorize::parse(query)?;
    let recipient = authorize::recipient(server, &parameters).await?;
    let ask = match authorize::ask(server, &parameters) {
        Ok(ask) => ask,
        Err(error) => return Ok(recipient.refuse(server, 303, &error)),
    };
    if !is_his {
        // Somebody else has signed in in another tab, or another page has sent a form of somebody else's: it decides nothing,
        // and a link could show the same page.
        let ticked = approval::remembered(server, request, &login, &recipient);
        let notice = "This page was made for another login, so nothing was decided. Look who is signed in now, and decide again.";
        return Ok(page(server, &login, query, &recipient, &ask, ticked.as_deref(), Some(notice)));
    }
    match form.one("action")?.ok_or(Error::Missing("action"))? {
        "approve" => {
            let ticked = |scope: &String| form.all("scope").any(|name| name == scope);
            let scopes: Vec<String> = ask.scopes.iter().filter(|scope| ticked(scope)).cloned().collect();
            if scopes.is_empty() {
                let notice = "Nothing is ticked. Tick what the app may do, or cancel.";
                return Ok(page(server, &login, query, &recipient, &ask, Some(&[]), Some(notice)));
            }
            let cookie = approval::remember(server, request, &login, &recipient, &scopes);
            match issue_code(server, &login, &recipient, ask.challenge, scopes) {
                Ok(code) => Ok(recipient.answer(server, 303, &[("code", code.reveal())]).with("set-cookie", cookie)),
                Err(error) => Ok(recipient.refuse(server, 303, &error)),
            }
        }
        "switch" => Ok(authorize::again(&carried.target).with("set-cookie", Cookie::Login.set(server, "", 0))),
        _ => Ok(recipient.refuse(server, 303, &Error::Denied)),
    }
}

/// Make a code for what somebody has approved.
pub fn issue_code(
    server: &Server,
    login: &Login,
    recipient: &Recipient,
    challenge: String,
    scopes: Vec<String>,
) -> Result<Credential, Error> {
    let id = GrantId(server.random());
    let key = Key(server.random());
    let code = Credential::mint(&server.settings.keys, Kind::Code, id, &server.random());
    let Person { subject, roles, tenant, .. } = login.person.clone();
    let props = Props { subject, authenticated_at: login.at, roles, tenant };
    let user_hash = &login.user_hash;
    let record = CodeRecord {
        grant: GrantRecord {
            client_id: recipient.client.id.clone(),
            client_name: recipient.client.name.clone(),
            user_hash: user_hash.clone(),
            scopes,
            resource: server.settings.resource.clone(),
            created_at: server.now,
            props: props.seal(&key, server.random(), id),
        },
        redirect_uri: recipient.redirect_uri.clone(),
        challenge,
        key: code.wrap(&key),
        expires_at: server.now + u64::from(server.settings.oauth.code_seconds),
    };
    clients::note_use(server, &recipient.client)?;
    users::note(server, &login.person, user_hash)?;
    grants::store_code(server, &code, &record, &login.person.subject)?;
    let (grant_id, client_id) = (&id.to_string(), &recipient.client.id);
    server.audit.record(&Event::Approved { grant_id, client_id, user_hash });
    Ok(code)
}
