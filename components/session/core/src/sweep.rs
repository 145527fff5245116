//! What is kept and whose end nobody comes past: sessions without DELETE, parked calls of a host that died, knowledge for
//! users who have gone. All of it is noted when it begins ([`shared_ports::kept`]), and whoever begins something looks at a
//! few of the oldest notes, also of other users.

use crate::keys::{SessionId, UserKeys};
use crate::park;
use crate::request::Ports;
use crate::session;
use crate::upstreams::{Caller, Upstreams};
use futures::FutureExt;
use futures::future::join_all;
use shared_ports::kept::{DAY, Kept};
use shared_ports::list::Entry;
use shared_ports::{Clock, Store, StoreError};

/// How long it is kept which arguments of a user's tools are repeated in headers: lists tell it again.
const MIRRORED_SECONDS: u64 = 30 * DAY;

/// Something that has a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noted<'a> {
    /// A session, by its id.
    Session(&'a str),
    /// A parked call, by its name.
    Call(&'a str),
    /// Which arguments of an upstream's tools are repeated in headers, by the upstream's name.
    Mirrored(&'a str),
}

impl<'a> Noted<'a> {
    fn parse(id: &'a str) -> Option<Self> {
        let (kind, name) = id.split_once(':')?;
        Some(match kind {
            "session" => Self::Session(name),
            "call" => Self::Call(name),
            "mirrored" => Self::Mirrored(name),
            _ => return None,
        })
    }

    fn id(self) -> String {
        match self {
            Self::Session(name) => format!("session:{name}"),
            Self::Call(name) => format!("call:{name}"),
            Self::Mirrored(name) => format!("mirrored:{name}"),
        }
    }
}

/// Note that something begins, before anything is kept of it; and look at what may have ended.
///
/// # Errors
/// The store did not take the note. What goes wrong with sweeping is left to the next one.
pub(crate) fn note<P: Ports>(ports: &P, user_hash: &str, noted: Noted<'_>) -> Result<(), StoreError> {
    let now = ports.clock().now();
    let kept = Kept::new(ports.store(), "session");
    kept.note(user_hash, &Entry { id: noted.id(), at: now, also: Some(now.to_string()) })?;
    let mut over = Vec::new();
    // What was swept before an error is over all the same.
    let _ = kept.sweep(user_hash, now, |user, entry| ended(ports, user, entry, &mut over));
    close(ports, over);
    Ok(())
}

/// Tell the upstreams that these callers are gone. They are the last to hear of it, and nobody waits until they have.
pub(crate) fn close<P: Ports>(ports: &P, over: Vec<Caller>) {
    if over.is_empty() {
        return;
    }
    let upstreams = ports.upstreams().clone();
    ports.spawn(
        async move {
            join_all(over.iter().map(|caller| upstreams.close(caller))).await;
        }
        .boxed_local(),
    );
}

/// Whether what a note names is gone; it goes if its time is over.
fn ended<P: Ports>(ports: &P, user_hash: &str, entry: &Entry, over: &mut Vec<Caller>) -> Result<bool, StoreError> {
    let Some(keys) = UserKeys::new(user_hash) else { return Ok(true) };
    match Noted::parse(&entry.id) {
        Some(Noted::Session(id)) => match SessionId::parse(id) {
            Some(id) => session::expire(ports, user_hash, &id, over),
            None => Ok(true),
        },
        Some(Noted::Call(name)) => park::Records::of(user_hash, name)?.sweep(ports),
        Some(Noted::Mirrored(upstream)) => {
            let begun = entry.also.as_ref().and_then(|begun| begun.parse().ok()).unwrap_or(0_u64);
            if ports.clock().now().saturating_sub(begun) < MIRRORED_SECONDS {
                return Ok(false);
            }
            ports.store().delete(&keys.mirrored(upstream))?;
            Ok(true)
        }
        None => Ok(true),
    }
}
