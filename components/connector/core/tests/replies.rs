//! What comes back in one piece.

mod common;

use common::*;
use connector_core::UpstreamError;
use shared_ports::{Clock, HttpError};
use std::time::Duration;

const NOTIFICATION: &str = r#"{"jsonrpc":"2.0","method":"notifications/vendor"}"#;

/// What a message brings from a modern upstream that replies so.
fn got(message: &str, reply: Scripted) -> Result<Got, String> {
    let world = World::new(ONE, modern(move |_| reply.clone()));
    world.exchange(&world.instance(), message, &modern_caller()).map_err(|error| error.to_string())
}

fn error(id: &str, code: i64) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"no"}}}}"#)
}

#[test]
fn a_response_is_handed_on_as_it_is() {
    let odd =
        "{\"jsonrpc\":\"2.0\", \"id\" : 7 ,\"result\":{\"n\":1.0e400,\"u\":18446744073709551616,\"s\":\"\\u00e9\"}}\n";
    for reply in [
        json(odd),
        status(200).header("content-type", "Application/JSON; charset=utf-8").bytes(&odd[..9]).bytes(&odd[9..]),
        json(odd).with_status(201),
    ] {
        assert_eq!(got(CALL, reply), Ok(Got::Response(odd.into())));
    }
    let text = r#"{"jsonrpc":"2.0","id":"\u0061","result":{}}"#;
    let call = r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#;
    assert_eq!(got(call, json(text)), Ok(Got::Response(text.into())));
}

#[test]
fn an_error_of_the_upstream_for_this_request_is_a_response_whatever_its_status() {
    for status_code in [200, 400, 404, 409, 500, 503] {
        let text = error("7", -32602);
        assert_eq!(got(CALL, json(text.clone()).with_status(status_code)), Ok(Got::Response(text)), "{status_code}");
    }
}

#[test]
fn other_statuses_are_errors() {
    let long = format!("Bearer x=\"{}\"", "y".repeat(300));
    for (reply, expected) in [
        (status(301).header("location", "https://elsewhere.example"), "refused with HTTP status 301".to_owned()),
        (status(400), "refused with HTTP status 400".into()),
        (status(404), "refused with HTTP status 404".into()),
        (status(429), "refused with HTTP status 429".into()),
        (status(500), "refused with HTTP status 500".into()),
        (json(error("null", -32000)).with_status(500), "refused with HTTP status 500".into()),
        (json(error("8", -32000)).with_status(400), "refused with HTTP status 400".into()),
        (json(RESULT).with_status(500), "refused with HTTP status 500".into()),
        (json("{").with_status(502).step(Step::Break), "refused with HTTP status 502".into()),
        (status(401), "unauthorized: HTTP status 401, challenge: none; check the upstream's headers".into()),
        (
            json(error("7", -32001)).with_status(403).header("www-authenticate", &long),
            format!("unauthorized: HTTP status 403, challenge: {}; check the upstream's headers", &long[..200]),
        ),
    ] {
        assert_eq!(got(CALL, reply), Err(expected));
    }
}

#[test]
fn what_is_not_mcp_is_named() {
    let large = vec![b' '; 5 * 1024 * 1024];
    for (reply, expected) in [
        (status(200), "neither JSON nor server-sent events"),
        (status(200).header("content-type", "text/html").bytes("<p>"), "neither JSON nor server-sent events"),
        (status(200).header("content-type", "application/jsonp").bytes(RESULT), "neither JSON nor server-sent events"),
        (status(202), "a request was answered without a response"),
        (status(204), "a request was answered without a response"),
        (json(""), "not a JSON-RPC message"),
        (json("{"), "not a JSON-RPC message"),
        (json("null"), "not a JSON-RPC message"),
        (json(format!("[{RESULT}]")), "not a JSON-RPC message"),
        (json(r#"{"jsonrpc":"2.0","id":8,"result":{}}"#), "a response to another request"),
        (json(r#"{"jsonrpc":"2.0","id":"7","result":{}}"#), "a response to another request"),
        (json(error("null", -32700)), "a response to another request"),
        (json(PROGRESS), "a JSON body that is no response"),
        (json("").bytes(*b"{\"a\":\"\xff\"}"), "not UTF-8"),
        (json("").bytes(large.clone()).bytes(large), "a message of more than 8388608 bytes"),
        (json("{").step(Step::Break), "the connection broke: reset"),
    ] {
        assert_eq!(got(CALL, reply), Err(format!("invalid reply: {expected}")));
    }
}

#[test]
fn a_notification_needs_no_answer() {
    for reply in [status(202), status(204), status(200), json("{}"), events([""])] {
        assert_eq!(got(NOTIFICATION, reply), Ok(Got::Accepted));
    }
    assert_eq!(
        got(NOTIFICATION, json(error("null", -32600)).with_status(400)),
        Err("refused with HTTP status 400".into())
    );
    assert!(got(NOTIFICATION, status(401)).is_err());
}

#[test]
fn failures_of_the_connection_are_told_apart() {
    for (error, expected) in [
        (HttpError::Unreachable("x".into()), UpstreamError::Unreachable("x".into())),
        (HttpError::TimedOut("x".into()), UpstreamError::TimedOut("x".into())),
        (HttpError::Broken("x".into()), UpstreamError::InvalidReply("the connection broke: x".into())),
    ] {
        assert_eq!(got(CALL, fails(error)), Err(expected.to_string()));
    }
}

#[test]
fn nobody_waits_longer_than_the_settings_say() {
    let settings = r#"{"mcpServers":{"up":{"url":"https://up.example/mcp","timeout":3}}}"#;
    for (reply, seconds) in [
        (json(RESULT).after(Duration::from_secs(60)), 8),
        (json("{").step(Step::Hang), 3),
        (json("{").step(Step::Wait(Duration::from_secs(2))).bytes(" ").step(Step::Wait(Duration::from_secs(2))), 3),
    ] {
        let world = World::new(settings, modern(move |_| reply.clone()));
        let start = world.clock.elapsed();
        let got = world.exchange(&world.instance(), CALL, &modern_caller());
        assert_eq!(got, Err(UpstreamError::TimedOut("no answer in 3 s".into())));
        assert_eq!(world.clock.elapsed() - start, Duration::from_secs(seconds));
    }
}

#[test]
fn the_host_is_told_the_limits_too() {
    let world = World::new(ONE, modern(|_| json(RESULT)));
    world.exchange(&world.instance(), CALL, &modern_caller()).unwrap();
    for request in world.http.log.borrow().iter() {
        assert_eq!(request.connect_timeout, Duration::from_secs(5));
        assert_eq!(request.first_byte_timeout, Duration::from_secs(30));
    }
}
