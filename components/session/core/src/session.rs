//! Sessions of the legacy era: records in the store, so that they outlive the host and any instance can serve them.

use crate::errors::{self, Refusal};
use crate::keys::{SessionId, UserKeys};
use crate::request::{Client, Context, Ports};
use crate::upstreams::Caller;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared_mcp::Revision;
use shared_ports::{Clock, Store};

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
        write(ports, &keys(context)?.session(id), &record)
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
        let idle = now.saturating_sub(record.last_seen);
        if idle >= IDLE_SECONDS {
            ports.store().delete(&key).map_err(|error| errors::store(&error))?;
            return Err(errors::no_session("session expired"));
        }
        if idle >= TOUCH_SECONDS {
            record.last_seen = now;
            write(ports, &key, &record)?;
        }
        let log_level = record.log_level.take();
        // An empty key is none: everybody could mark with it.
        let event_key = Some(std::mem::take(&mut record.event_key)).filter(|key| !key.is_empty());
        let caller = caller(context, &id, revision, record.client_info.get(), record.client_capabilities.get());
        Ok(Self { client: Client { revision, client_id: context.client_id.clone(), log_level, event_key, caller }, key })
    }

    /// End it.
    pub fn delete(&self, ports: &impl Ports) -> Result<(), Refusal> {
        ports.store().delete(&self.key).map_err(|error| errors::store(&error))
    }
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
