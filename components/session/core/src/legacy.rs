//! Messages of the legacy era (2025-03-26 to 2025-11-25): `initialize` starts a session, everything else names it.

use crate::answer::{Out, header};
use crate::ask;
use crate::calls::{self, NOTIFY_DEADLINE, Turn};
use crate::cancel;
use crate::classify::MODERN_ONLY;
use crate::describe;
use crate::errors::{self, Refusal, invalid_params};
use crate::keys::SessionId;
use crate::request::{Client, Context, HttpRequest, Ports, RpcRequest};
use crate::session::{Session, caller};
use crate::tags;
use crate::tasks;
use crate::upstreams::{Call, HangUp, Upstreams};
use crate::wait::random_name;
use futures::future::join_all;
use shared_mcp::{Era, Message, Object, Revision, code, header as mcp_header, result_response};

/// Most bytes of `clientInfo` and of `capabilities`: both are kept in the store for each session. Real ones have some
/// hundred bytes; icons as data URLs may take more.
const MAX_CLIENT: usize = 64 * 1024;

/// Serve a message of the legacy era.
pub(crate) async fn serve<P: Ports>(
    turn: Turn<'_, P>,
    request: &HttpRequest,
    context: &Context,
    message: Message<'_>,
) -> Result<Out, Refusal> {
    if let Message::Request { id, method, object, .. } = &message
        && method == "initialize"
    {
        let rpc =
            RpcRequest { id: id.clone(), method: method.clone(), object: object.clone(), stands_for_another: false };
        return initialize(turn, context, &rpc).await;
    }
    let client = named(turn.ports, request, context)?.client;
    turn.facts.revision = Some(client.revision.as_str());
    self::message(turn, client, message).await
}

/// Serve a message of a session.
pub(crate) async fn message<P: Ports>(
    mut turn: Turn<'_, P>,
    client: Client,
    message: Message<'_>,
) -> Result<Out, Refusal> {
    match message {
        Message::Request { id, method, object, .. } => {
            let rpc = RpcRequest { id, method, object, stands_for_another: false };
            // An upstream of the modern era would know them.
            if MODERN_ONLY.contains(&rpc.method.as_str()) {
                return Err(errors::no_method(&rpc.method));
            }
            turn.client = Some(client);
            calls::serve(turn, rpc).await
        }
        Message::Notification { method, object, .. } => {
            notify(&turn, &client, &method, &object).await;
            Ok(Out::empty(202))
        }
        Message::Response { id, object, .. } => respond(turn, &client, id.as_deref(), object).await,
        _ => Err(Refusal::new(400, code::INVALID_REQUEST, "The body is not a JSON-RPC message.")),
    }
}

/// DELETE: the client does not need the session any more.
pub(crate) async fn end<P: Ports>(ports: &P, request: &HttpRequest, context: &Context) -> Result<Out, Refusal> {
    let session = named(ports, request, context)?;
    session.delete(ports)?;
    // The session is over whether or not the upstreams hear of it; they end theirs when they have been idle.
    let close = ports.upstreams().close(&session.client.caller);
    let _ = calls::within(ports, NOTIFY_DEADLINE, close).await;
    Ok(Out::empty(204))
}

/// The session that the request names.
pub(crate) fn named(ports: &impl Ports, request: &HttpRequest, context: &Context) -> Result<Session, Refusal> {
    let Some(id) = request.header(mcp_header::SESSION_ID)? else {
        let message = "The header `Mcp-Session-Id` is missing: start a session with `initialize` first.";
        return Err(Refusal::new(400, code::INVALID_REQUEST, message));
    };
    Session::open(ports, context, id)
}

