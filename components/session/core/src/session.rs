//! Sessions of the legacy era: records in the store, so that they outlive the host and any instance can serve them.

use crate::errors::{self, Refusal};
use crate::keys::{SessionId, UserKeys};
use crate::request::{Client, Context, Ports};
use crate::subscriptions::Subscriptions;
use crate::sweep::{self, Noted};
use crate::upstreams::Caller;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared_mcp::Revision;
use shared_ports::{Clock, Store, StoreError};

/// A session that was not used for so long is over.
const IDLE_SECONDS: u64 = 24 * 3600;

/// How old the time of the last use may be before it is written again: so that a busy session costs one write in ten
/// minutes and not one a request. Idle expiry is that much less precise.
const TOUCH_SECONDS: u64 = 600;

/// One session, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// The OAuth client that started it.
    pub client_id: String,
    /// The negotiated revision.
    pub revision: String,
    /// The client's `Implementation`, as sent.
    pub client_info: Box<RawValue>,
    /// The client's `ClientCapabilities`, as sent.
    pub client_capabilities: Box<RawValue>,
    /// The level that the client has set for log messages, where an upstream of the modern era has to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<String>,
    /// What event ids are marked with: see `position`. Random, and never told to anybody.
    pub event_key: String,
    /// When it was started: seconds since the Unix epoch.
    pub created: u64,
    /// When it was used last, give or take ten minutes: seconds since the Unix epoch.
    pub last_seen: u64,
}

impl Record {
    /// Seconds since it was used.
    fn idle(&self, now: u64) -> u64 {
        now.saturating_sub(self.last_seen)
    }
}

/// A session that is there and belongs to the one who names it.
#[derive(Debug)]
pub(crate) struct Session {
    pub client: Client,
    key: String,
}

impl Session {
    /// Keep a new session.
    pub fn create(ports: &impl Ports, context: &Context, id: &SessionId, client: &Client) -> Result<(), Refusal> {
        let now = ports.clock().now();
        let raw = |text: &str| {
            RawValue::from_string(text.into())
                .map_err(|error| errors::misconfigured(&format!("session record: {error}")))
        };
        let record = Record {
            client_id: context.client_id.clone(),
            revision: client.revision.as_str().into(),
            client_info: raw(&client.caller.client_info)?,
            client_capabilities: raw(&client.caller.client_capabilities)?,
            log_level: None,
            event_key: client.event_key.clone().unwrap_or_default(),
            created: now,
            last_seen: now,
        };
        let key = keys(context)?.session(id);
        sweep::note(ports, &context.user_hash, Noted::Session(id.as_str())).map_err(|error| errors::store(&error))?;
        write(ports, &key, &record)
    }

    /// The session that the client names. Whatever is wrong with it, the client learns only that there is none.
    pub fn open(ports: &impl Ports, context: &Context, id: &str) -> Result<Self, Refusal> {
        let id = SessionId::parse(id).ok_or_else(|| errors::no_session("not a session id"))?;
        let key = keys(context)?.session(&id);
        let stored = ports.store().get(&key).map_err(|error| errors::store(&error))?;
        let stored = stored.ok_or_else(|| errors::no_session("unknown or ended session"))?;
        let Ok(mut record) = serde_json::from_slice::<Record>(&stored) else {
            return Err(errors::no_session("session record cannot be read"));
        };
        if record.client_id != context.client_id {
            return Err(errors::no_session("session of another client"));
        }
        let Some(revision) = Revision::parse(&record.revision) else {
            return Err(errors::no_session("session of a revision that is not spoken any more"));
        };
        let now = ports.clock().now();
        let idle = record.idle(now);
        if idle >= IDLE_SECONDS {
            let mut over = Vec::new();
            expire(ports, &context.user_hash, &id, &mut over).map_err(|error| errors::store(&error))?;
            sweep::close(ports, over);
            return Err(errors::no_session("session expired"));
        }
        if idle >= TOUCH_SECONDS {
            record.last_seen = now;
            write(ports, &key, &record)?;
        }
        let log_level = record.log_level.take();
        // An empty key is none: everybody could mark with it.
        let event_key = Some(std::mem::take(&mut record.event_key)).filter(|key| !key.is_empty());
        let (info, capabilities) = (record.client_info.get(), record.client_capabilities.get());
        let caller = caller(context, &id, revision, info, capabilities);
        Ok(Self {
            client: Client { revision, client_id: context.client_id.clone(), log_level, event_key, caller },
            key,
        })
    }

