//! The way back: the response with the router's headers, and the log line when it is over.

use crate::pump::pump;
use router_core::{Answer, Head, Line};
use shared_guest::{GuestRandom, GuestTime, http};
use shared_ports::{Clock, Random};
use std::time::Duration;
use wasip3::http::types::Response;
use wasip3::{wit_future, wit_stream};

/// Headers of answers from behind that only the router may set.
const OWN: [&str; 6] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "strict-transport-security",
    "x-content-type-options",
    "x-request-id",
];

/// One request and what is known about it so far.
pub struct Exchange {
    line: Line,
    started: Duration,
}

impl Exchange {
    pub fn begin(head: &Head) -> Self {
        let line = Line {
            time: GuestTime.now(),
            request_id: GuestRandom.bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect(),
            route: "none",
            http_method: head.method.chars().take(16).collect(),
            ..Line::default()
        };
        Self { line, started: GuestTime.elapsed() }
    }

    pub fn request_id(&self) -> &str {
        &self.line.request_id
    }

    pub fn line(&mut self) -> &mut Line {
        &mut self.line
    }

    /// Answer by the router itself.
    pub fn answer(mut self, answer: Answer, added: Vec<(String, Vec<u8>)>) -> Response {
        self.line.status = answer.status;
        if !answer.reason.is_empty() {
            self.line.facts.reason = Some(answer.reason);
        }
        let headers = answer.headers.into_iter().chain(added).collect::<Vec<_>>();
        let response = http::respond(answer.status, &headers, answer.body);
        // A short body that is there already: over as soon as it is handed on.
        self.line.headers_ms = self.elapsed();
        self.finish("done");
        response
    }

    /// Hand on an answer from behind. A body of known length is there already and goes past the router unread; a stream
    /// goes through it piece by piece, because no host says reliably when a response is over (wasmtime's handler says
    /// so as soon as it has taken the response).
    pub fn forward(mut self, response: Response, added: Vec<(String, Vec<u8>)>) -> Response {
        self.line.status = response.get_status_code();
        self.line.headers_ms = self.elapsed();
        let mut headers = http::headers(&response.get_headers());
        let is_stream = !headers.iter().any(|(name, _)| name == "content-length");
        headers.retain(|(name, _)| !OWN.contains(&name.as_str()));
        headers.extend(added);
        let (result, behind) = wit_future::new(|| Ok(()));
        drop(result);
        let (mut body, trailers) = Response::consume_body(response, behind);
        let status = self.line.status;
        if is_stream {
            let (writer, reader) = wit_stream::new();
            let source = std::mem::replace(&mut body, reader);
            wit_bindgen::spawn(async move {
                let outcome = if pump(source, writer).await { "done" } else { "aborted" };
                self.finish(outcome);
            });
        } else {
            self.finish("done");
        }
        let (response, transmitted) = Response::new(http::fields(&headers), Some(body), trailers);
        drop(transmitted);
        // The status was legal in the response it comes from.
        let _ = response.set_status_code(status);
        response
    }

    fn elapsed(&self) -> f64 {
        // Whole microseconds, as milliseconds.
        let micros = GuestTime.elapsed().saturating_sub(self.started).as_micros();
        u32::try_from(micros).map_or(f64::from(u32::MAX), f64::from) / 1000.0
    }

    fn finish(mut self, outcome: &'static str) {
        self.line.outcome = outcome;
        self.line.total_ms = self.elapsed();
        // One write a line, so that lines of concurrent requests do not mix.
        println!("{}", self.line.to_json());
    }
}
