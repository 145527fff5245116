//! A request on its way to its upstream.

use crate::answer::Out;
use crate::ask::InputRequired;
use crate::calls::Turn;
use crate::complete::AGAIN;
use crate::errors::{self, Refusal};
use crate::logging;
use crate::mirrored;
use crate::modern;
use crate::park;
use crate::relay::{Relay, Source};
use crate::reply::{Finished, Translation};
use crate::request::{Ports, RpcRequest};
use crate::state;
use crate::stream::Streaming;
use crate::subscriptions;
use crate::upstreams::{Reply, UpstreamError};
use futures::future::{Either, select};
use shared_mcp::{Era, Object};
use shared_ports::Clock;
use std::pin::pin;
use std::time::Duration;

/// An answer that takes longer becomes a stream, so that keep-alives can be sent before it, and a client that has gone
/// is noticed.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn translation<P: Ports>(
    turn: &Turn<'_, P>,
    upstream: &str,
    rpc: &RpcRequest<'_>,
) -> Result<Translation, Refusal> {
    Ok(Translation {
        era: turn.client()?.revision.era(),
        naming: turn.naming.clone(),
        upstream: upstream.into(),
        id: rpc.id.clone(),
        method: rpc.method.clone(),
    })
}

/// Hand a request to an upstream, and its answer to the client: at once where it is there soon and in one piece, else
/// as a stream. `message` is the request as the upstream gets it; its id is the client's.
pub(crate) async fn forward<P: Ports>(
    turn: Turn<'_, P>,
    upstream: String,
    message: String,
    rpc: RpcRequest<'_>,
) -> Result<Out, Refusal> {
    let translation = translation(&turn, &upstream, &rpc)?;
    let era = translation.era;
    let own = if era == Era::Modern { state::for_upstream(&upstream, &message)? } else { None };
    if era == Era::Modern
        && let Some(state) = park::state(&rpc.params())
    {
        return park::resume(turn, &rpc, &upstream, message, state).await;
    }
    if era == Era::Legacy
        && let Some(out) = subscriptions::route(&turn, &upstream, &message, &rpc).await?
    {
        turn.facts.upstream = Some(upstream);
        return Ok(out);
    }
    if era == Era::Modern && rpc.method == "tools/call" && !rpc.stands_for_another {
        mirrored::check(&turn, &upstream, &message, &rpc).await?;
    }
    turn.facts.upstream = Some(upstream.clone());
    let keep_alive = turn.keep_alive;
    let client = turn.client()?.clone();
    let message = match (own, &client.log_level) {
        (Some(message), _) => message,
        (None, Some(level)) => logging::with_level(&message, level).unwrap_or(message),
        (None, None) => again(message),
    };
    let relay = Relay { ports: turn.ports.clone(), client, translation, message, token: None, step: None, after: None };
    let exchange = relay.exchange(relay.message.clone());
    let source = match select(exchange, pin!(turn.ports.clock().sleep(PATIENCE))).await {
        Either::Left((Ok(Reply::Response(data)), _)) => {
            let text = String::from_utf8(data).map_err(|_| invalid_reply(&upstream, "not UTF-8"))?;
            if era == Era::Modern && rpc.method == "tools/list" {
                // Without it, headers of calls are only checked by the upstream.
                let _ = mirrored::note_response(turn.ports, &turn.client()?.caller, &upstream, &text);
            }
            if era == Era::Legacy {
                subscriptions::note_response(turn.ports, &turn.client()?.caller, &upstream, &relay.message, &text);
            }
            if InputRequired::wanted(era, &text).is_none() {
                return finished(relay.translation.response(text), &upstream, era);
            }
            Source::Whole(text)
        }
        Either::Left((Ok(Reply::Messages(stream)), _)) => Source::Started(stream),
        Either::Left((Ok(Reply::Accepted), _)) => return Err(invalid_reply(&upstream, "202 to a request")),
        Either::Left((Err(error), _)) => return Err(errors::upstream(&upstream, &error)),
        Either::Right((_, exchange)) => Source::Waiting(exchange),
    };
    Ok(Out::stream(Streaming::new(keep_alive, |out| relay.run(source, out))))
}

/// A request that comes again after the user was somewhere that its upstream of the legacy era wanted: as it was before.
fn again(message: String) -> String {
    if !message.contains(AGAIN) {
        return message;
    }
    let Ok(mut object) = Object::parse(&message) else {
        return message;
    };
    let mut params = object.object("params").unwrap_or_default();
    if params.string("requestState").as_deref() != Some(AGAIN) {
        return message.clone();
    }
    params.remove("requestState");
    params.remove("inputResponses");
    let params = params.to_string();
    object.set("params", params);
    object.to_string()
}

/// The answer that is one response.
pub(crate) fn finished(finished: Result<Finished, &'static str>, upstream: &str, era: Era) -> Result<Out, Refusal> {
    let finished = finished.map_err(|why| invalid_reply(upstream, why))?;
    let status = match (finished.error, era) {
        (Some(code), Era::Modern) => modern::status(code),
        _ => 200,
    };
    Ok(Out::json(status, finished.text))
}

fn invalid_reply(upstream: &str, why: &str) -> Refusal {
    errors::upstream(upstream, &UpstreamError::InvalidReply(why.into()))
}
