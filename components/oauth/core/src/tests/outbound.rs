//! What is asked of others, down to the port.

use super::bench::now;
use crate::outbound::{Fetch, FetchError, Outbound, Outside, Reach};
use futures::future::Either;
use shared_ports::{Body, Clock, Http, HttpError, Request, Response};
use std::cell::RefCell;
use std::future::{Future, pending, ready};
use std::time::Duration;

/// Answers with pieces, then with nothing for ever, or with an end.
struct Pieces {
    pieces: Vec<usize>,
    ends: bool,
    seen: RefCell<Vec<Request>>,
}

struct Left {
    pieces: Vec<usize>,
    ends: bool,
}

impl Http for Pieces {
    type Body = Left;
    async fn send(&self, request: Request) -> Result<Response<Left>, HttpError> {
        self.seen.borrow_mut().push(request);
        let body = Left { pieces: self.pieces.clone(), ends: self.ends };
        Ok(Response { status: 200, headers: Vec::new(), body })
    }
}

impl Body for Left {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        match self.pieces.pop() {
            Some(length) => Ok(Some(vec![b'x'; length])),
            None if self.ends => Ok(None),
            None => pending().await,
        }
    }
}

/// Time that passes at once, up to ten seconds; after that it stands still.
struct Hurried;

impl Clock for Hurried {
    fn now(&self) -> u64 {
        0
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        if duration <= Duration::from_secs(10) { Either::Left(ready(())) } else { Either::Right(pending()) }
    }
}

fn fetch(
    pieces: &[usize],
    ends: bool,
    reach: Reach,
    header: Option<&str>,
) -> (Result<usize, FetchError>, Vec<Request>) {
    let http = Pieces { pieces: pieces.to_vec(), ends, seen: RefCell::default() };
    let outbound = Outbound { http, clock: Hurried, public_only_header: header.map(String::from) };
    let fetch = Fetch {
        method: "GET",
        url: "https://a.example/x".into(),
        headers: vec![("accept", "application/json".into())],
        body: Vec::new(),
        limit: 100,
        timeout: Duration::from_secs(10),
        reach,
    };
    let result = now(outbound.fetch(fetch)).map(|answer| answer.body.len());
    (result, outbound.http.seen.into_inner())
}

#[test]
fn an_answer_is_read_up_to_its_cap_and_within_its_time() {
    for (pieces, ends, expected) in [
        (&[][..], true, Ok(0)),
        (&[50, 50], true, Ok(100)),
        (&[50, 51], true, Err(FetchError::TooLarge(100))),
        (&[1000], false, Err(FetchError::TooLarge(100))),
        (&[1, 1, 1], false, Err(FetchError::TooSlow(10))),
        (&[], false, Err(FetchError::TooSlow(10))),
    ] {
        assert_eq!(fetch(pieces, ends, Reach::Public, None).0, expected, "{pieces:?}");
    }
}

#[test]
fn the_host_is_told_to_connect_to_public_addresses_only() {
    for (reach, header, expected) in [
        (Reach::Public, Some("x-guard"), Some("public")),
        (Reach::PublicOrLoopback, Some("x-guard"), Some("public, loopback")),
        (Reach::Anywhere, Some("x-guard"), None),
        (Reach::Public, None, None),
    ] {
        let (_, seen) = fetch(&[], true, reach, header);
        let guard = seen[0].headers.iter().find(|(name, _)| name == "x-guard");
        let guard = guard.map(|(_, value)| String::from_utf8(value.clone()).unwrap());
        assert_eq!(guard.as_deref(), expected, "{reach:?}");
        assert_eq!((seen[0].connect_timeout.as_secs(), seen[0].first_byte_timeout.as_secs()), (10, 10));
    }
}