    /// Remove all that is kept of it. Its conversations with upstreams are for the caller to close.
    pub fn delete(&self, ports: &impl Ports) -> Result<(), Refusal> {
        remove(ports, &self.key, &self.client.caller).map_err(|error| errors::store(&error))
    }
}

/// End a session that was not used for too long: all that is kept of it is removed, and who it was is added to `over`, to be
/// [closed](sweep::close). Whether there is nothing of it any more.
pub(crate) fn expire<P: Ports>(
    ports: &P,
    user_hash: &str,
    id: &SessionId,
    over: &mut Vec<Caller>,
) -> Result<bool, StoreError> {
    let Some(keys) = UserKeys::new(user_hash) else { return Ok(true) };
    let key = keys.session(id);
    let record = ports.store().get(&key)?;
    let record = record.map(|stored| serde_json::from_slice::<Record>(&stored));
    if let Some(Ok(record)) = &record
        && record.idle(ports.clock().now()) < IDLE_SECONDS
    {
        return Ok(false);
    }
    let context = Context { user_hash: user_hash.into(), ..Context::default() };
    // What upstreams are told does not depend on what the client was.
    let caller = caller(&context, id, Revision::NEWEST_LEGACY, "{}", "{}");
    // Also where there is no record: whoever removed it may not have come further.
    remove(ports, &key, &caller)?;
    over.extend(record.is_some().then_some(caller));
    Ok(true)
}

fn remove(ports: &impl Ports, key: &str, caller: &Caller) -> Result<(), StoreError> {
    ports.store().delete(key)?;
    Subscriptions::of(ports, caller)?.clear()
}

/// Keep the level of log messages. Two requests that write the record at the same time are rare, and then one of them
/// counts: the level, or the time of the last use.
pub(crate) fn set_level(ports: &impl Ports, client: &Client, level: &str) -> Result<(), Refusal> {
    let id = SessionId::parse(&client.caller.conversation).ok_or_else(|| errors::no_session("not a session id"))?;
    let keys = UserKeys::new(&client.caller.user_hash);
    let key = keys.ok_or_else(|| errors::misconfigured("the user hash is not 32 hex digits"))?.session(&id);
    let stored = ports.store().get(&key).map_err(|error| errors::store(&error))?;
    let record = stored.and_then(|stored| serde_json::from_slice::<Record>(&stored).ok());
    let mut record = record.ok_or_else(|| errors::no_session("session ended meanwhile"))?;
    record.log_level = Some(level.into());
    write(ports, &key, &record)
}

/// Whether the session of this caller is over. A store that does not answer says nothing about it.
pub(crate) fn ended(ports: &impl Ports, caller: &Caller) -> bool {
    let id = SessionId::parse(&caller.conversation);
    let key = UserKeys::new(&caller.user_hash).zip(id).map(|(keys, id)| keys.session(&id));
    key.is_some_and(|key| matches!(ports.store().get(&key), Ok(None)))
}

/// How a client with a session is named towards upstreams.
pub(crate) fn caller(context: &Context, id: &SessionId, revision: Revision, info: &str, capabilities: &str) -> Caller {
    Caller {
        user_hash: context.user_hash.clone(),
        conversation: id.as_str().into(),
        request_id: context.request_id.clone(),
        revision,
        client_info: info.into(),
        client_capabilities: capabilities.into(),
    }
}

fn keys(context: &Context) -> Result<UserKeys, Refusal> {
    UserKeys::new(&context.user_hash).ok_or_else(|| errors::misconfigured("the user hash is not 32 hex digits"))
}

fn write(ports: &impl Ports, key: &str, record: &Record) -> Result<(), Refusal> {
    let text =
        serde_json::to_vec(record).map_err(|error| errors::misconfigured(&format!("session record: {error}")))?;
    ports.store().set(key, &text).map_err(|error| errors::store(&error))
}
