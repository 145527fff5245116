//! Requests of the modern era (2026-07-28): everything is in the request, and its headers repeat what intermediaries
//! need. A header that says other than the body is refused, so that nobody on the way is led astray.

use crate::answer::{Out, column};
use crate::calls::{self, Turn};
use crate::describe::GATEWAY_INFO;
use crate::errors::{self, Refusal, invalid_params, unsupported_version};
use crate::keys::hex;
use crate::request::{Client, Context, HttpRequest, Ports, RpcRequest};
use crate::upstreams::{Call, Caller, HangUp, Upstreams};
use sha2::{Digest, Sha256};
use shared_mcp::{Era, ErrorObject, Message, Object, Revision, code, header, meta};

/// Methods of the legacy era that are gone (changelog of 2026-07-28): upstreams of that era would still know them.
const GONE: [&str; 7] = [
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
    "tasks/list",
    "tasks/result",
];

/// Serve a message of the modern era.
pub(crate) async fn serve<P: Ports>(
    mut turn: Turn<'_, P>,
    request: &HttpRequest,
    context: &Context,
    message: Message<'_>,
) -> Result<Out, Refusal> {
    turn.facts.revision = Some(Revision::NEWEST.as_str());
    match message {
        Message::Request { id, method, object, .. } => {
            let rpc = RpcRequest { id, method, object, stands_for_another: false };
            let client = check(request, context, &rpc)?;
            if GONE.contains(&rpc.method.as_str()) {
                return Err(Refusal { status: 404, ..errors::no_method(&rpc.method) });
            }
            turn.client = Some(client);
            calls::serve(turn, rpc).await.map_err(|refusal| Refusal {
                status: if refusal.status == 200 { status(refusal.error.code) } else { refusal.status },
                ..refusal
            })
        }
        Message::Notification { method, object, .. } => {
            check_method(request, &method)?;
            // Without a session there is nothing that a notification could refer to but what the single upstream knows.
            // As with requests: what the gateway does not know it cannot check.
            if let Some(only) = turn.naming.only().filter(|only| !turn.naming.restricts(only)) {
                let call = Call { upstream: only.into(), message: object.to_string() };
                let caller = caller(context, Object::new());
                let _ = turn
                    .within(calls::NOTIFY_DEADLINE, turn.ports.upstreams().exchange(call, &caller, HangUp::LetRun))
                    .await;
            }
            Ok(Out::empty(202))
        }
        _ => {
            let message = "This revision of the protocol has no requests to clients, so no responses from them.";
            Err(Refusal::new(400, code::INVALID_REQUEST, message))
        }
    }
}

/// The HTTP status of a JSON-RPC error (basic/index, "Error Codes"; streamable-http, "Protocol Version Header").
pub(crate) fn status(code: i64) -> u16 {
    match code {
        code::PARSE_ERROR
        | code::INVALID_REQUEST
        | code::HEADER_MISMATCH
        | code::MISSING_CLIENT_CAPABILITY
        | code::UNSUPPORTED_PROTOCOL_VERSION => 400,
        code::METHOD_NOT_FOUND => 404,
        _ => 200,
    }
}

/// Check headers and `_meta` of a request; who it is from.
fn check(request: &HttpRequest, context: &Context, rpc: &RpcRequest<'_>) -> Result<Client, Refusal> {
    let params = rpc.params();
    let meta = params.object("_meta").unwrap_or_default();
    let missing = |what: &str| Refusal { status: 400, ..invalid_params(format!("`_meta` must have `{what}`.")) };
    let version = meta.string(meta::PROTOCOL_VERSION).ok_or_else(|| missing(meta::PROTOCOL_VERSION))?;
    match repeated(request, header::PROTOCOL_VERSION)? {
        None => return Err(mismatch("The header `MCP-Protocol-Version` is missing.".into())),
        Some(value) if value != version => {
            return Err(mismatch("The header `MCP-Protocol-Version` differs from the version in `_meta`.".into()));
        }
        Some(_) => {}
    }
    let revision = Revision::parse(&version)
        .filter(|revision| revision.era() == Era::Modern)
        .ok_or_else(|| unsupported_version(&version))?;
    check_method(request, &rpc.method)?;
    check_name(request, &rpc.method, &params)?;
    if meta.object(meta::CLIENT_CAPABILITIES).is_none() {
        return Err(missing(meta::CLIENT_CAPABILITIES));
    }
    if meta.get(meta::CLIENT_INFO).is_some() && meta.object(meta::CLIENT_INFO).is_none() {
        return Err(missing(meta::CLIENT_INFO));
    }
    Ok(Client {
        revision,
        client_id: context.client_id.clone(),
        log_level: None,
        event_key: None,
        caller: caller(context, meta),
    })
}

