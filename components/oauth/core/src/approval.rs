//! Approvals remembered in the browser: sealed, per client, for one year. They fill in the consent page; they skip it only
//! where the operator says so.

use crate::authorize::{Ask, Recipient};
use crate::cookies::Cookie;
use crate::http::Request;
use crate::login::Login;
use crate::redirect::{self, Target};
use crate::{Server, crypto, scopes};
use serde::{Deserialize, Serialize};
use shared_settings::Remember;

/// How many approvals are remembered: those of the last clients. Cookies have 4 KiB.
const MAX_APPROVALS: usize = 10;

/// Longest list of scopes that is remembered, in bytes.
const MAX_SCOPES: usize = 200;

/// How long, in seconds.
const LIFETIME: u64 = 365 * 24 * 3600;

/// One approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Approval {
    /// Of the client, the redirect URI and the user (who is another one after he was deleted): the first 16 bytes of a hash.
    about: String,
    /// With spaces between them.
    scopes: String,
    at: u64,
}

/// What this person ticked for this client and redirect URI the last time in this browser.
pub fn remembered(server: &Server, request: &Request, login: &Login, recipient: &Recipient) -> Option<Vec<String>> {
    let about = about(server, login, recipient);
    let approval = read(server, request).into_iter().find(|approval| approval.about == about)?;
    Some(approval.scopes.split(' ').map(String::from).collect())
}

/// Whether the consent page can be left out. Never for apps and programs on the same machine: whoever can open a link
/// there could take the place of the client (RFC 8252 section 8.6).
pub fn suffices(server: &Server, request: &Request, login: &Login, recipient: &Recipient, ask: &Ask) -> bool {
    server.settings.oauth.consent.remember == Remember::Skip
        && !ask.ask_again
        && matches!(redirect::classify(&recipient.redirect_uri), Ok(Target::Web(_)))
        && remembered(server, request, login, recipient)
            .is_some_and(|granted| scopes::within(&server.settings.scopes, &ask.scopes, &granted))
}

/// The `Set-Cookie` value after an approval.
pub fn remember(server: &Server, request: &Request, login: &Login, recipient: &Recipient, scopes: &[String]) -> String {
    let about = about(server, login, recipient);
    let mut approvals = read(server, request);
    approvals.retain(|approval| approval.about != about);
    let scopes = scopes::join(scopes);
    if scopes.len() <= MAX_SCOPES {
        approvals.insert(0, Approval { about, scopes, at: server.now });
    }
    approvals.truncate(MAX_APPROVALS);
    let plain = serde_json::to_vec(&approvals).unwrap_or_default();
    let sealed = server.settings.keys.approval.seal(server.random(), b"approvals", &plain);
    Cookie::Approvals.set(server, &crypto::base64(&sealed), LIFETIME)
}

fn read(server: &Server, request: &Request) -> Vec<Approval> {
    let opened = Cookie::Approvals.values(server, request).find_map(|value| {
        let plain = server.settings.keys.approval.open(b"approvals", &crypto::unbase64(value)?)?;
        serde_json::from_slice::<Vec<Approval>>(&plain).ok()
    });
    let mut approvals = opened.unwrap_or_default();
    approvals.retain(|approval| approval.at.saturating_add(LIFETIME) > server.now);
    approvals
}

fn about(server: &Server, login: &Login, recipient: &Recipient) -> String {
    let parts = [&login.user_hash, &recipient.client.id, &recipient.redirect_uri].map(|part| part.as_bytes());
    let hash = crypto::hmac(&server.settings.keys.subject, &parts);
    crypto::base64(hash.first_chunk::<16>().unwrap_or(&[0; 16]))
}
