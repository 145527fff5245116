//! Upstreams that send anything at all.

mod common;

use common::*;
use connector_core::{Abandoned, Interest, Subject};
use proptest::prelude::*;
use shared_mcp::Message;
use shared_ports::Clock;
use std::time::Duration;

fn content_type() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("application/json"), Just("text/event-stream"), Just("text/html")]
}

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let likely = prop_oneof![
        Just(RESULT.as_bytes().to_vec()),
        Just(data(RESULT).into_bytes()),
        Just(data(PROGRESS).into_bytes()),
        Just(b"id: 1\nretry: 1\n".to_vec()),
        Just(b"data: {".to_vec()),
        Just(b"\n\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(likely, 0..6)
}

fn check(
    reply: Scripted,
    server: impl FnMut(&shared_ports::Request) -> Scripted + 'static,
) -> Result<(), TestCaseError> {
    let world = World::new(ONE, server);
    let texts = match world.exchange(&world.instance(), CALL, &legacy_caller()) {
        Ok(Got::Response(text)) => vec![text],
        Ok(Got::Messages(texts)) => texts,
        Ok(Got::Accepted) => return Err(TestCaseError::fail("a request was accepted without a response")),
        Err(_) => return Ok(()),
    };
    let last = texts.last().ok_or_else(|| TestCaseError::fail("neither response nor failure"))?;
    // Event ids are in front of the text.
    let text = last.split_once(": {").map_or(last.clone(), |(_, rest)| format!("{{{rest}"));
    if let Ok(message) = Message::parse(&text) {
        prop_assert_eq!(message.id(), Some("7"), "{:?}", reply.status);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_a_call_is_answered_with_it_ends_with_its_response_or_an_error(
        content_type in content_type(), pieces in pieces(), status_code in prop_oneof![Just(200_u16), 200_u16..600]
    ) {
        let mut reply = status(status_code).header("content-type", content_type);
        for piece in pieces {
            reply = reply.bytes(piece);
        }
        let answer = reply.clone();
        check(reply.clone(), modern(move |_| answer.clone()))?;
        let answer = reply.clone();
        check(reply, legacy(|_| true, move |_| answer.clone()))?;
    }

    #[test]
    fn whatever_comes_on_a_stream_that_is_listened_to_nothing_panics_grows_or_spins(
        content_type in content_type(), pieces in pieces(), status_code in prop_oneof![Just(200_u16), 200_u16..600],
        after in prop_oneof![Just(None), "\\PC{0,3}".prop_map(Some)], era in prop_oneof![Just(false), Just(true)]
    ) {
        let mut reply = status(status_code).header("content-type", content_type);
        for piece in pieces {
            reply = reply.bytes(piece);
        }
        let world = match era {
            true => World::new(ONE, modern(move |_| reply.clone())),
            false => World::new(ONE, legacy(|_| true, move |_| reply.clone())),
        };
        let connector = world.instance();
        let caller = if era { modern_caller() } else { legacy_caller() };
        let notifications = r#"{"toolsListChanged":true}"#.into();
        let subject = Subject { upstream: "up".into(), after, notifications };
        let clock = world.clock.clone();
        // An hour is enough to spin in.
        let abandoned = Abandoned::when(async move {
            clock.sleep(Duration::from_secs(3600)).await;
            Interest::Ended
        });
        let events = run(&world.clock, async {
            let _ = connector.status("up", &caller).await;
            let Ok(Some(mut listening)) = connector.listen(&subject, &caller, abandoned).await else { return 0 };
            let mut events = 0_usize;
            while events < 1000 && listening.next(&connector).await.is_some() {
                events += 1;
            }
            events
        });
        let asked = world.http.log.borrow().len();
        // 50 ms between two connections is the least, a wait that doubles the rule where nothing is new.
        prop_assert!(asked < 1500, "{asked} requests, {events} events");
    }

    #[test]
    fn whatever_a_handshake_is_answered_with_nothing_panics(
        content_type in content_type(), pieces in pieces(), status_code in 200_u16..600
    ) {
        let mut reply = status(status_code).header("content-type", content_type);
        for piece in pieces {
            reply = reply.bytes(piece);
        }
        let world = World::new(ONE, move |_| reply.clone());
        let _ = world.exchange(&world.instance(), CALL, &legacy_caller());
        let _ = run(&world.clock, world.instance().status("up", &modern_caller()));
    }
}