fn check_method(request: &HttpRequest, method: &str) -> Result<(), Refusal> {
    match repeated(request, header::METHOD)? {
        Some(value) if value == method => Ok(()),
        Some(_) => Err(mismatch("The header `Mcp-Method` differs from the method in the body.".into())),
        None => Err(mismatch("The header `Mcp-Method` is missing.".into())),
    }
}

fn check_name(request: &HttpRequest, method: &str, params: &Object<'_>) -> Result<(), Refusal> {
    let Some(member) = header::name_member(method) else {
        return Ok(());
    };
    // A body without it has its own error, later and by whoever knows the method.
    let Some(expected) = params.string(member) else {
        return Ok(());
    };
    let value = repeated(request, header::NAME)?.ok_or_else(|| mismatch("The header `Mcp-Name` is missing.".into()))?;
    match header::decode(value) {
        Some(name) if name == expected => Ok(()),
        Some(_) => Err(mismatch(format!("The header `Mcp-Name` differs from `{member}` in the body."))),
        None => Err(mismatch("The header `Mcp-Name` is not valid Base64.".into())),
    }
}

/// A header that repeats something of the body; one that is unclear is no repetition.
pub(crate) fn repeated<'r>(request: &'r HttpRequest, name: &str) -> Result<Option<&'r str>, Refusal> {
    request.header(name).map_err(|_| mismatch(format!("The header `{name}` must be there once, as ASCII text.")))
}

pub(crate) fn mismatch(message: String) -> Refusal {
    Refusal::of(400, ErrorObject::new(code::HEADER_MISMATCH, column(&message)))
}

