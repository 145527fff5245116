//! Ask an upstream for something the gateway itself makes an answer of.

use crate::calls::{NOTIFY_DEADLINE, within};
use crate::reply;
use crate::request::Ports;
use crate::upstreams::{Call, Caller, Event, HangUp, MessageStream, Reply, UpstreamError, Upstreams};
use shared_mcp::{Era, Message};
use std::time::Duration;

/// What an upstream answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A result: JSON text.
    Result(String),
    /// An error object: JSON text.
    Error(String),
}

/// Send a request and wait for its response. Notifications before it are dropped: they are about a request that the
/// client has not made. Requests of the upstream are answered here, for the same reason.
pub(crate) async fn gather(
    ports: &impl Ports,
    call: Call,
    caller: &Caller,
    era: Era,
    deadline: Duration,
) -> Result<Outcome, UpstreamError> {
    let late = || Err(UpstreamError::TimedOut(format!("no answer within {deadline:?}")));
    within(ports, deadline, exchange(ports, call, caller, era)).await.unwrap_or_else(late)
}

async fn exchange(ports: &impl Ports, call: Call, caller: &Caller, era: Era) -> Result<Outcome, UpstreamError> {
    let upstream = call.upstream.clone();
    let hang_up = if era == Era::Modern { HangUp::Cancel } else { HangUp::LetRun };
    let mut stream = match ports.upstreams().exchange(call, caller, hang_up).await? {
        Reply::Response(data) => return outcome(&data).unwrap_or_else(|| Err(invalid("not a response"))),
        Reply::Accepted => return Err(invalid("202 to a request")),
        Reply::Messages(stream) => stream,
    };
    loop {
        match stream.next().await {
            Some(Event::Message { data, .. }) => {
                if let Some(outcome) = outcome(&data) {
                    return outcome;
                }
                if let Some(message) = std::str::from_utf8(&data).ok().and_then(reply::decline) {
                    let call = Call { upstream: upstream.clone(), message };
                    let answer = ports.upstreams().exchange(call, caller, HangUp::LetRun);
                    let _ = within(ports, NOTIFY_DEADLINE, answer).await;
                }
            }
            Some(Event::Reached { .. }) => {}
            Some(Event::Failed(error)) => return Err(error),
            None => return Err(invalid("the stream ended before the response")),
        }
    }
}

/// The outcome that a message has, if it is a response.
fn outcome(data: &[u8]) -> Option<Result<Outcome, UpstreamError>> {
    let message = std::str::from_utf8(data).ok().and_then(|text| Message::parse(text).ok());
    match message {
        None => Some(Err(invalid("not a JSON-RPC message"))),
        Some(Message::Response { outcome: Ok(result), .. }) => Some(Ok(Outcome::Result(result))),
        Some(Message::Response { outcome: Err(error), .. }) => Some(Ok(Outcome::Error(error))),
        Some(_) => None,
    }
}

fn invalid(why: &str) -> UpstreamError {
    UpstreamError::InvalidReply(why.into())
}
