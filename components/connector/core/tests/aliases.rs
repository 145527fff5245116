//! Ids of modern clients' requests on legacy upstreams.

mod common;

use common::*;
use connector_core::{Abandoned, Caller, Interest};
use futures::future::join;
use proptest::prelude::*;
use serde_json::Value;
use std::time::Duration;

/// Two windows of one client: the same conversation, other requests.
fn windows() -> [Caller; 2] {
    ["ra", "rb"].map(|request| Caller { request_id: request.into(), ..modern_caller() })
}

fn call(id: &str, token: Option<&str>) -> String {
    let meta = token.map_or_else(String::new, |token| format!(r#","_meta":{{"progressToken":{token},"v/x":1.0}}"#));
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"a"{meta}}}}}"#)
}

fn progress(token: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":0.50}}}}"#
    )
}

fn result(id: &str, text: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"text":{text}}}}}"#)
}

/// What the upstream got as the id and the progress token of each call.
fn names(world: &World) -> Vec<(Value, Value)> {
    let log = world.http.log.borrow();
    let calls = log.iter().filter(|request| name(request) == "POST tools/call").map(body);
    calls.map(|call| (call["id"].clone(), call["params"]["_meta"]["progressToken"].clone())).collect()
}

#[test]
fn requests_of_two_windows_do_not_collide_in_one_session() {
    let world = World::new(
        ONE,
        legacy(
            |_| true,
            |request| {
                let id = body(request)["id"].to_string();
                events([data(&progress(&id)), data(&result(&id, &id))]).after(Duration::from_secs(1))
            },
        ),
    );
    let connector = world.instance();
    let [a, b] = windows();
    let message = call("1", Some("1"));
    let both = join(
        exchange(&connector, &message, &a, Abandoned::never()),
        exchange(&connector, &message, &b, Abandoned::never()),
    );
    let (first, second) = run(&world.clock, both);
    let names = names(&world);
    assert_eq!(names.len(), 2);
    assert_ne!(names[0].0, names[1].0);
    assert_eq!(world.sent().iter().filter(|sent| *sent == "POST initialize").count(), 1, "one session");
    for (got, (id, token)) in [(first, &names[0]), (second, &names[1])] {
        assert_eq!(id, token);
        assert!(id.is_string());
        // What only looks like an id stays.
        let expected = vec![progress("1"), result("1", &id.to_string())];
        assert_eq!(got, Ok(Got::Messages(expected)));
    }
}

#[test]
fn every_request_has_an_id_of_its_own_also_within_one_of_the_client() {
    let world = World::new(ONE, legacy(|_| true, answered));
    let connector = world.instance();
    let caller = modern_caller();
    for _ in 0..3 {
        assert_eq!(world.exchange(&connector, CALL, &caller), Ok(Got::Response(RESULT.into())));
    }
    let ids: Vec<String> = names(&world).into_iter().map(|(id, _)| id.as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, ["r1-0", "r1-1", "r1-2"]);
}

#[test]
fn only_modern_clients_on_legacy_upstreams_need_other_ids() {
    let message = call("18446744073709551616", Some("\"a\""));
    for (caller, changed) in [(modern_caller(), true), (legacy_caller(), false)] {
        let world = World::new(ONE, legacy(|_| true, answered_raw));
        world.exchange(&world.instance(), &message, &caller).unwrap();
        let log = world.http.log.borrow();
        let sent = String::from_utf8(log.last().unwrap().body.clone()).unwrap();
        let aliased = r#"{"jsonrpc":"2.0","id":"r1-0","method":"tools/call","params":{"name":"a","_meta":{"progressToken":"r1-0","v/x":1.0}}}"#;
        assert_eq!(sent, if changed { aliased } else { message.as_str() });
    }
    for caller in [modern_caller(), legacy_caller()] {
        let world = World::new(ONE, modern(answered_raw));
        world.exchange(&world.instance(), &message, &caller).unwrap();
        let log = world.http.log.borrow();
        let sent = String::from_utf8(log.last().unwrap().body.clone()).unwrap();
        assert!(sent.contains(r#""id":18446744073709551616,"#) && sent.contains(r#""progressToken":"a","#), "{sent}");
    }
}

/// The id's text in the response is the request's.
fn answered_raw(request: &shared_ports::Request) -> Scripted {
    let text = std::str::from_utf8(&request.body).unwrap();
    let message = shared_mcp::Message::parse(text).unwrap();
    json(result(message.id().unwrap(), "1"))
}

#[test]
fn the_client_gets_its_own_id_and_token_back_letter_by_letter_however_the_response_comes() {
    for id in ["1", "-7", "18446744073709551616", r#""a\u00e9""#, r#""r1-0""#] {
        let error = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32602,"message":"r1-0"}}}}"#);
        let alias = |text: String| text.replacen(&format!("\"id\":{id}"), "\"id\":\"\\u00721-0\"", 1);
        let response = result(id, "\"r1-0\"");
        for (reply, expected) in [
            (json(alias(response.clone())), Got::Response(response.clone())),
            (json(alias(error.clone())).with_status(400), Got::Response(error.clone())),
            (events([data(&alias(response.clone()))]), Got::Response(response.clone())),
            (
                events([data(&progress("\"r1-0\"")), data(&progress("1")), data(&alias(response.clone()))]),
                Got::Messages(vec![progress("[2]").replace("[2]", "2.0e1"), progress("1"), response.clone()]),
            ),
        ] {
            let world = World::new(ONE, legacy(|_| true, move |_| reply.clone()));
            let got = world.exchange(&world.instance(), &call(id, Some("2.0e1")), &modern_caller());
            assert_eq!(got, Ok(expected));
        }
    }
}

