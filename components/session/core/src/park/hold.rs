//! The one who holds the upstream's stream while the client is away.

use super::{BEAT_SECONDS, MAX_MESSAGES, PARKED_SECONDS, Records};
use crate::request::Ports;
use crate::stream::LOOK;
use crate::upstreams::{Event, MessageStream};
use futures::future::{Either, select};
use shared_mcp::Message;
use shared_ports::{Clock, Store, StoreError};
use std::ops::Range;
use std::pin::pin;

/// The response in the place of a message that the store did not take: it has less room in a value than a message may
/// have.
const LOST: &str = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"The gateway could not keep what the upstream said while the call waited for its client: a message of more than 1 MiB, or too many of them. The upstream may have acted on the request: check before you repeat it."}}"#;

/// What became of waiting for the next message.
enum Waited {
    Came(Option<Event>),
    /// The client hung up, or did not come again in time.
    Over,
}

/// Put what comes into the mailbox until the response; then wait until it is read. If the client does not come, the stream is
/// dropped, which tells the upstream that the call is cancelled.
pub(super) async fn hold<P: Ports, S: MessageStream>(ports: P, records: Records, mut stream: S) {
    let mut number = 1;
    let filled = fill(&ports, &records, &mut stream, &mut number).await;
    drop(stream);
    if filled.is_err() {
        if ports.store().set(&records.message(number), LOST.as_bytes()).is_err() {
            // Whoever waits finds no sign of life any more.
            return records.clear(&ports, kept(number));
        }
        number = number.saturating_add(1);
    }
    let mut beaten = 0;
    while let Ok(true) = wanted(&ports, &records) {
        beat(&ports, &records, &mut beaten);
        ports.clock().sleep(LOOK).await;
    }
    // Whoever has read the end has removed everything.
    if !matches!(records.get(&ports, "seen"), Ok(None)) {
        records.clear(&ports, kept(number));
    }
}

async fn fill<P: Ports, S: MessageStream>(
    ports: &P,
    records: &Records,
    stream: &mut S,
    number: &mut u64,
) -> Result<(), StoreError> {
    loop {
        let event = match wait(ports, records, stream).await? {
            // Nobody reads it any more.
            Waited::Over => return Ok(()),
            Waited::Came(event) => event,
        };
        let (text, last) = match event {
            Some(Event::Reached { .. }) => continue,
            Some(Event::Message { data, .. }) => match String::from_utf8(data) {
                Ok(text) => sort(text),
                Err(_) => ("!not UTF-8".into(), Some(true)),
            },
            Some(Event::Failed(error)) => (format!("!{error}"), Some(true)),
            None => ("!the stream ended before the response".into(), Some(true)),
        };
        // Those that were read are gone.
        let oldest = number.checked_sub(MAX_MESSAGES).map(|oldest| ports.store().get(&records.message(oldest)));
        let full = oldest.transpose()?.flatten().is_some();
        match last {
            None if full => continue,
            Some(false) if full => return Err(StoreError(format!("more than {MAX_MESSAGES} messages"))),
            _ => ports.store().set(&records.message(*number), text.as_bytes())?,
        }
        *number = number.saturating_add(1);
        if last == Some(true) {
            return Ok(());
        }
    }
}

/// The numbers of the messages that may still be there, before this one.
fn kept(number: u64) -> Range<u64> {
    number.saturating_sub(MAX_MESSAGES.saturating_add(2))..number
}

/// The text, and whether it is the last one; `None` for a notification.
fn sort(text: String) -> (String, Option<bool>) {
    let last = match Message::parse(&text) {
        Ok(Message::Notification { .. }) => None,
        Ok(Message::Request { .. }) => Some(false),
        _ => Some(true),
    };
    (text, last)
}

/// Wait for the next message while somebody may want it.
async fn wait<P: Ports, S: MessageStream>(ports: &P, records: &Records, stream: &mut S) -> Result<Waited, StoreError> {
    let mut next = pin!(stream.next());
    let mut beaten = ports.clock().now();
    loop {
        match select(next.as_mut(), pin!(ports.clock().sleep(LOOK))).await {
            Either::Left((event, _)) => return Ok(Waited::Came(event)),
            Either::Right(((), _)) => {}
        }
        if !wanted(ports, records)? {
            return Ok(Waited::Over);
        }
        beat(ports, records, &mut beaten);
    }
}

/// A sign of life, if it is time for one. What cannot be written is written the next time.
fn beat<P: Ports>(ports: &P, records: &Records, beaten: &mut u64) {
    let now = ports.clock().now();
    if now.saturating_sub(*beaten) >= BEAT_SECONDS && records.stamp(ports, "beat").is_ok() {
        *beaten = now;
    }
}

/// Whether the client has neither hung up, nor read the end, nor stayed away for too long.
fn wanted<P: Ports>(ports: &P, records: &Records) -> Result<bool, StoreError> {
    let seen = records.seconds(ports, "seen")?.unwrap_or(0);
    Ok(ports.clock().now().saturating_sub(seen) < PARKED_SECONDS)
}