/// How a client without a session is named towards upstreams: all requests of a user through one OAuth client that declare
/// the same capabilities are one conversation with those upstreams that want sessions. An upstream learns at the start of a
/// session what it may ask of the client, so clients that declare something else need another one. The first part of the name
/// is the client's: of the conversations of one client the connector keeps the newest few, so that a client that declares
/// something else with each request does not fill the store and the upstreams.
fn caller(context: &Context, meta: Object<'_>) -> Caller {
    let capabilities = meta.get(meta::CLIENT_CAPABILITIES).unwrap_or("{}");
    // Sorted, and without meaningless space.
    let declared: serde_json::Value = serde_json::from_str(capabilities).unwrap_or_default();
    let part = |digest: &[u8], bytes: usize| hex(digest.get(..bytes).unwrap_or_default());
    let client = Sha256::digest(&context.client_id);
    let mut digest = Sha256::new();
    digest.update(client);
    digest.update(declared.to_string());
    let (client, conversation) = (part(&client, 12), part(&digest.finalize(), 16));
    Caller {
        user_hash: context.user_hash.clone(),
        conversation: format!("client-{client}-{conversation}"),
        request_id: context.request_id.clone(),
        revision: Revision::NEWEST,
        client_info: meta.get(meta::CLIENT_INFO).unwrap_or(GATEWAY_INFO).into(),
        client_capabilities: capabilities.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: (&str, &str) = ("mcp-protocol-version", "2026-07-28");

    fn body(method: &str, params: &str, meta: &str) -> String {
        let comma = if params.is_empty() { "" } else { "," };
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}{comma}"_meta":{{{meta}}}}}}}"#)
    }

    fn full() -> String {
        format!(r#""{}":"2026-07-28","{}":{{}}"#, meta::PROTOCOL_VERSION, meta::CLIENT_CAPABILITIES)
    }

    fn verdict(headers: &[(&str, &str)], body: &str) -> Result<Client, (u16, i64)> {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
        let request = HttpRequest { headers, ..HttpRequest::default() };
        let Ok(Message::Request { id, method, object, .. }) = Message::parse(body) else { panic!("{body}") };
        check(&request, &Context::default(), &RpcRequest { id, method, object, stands_for_another: false })
            .map_err(|r| (r.status, r.error.code))
    }

    fn refused(headers: &[(&str, &str)], body: &str, code: i64) {
        assert_eq!(verdict(headers, body).map(|_| ()), Err((400, code)), "{headers:?} {body}");
    }

    #[test]
    fn headers_must_repeat_the_body() {
        let call = body("tools/call", r#""name":"demo_echo""#, &full());
        let method = ("mcp-method", "tools/call");
        let name = ("mcp-name", "demo_echo");
        assert!(verdict(&[VERSION, method, name], &call).is_ok());
        assert!(verdict(&[VERSION, method, ("mcp-name", "=?base64?ZGVtb19lY2hv?=")], &call).is_ok());
        assert!(verdict(&[VERSION, ("mcp-method", "  tools/call "), name], &call).is_ok());
        refused(&[method, name], &call, code::HEADER_MISMATCH);
        refused(&[("mcp-protocol-version", "2025-11-25"), method, name], &call, code::HEADER_MISMATCH);
        refused(&[VERSION, name], &call, code::HEADER_MISMATCH);
        refused(&[VERSION, ("mcp-method", "Tools/Call"), name], &call, code::HEADER_MISMATCH);
        refused(&[VERSION, method, ("mcp-method", "tools/list"), name], &call, code::HEADER_MISMATCH);
        refused(&[VERSION, method], &call, code::HEADER_MISMATCH);
        refused(&[VERSION, method, ("mcp-name", "Demo_echo")], &call, code::HEADER_MISMATCH);
        refused(&[VERSION, method, ("mcp-name", "=?base64?ZGVtb19lY2h?=")], &call, code::HEADER_MISMATCH);
        refused(&[VERSION, method, ("mcp-name", "é")], &call, code::HEADER_MISMATCH);
    }

    #[test]
    fn each_method_has_its_own_name() {
        for (method, params, name) in [
            ("prompts/get", r#""name":"p""#, "p"),
            ("resources/read", r#""uri":"test://é""#, "=?base64?dGVzdDovL8OpCg==?="),
            ("tasks/get", r#""taskId":"t""#, "t"),
        ] {
            let name = if method == "resources/read" { header::encode("test://é") } else { name.to_owned() };
            let body = body(method, params, &full());
            assert!(verdict(&[VERSION, ("mcp-method", method), ("mcp-name", &name)], &body).is_ok(), "{body}");
            refused(&[VERSION, ("mcp-method", method), ("mcp-name", "x")], &body, code::HEADER_MISMATCH);
        }
        assert!(verdict(&[VERSION, ("mcp-method", "tools/list")], &body("tools/list", "", &full())).is_ok());
    }

    #[test]
    fn the_protocol_fields_of_meta_are_required() {
        let headers = [VERSION, ("mcp-method", "tools/list")];
        let version = format!(r#""{}":"2026-07-28""#, meta::PROTOCOL_VERSION);
        let capabilities = format!(r#""{}":{{}}"#, meta::CLIENT_CAPABILITIES);
        refused(&headers, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, code::INVALID_PARAMS);
        refused(&headers, &body("tools/list", "", ""), code::INVALID_PARAMS);
        refused(&headers, &body("tools/list", "", &capabilities), code::INVALID_PARAMS);
        refused(&headers, &body("tools/list", "", &version), code::INVALID_PARAMS);
        refused(&headers, &body("tools/list", "", &capabilities.replace("{}", "[]")), code::INVALID_PARAMS);
        refused(
            &headers,
            &body("tools/list", "", &format!(r#"{},"{}":1"#, full(), meta::CLIENT_INFO)),
            code::INVALID_PARAMS,
        );
        let info = format!(r#"{},"{}":{{"name":"c","version":"1","x":1.0}}"#, full(), meta::CLIENT_INFO);
        let client = verdict(&headers, &body("tools/list", "", &info)).unwrap();
        assert_eq!(client.caller.client_info, r#"{"name":"c","version":"1","x":1.0}"#);
        assert_eq!(client.caller.client_capabilities, "{}");
    }

    #[test]
    fn another_version_is_named_with_those_that_are_spoken() {
        for version in ["2025-11-25", "2099-01-01", ""] {
            let meta = full().replace("2026-07-28", version);
            let headers = [("mcp-protocol-version", version), ("mcp-method", "tools/list")];
            refused(&headers, &body("tools/list", "", &meta), code::UNSUPPORTED_PROTOCOL_VERSION);
        }
        let supported = |requested| unsupported_version(requested).error.data.unwrap()["supported"].clone();
        assert_eq!(
            supported("2099-01-01"),
            serde_json::json!(["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"])
        );
        assert_eq!(supported("2025-11-25"), serde_json::json!(["2026-07-28", "2025-06-18", "2025-03-26"]));
    }

    #[test]
    fn conversations_without_a_session_belong_to_the_client() {
        let of = |client: &str, capabilities: &str| {
            let meta = format!(r#"{{"{}":{capabilities}}}"#, meta::CLIENT_CAPABILITIES);
            let context = Context { client_id: client.into(), ..Context::default() };
            caller(&context, Object::parse(&meta).unwrap()).conversation
        };
        assert_eq!(of("a", "{}"), of("a", "{}"));
        assert_ne!(of("a", "{}"), of("b", "{}"));
        assert_ne!(of("a", "{}"), of("a", r#"{"roots":{}}"#));
        assert_eq!(of("a", r#"{"roots":{},"sampling":{}}"#), of("a", r#"{ "sampling":{}, "roots":{} }"#));
        assert!(of("https://client.example/metadata.json", "{}").len() <= 64);
        let family = |conversation: String| conversation.rsplit_once('-').unwrap().0.to_owned();
        assert_eq!(family(of("a", "{}")), family(of("a", r#"{"experimental":{"x":{}}}"#)));
        assert_ne!(family(of("a", "{}")), family(of("b", "{}")));
    }
}
