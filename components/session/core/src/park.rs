//! Input that an upstream of the legacy era wants, from a client of the modern era. The upstream asks in the middle of a call
//! and waits; the client has to be told with the result of its request, which is over then, and comes again with the
//! answers, perhaps to another instance. In between the call is parked: work that goes on after the response holds the
//! upstream's stream and puts what comes into the store, a mailbox that whoever serves the client's next request reads.
//!
//! Keys under `user:{hash}:session:call:{name}:`. The name is random, and `requestState` is `mcp-edge.{name}.{step}`: it is
//! good for the user under whose hash the records lie, for the client and the request that they name, and once.
//!
//! | key | value | written by |
//! |---|---|---|
//! | `step:{n}` | [`Step`] as JSON: what was asked | who asks |
//! | `used:{n}` | counter: 1 is who goes on | who goes on |
//! | `out:{n}` | message of the upstream, `!` and why at the end | the one who holds the stream |
//! | `beat` | seconds since the Unix epoch | the one who holds the stream, now and then |
//! | `seen` | seconds since the Unix epoch; `0` when the client has hung up | who reads |

mod hold;
mod mailbox;
mod step;

pub(crate) use mailbox::Mailbox;
pub(crate) use step::{ask, resume, state};

use crate::keys::UserKeys;
use crate::relay::Relay;
use crate::request::Ports;
use crate::sweep::{self, Noted};
use crate::upstreams::Upstreams;
use crate::wait::random_name;
use futures::FutureExt;
use shared_ports::{Clock, Store, StoreError};

/// Seconds that a call stays parked without its client: as long as a person may take to answer. After that the upstream is
/// told that the call is cancelled, and everything kept for it is removed.
pub(crate) const PARKED_SECONDS: u64 = 600;

/// Seconds between two signs of life of the one who holds the stream, and after how many without one it is taken for gone,
/// with its host.
const BEAT_SECONDS: u64 = 15;
const LOST_SECONDS: u64 = 60;

/// Most messages that are kept for a client that does not read them. More notifications are dropped; one more request ends
/// the call; the response is kept.
const MAX_MESSAGES: u64 = 1000;

/// Most messages that were read when the step was not yet written, and the host died.
const GAP: u64 = 64;

/// The records of one parked call.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    keys: UserKeys,
    /// 32 lower-case hex digits.
    pub name: String,
}

impl Records {
    /// Those of the call with this name, of this user.
    pub fn of(user_hash: &str, name: &str) -> Result<Self, StoreError> {
        let keys = UserKeys::new(user_hash).ok_or_else(|| StoreError("the user hash is not 32 hex digits".into()))?;
        Ok(Self { keys, name: name.into() })
    }

    fn key(&self, what: &str) -> String {
        self.keys.call(&self.name, what)
    }

    fn message(&self, number: u64) -> String {
        self.key(&format!("out:{number}"))
    }

    fn get<P: Ports>(&self, ports: &P, what: &str) -> Result<Option<String>, StoreError> {
        Ok(ports.store().get(&self.key(what))?.and_then(|value| String::from_utf8(value).ok()))
    }

    fn seconds<P: Ports>(&self, ports: &P, what: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.get(ports, what)?.and_then(|text| text.parse().ok()))
    }

    /// Write the time now.
    fn stamp<P: Ports>(&self, ports: &P, what: &str) -> Result<(), StoreError> {
        ports.store().set(&self.key(what), ports.clock().now().to_string().as_bytes())
    }

    /// Remove everything of a call whose host has gone, if this is one. Whether there is nothing of it any more.
    pub fn sweep<P: Ports>(&self, ports: &P) -> Result<bool, StoreError> {
        let beat = self.seconds(ports, "beat")?;
        if beat.is_some_and(|beat| ports.clock().now().saturating_sub(beat) < LOST_SECONDS) {
            return Ok(false);
        }
        // Messages are removed as they are read, up to the number that the last step names.
        let first = step::last(ports, self)?;
        let (mut end, mut missing) = (first, 0);
        while missing < GAP {
            let there = ports.store().get(&self.message(end))?.is_some();
            missing = if there { 0 } else { missing.saturating_add(1) };
            end = end.saturating_add(1);
        }
        self.clear(ports, first..end);
        Ok(true)
    }

    /// Remove everything: the messages of these numbers, the steps, and the rest.
    fn clear<P: Ports>(&self, ports: &P, messages: std::ops::Range<u64>) {
        // What stays if the store fails now can be used by nobody: the call has ended.
        let delete = |key: &str| drop(ports.store().delete(key));
        messages.for_each(|number| delete(&self.message(number)));
        for number in 0..=step::MAX_STEPS {
            let key = self.key(&format!("step:{number}"));
            if !matches!(ports.store().get(&key), Ok(Some(_))) {
                break;
            }
            delete(&key);
            delete(&self.key(&format!("used:{number}")));
        }
        delete(&self.key("beat"));
        delete(&self.key("seen"));
    }
}

/// Park the call of `relay`, whose upstream has just asked this (text of its request): the mailbox with all that follows.
pub(crate) fn park<P: Ports>(
    relay: &Relay<P>,
    stream: <P::Upstreams as Upstreams>::Stream,
    request: &str,
) -> Result<Mailbox<P>, StoreError> {
    let ports = &relay.ports;
    let user_hash = &relay.client.caller.user_hash;
    let records = Records::of(user_hash, &random_name(ports.random()))?;
    sweep::note(ports, user_hash, Noted::Call(&records.name))?;
    ports.store().set(&records.message(0), request.as_bytes())?;
    records.stamp(ports, "beat")?;
    records.stamp(ports, "seen")?;
    ports.spawn(hold::hold(ports.clone(), records.clone(), stream).boxed_local());
    Ok(Mailbox::new(ports.clone(), records, 0))
}
