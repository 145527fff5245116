//! The way back: the response with the router's headers, and the log line when it is over.

use router_core::{Answer, Head, Line, Route};
use shared_guest::{GuestRandom, GuestTime, http};
use shared_ports::{Clock, Random};
use std::time::Duration;
use wasip3::http::types::{ErrorCode, Response};
use wasip3::wit_future;
use wit_bindgen::FutureReader;

/// Headers of answers from behind that only the router may set.
const OWN: [&str; 4] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
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
            route: Route::find(&head.path).map_or("none", Route::name),
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

    /// Hand on an answer from behind: its body goes past the router unread.
    pub fn forward(mut self, response: Response, added: Vec<(String, Vec<u8>)>) -> Response {
        self.line.status = response.get_status_code();
        self.line.headers_ms = self.elapsed();
        let mut headers = http::headers(&response.get_headers());
        headers.retain(|(name, _)| !OWN.contains(&name.as_str()));
        headers.extend(added);
        let (result, behind) = wit_future::new(|| Ok(()));
        let (body, trailers) = Response::consume_body(response, behind);
        let (response, transmitted) = Response::new(http::fields(&headers), Some(body), trailers);
        // The status was legal in the response it comes from.
        let _ = response.set_status_code(self.line.status);
        wit_bindgen::spawn(self.watch(transmitted, result));
        response
    }

    /// Wait for the end of the response, tell whoever made it, and write the line.
    async fn watch(self, transmitted: FutureReader<Result<(), ErrorCode>>, result: wit_bindgen::FutureWriter<Result<(), ErrorCode>>) {
        let end = transmitted.await;
        let outcome = if end.is_ok() { "done" } else { "aborted" };
        // Nobody listens where the maker of the response is gone already.
        let _ = result.write(end).await;
        self.finish(outcome);
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