async fn initialize<P: Ports>(mut turn: Turn<'_, P>, context: &Context, rpc: &RpcRequest<'_>) -> Result<Out, Refusal> {
    let params = rpc.params();
    let wrong = |member: &str| invalid_params(format!("`{member}` is missing or not what it should be."));
    let requested = params.string("protocolVersion").ok_or_else(|| wrong("protocolVersion"))?;
    // The same if it is spoken in this way, else the newest (lifecycle, "Version Negotiation").
    let revision =
        Revision::parse(&requested).filter(|revision| revision.era() == Era::Legacy).unwrap_or(Revision::NEWEST_LEGACY);
    turn.facts.revision = Some(revision.as_str());
    let object = |member: &str| {
        let text = params.get(member).filter(|text| text.len() <= MAX_CLIENT);
        text.filter(|text| Object::parse(text).is_ok()).map(str::to_owned).ok_or_else(|| wrong(member))
    };
    let info = object("clientInfo")?;
    let capabilities = object("capabilities")?;
    let id = SessionId::random(turn.ports.random());
    let client = Client {
        revision,
        client_id: context.client_id.clone(),
        log_level: None,
        event_key: Some(random_name(turn.ports.random())),
        caller: caller(context, &id, revision, &info, &capabilities),
    };
    Session::create(turn.ports, context, &id, &client)?;
    turn.client = Some(client.clone());
    let result = describe::initialize(&mut turn, &client).await;
    let mut out = Out::json(200, result_response(&rpc.id, &result));
    out.headers.push(header(mcp_header::SESSION_ID, id.as_str()));
    Ok(out)
}

/// Hand a notification on. Nobody waits for an answer, so what goes wrong goes wrong silently.
///
/// `notifications/initialized` ends here: the connector says it to each upstream itself. Progress of an upstream's own
/// request goes to that upstream. All others go to every upstream: ids of requests reach upstreams as the client gave
/// them and a client never uses one twice in a session (basic/index, "Requests"), so a cancellation means something to
/// that upstream only which has the request, and is ignored by the others as the specification wants it.
async fn notify<P: Ports>(turn: &Turn<'_, P>, client: &Client, method: &str, object: &Object<'_>) {
    let exchange = |upstream: &str, message: String| {
        let upstreams = turn.ports.upstreams().clone();
        let call = Call { upstream: upstream.into(), message };
        async move {
            let sent = upstreams.exchange(call, &client.caller, HangUp::LetRun);
            let _ = turn.within(NOTIFY_DEADLINE, sent).await;
        }
    };
    match method {
        "notifications/initialized" => {}
        "notifications/cancelled" => {
            // Upstreams of the legacy era get the notification; those of the modern era see that nobody listens any more.
            let params = object.object("params").unwrap_or_default();
            if let Some(id) = params.get("requestId") {
                cancel::cancel(turn.ports, client, id);
            }
            let text = object.to_string();
            join_all(turn.naming.upstreams.iter().map(|upstream| exchange(upstream, text.clone()))).await;
        }
        "notifications/progress" => {
            let mut params = object.object("params").unwrap_or_default();
            let token = params.get("progressToken").and_then(|token| tags::untag(token, &turn.naming.upstreams));
            if let Some((upstream, token)) = token {
                params.set("progressToken", token);
                let mut message = object.clone();
                message.set("params", params.to_string());
                exchange(&upstream, message.to_string()).await;
            }
        }
        _ => {
            // As with requests: what the gateway does not know it cannot check.
            let known = matches!(method, "notifications/roots/list_changed" | "notifications/tasks/status");
            let upstreams = turn.naming.upstreams.iter().filter(|upstream| known || !turn.naming.restricts(upstream));
            let text = object.to_string();
            join_all(upstreams.map(|upstream| exchange(upstream, text.clone()))).await;
        }
    }
}

/// Hand the client's answer to an upstream's own request on to that upstream.
async fn respond<P: Ports>(
    turn: Turn<'_, P>,
    client: &Client,
    id: Option<&str>,
    mut object: Object<'_>,
) -> Result<Out, Refusal> {
    if let Some(name) = id.and_then(ask::question) {
        ask::deliver(turn.ports, client, &name, &object.to_string())?;
        return Ok(Out::empty(202));
    }
    let Some((upstream, id)) = id.and_then(|id| tags::untag(id, &turn.naming.upstreams)) else {
        let message = "The response's `id` is none that the gateway has given to a request.";
        return Err(Refusal::new(400, code::INVALID_REQUEST, message));
    };
    object.set("id", id);
    if let Some(result) = object.get("result").and_then(|result| tasks::response_inward(&turn.naming, result)) {
        object.set("result", result);
    }
    let call = Call { upstream: upstream.clone(), message: object.to_string() };
    turn.facts.upstream = Some(upstream.clone());
    match turn.ports.upstreams().exchange(call, &client.caller, HangUp::LetRun).await {
        Ok(_) => Ok(Out::empty(202)),
        Err(error) => Err(Refusal { status: 502, ..errors::upstream(&upstream, &error) }),
    }
}