#[test]
fn what_is_no_response_and_no_progress_of_this_request_stays_as_it_is() {
    let others = [
        r#"{"jsonrpc":"2.0","id":"r1-0","method":"sampling/createMessage","params":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"r1-0"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"r1-0","progressToken":"r1-0"}}"#,
        r#"{"jsonrpc":"2.0", "method":"notifications/progress","params":{"progressToken":"other"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#,
    ];
    let response = r#"{"jsonrpc":"2.0","id":"r1-0","result":{}}"#;
    for message in [call("1", Some("1")), call("1", None)] {
        let world = World::new(
            ONE,
            legacy(|_| true, move |_| events(others.iter().map(|text| data(text)).chain([data(response)]))),
        );
        let Ok(Got::Messages(texts)) = world.exchange(&world.instance(), &message, &modern_caller()) else {
            panic!("no stream")
        };
        assert_eq!(texts[..others.len()], others);
        assert_eq!(texts.last().unwrap(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    }
}

#[test]
fn a_cancellation_names_the_request_as_the_upstream_knows_it() {
    let second = Duration::from_secs(1);
    let silent = move |request: &shared_ports::Request| answered(request).after(3600 * second);
    let hangs = |_: &shared_ports::Request| events([data(PROGRESS)]).step(Step::Hang);
    for world in [World::new(ONE, legacy(|_| true, silent)), World::new(ONE, legacy(|_| true, hangs))] {
        let clock = world.clock.clone();
        let abandoned = Abandoned::when(async move {
            shared_ports::Clock::sleep(&clock, 2 * second).await;
            Interest::Cancelled
        });
        let _ = world.exchange_until(&world.instance(), CALL, &modern_caller(), abandoned);
        let log = world.http.log.borrow();
        let last = log.last().unwrap();
        assert_eq!(name(last), "POST notifications/cancelled");
        assert_eq!(body(last)["params"]["requestId"], "r1-0");
    }
}

#[test]
fn a_renewed_session_gets_the_request_under_an_id_of_its_own_too() {
    let mut first = true;
    let world = World::new(
        ONE,
        legacy(|_| true, move |request| if std::mem::take(&mut first) { status(404) } else { answered(request) }),
    );
    let got = world.exchange(&world.instance(), CALL, &modern_caller());
    assert_eq!(got, Ok(Got::Response(RESULT.into())));
    assert_eq!(names(&world).len(), 2);
}

#[test]
fn what_a_modern_client_says_of_a_request_reaches_no_other_window() {
    let world = World::new(ONE, legacy(|_| true, answered));
    let connector = world.instance();
    world.exchange(&connector, CALL, &modern_caller()).unwrap();
    world.sent();
    for message in [
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
    ] {
        assert_eq!(world.exchange(&connector, message, &modern_caller()), Ok(Got::Accepted));
    }
    assert_eq!(world.sent(), [""; 0]);
    // The gateway declines what the upstream asks of a client that cannot be asked.
    let declined = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#;
    assert_eq!(world.exchange(&connector, declined, &modern_caller()), Ok(Got::Accepted));
    assert_eq!(world.sent(), ["POST -"]);
}

proptest! {
    #[test]
    fn any_id_and_any_token_come_back(id in any::<String>(), token in any::<String>(), request in any::<String>()) {
        let (id, token) = (Value::from(id).to_string(), Value::from(token).to_string());
        let world = World::new(ONE, legacy(|_| true, |request| {
            let body = body(request);
            let token = body["params"]["_meta"]["progressToken"].to_string();
            events([data(&progress(&token)), data(&result(&body["id"].to_string(), "1"))])
        }));
        let caller = Caller { request_id: request, ..modern_caller() };
        let got = world.exchange(&world.instance(), &call(&id, Some(&token)), &caller);
        prop_assert_eq!(got, Ok(Got::Messages(vec![progress(&token), result(&id, "1")])));
    }
}
