//! Tests the `wasi:keyvalue` of the host it runs on, as the gateway uses it. `tests/harness/tests/store.rs` asks over HTTP:
//!
//! * `GET /suite`: all cases, one after the other: `{"name of the case": null or "what went wrong"}`. Each case has keys of its own.
//! * `GET /increment?KEY`: adds one: `{"value": 7}`. Asked by many at once.
//! * `GET /write` and, on a host that was restarted in between, `GET /read`: null, or what went wrong.

mod cases;

use serde_json::{Map, Value, json};
use shared_guest::bindings::wasi::keyvalue::atomics::increment;
use shared_guest::bindings::wasi::keyvalue::store::{self, Bucket};
use shared_guest::http;
use wasip3::http::types::{ErrorCode, Request, Response};

struct Component;

wasip3::http::service::export!(Component);

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let bucket = match store::open("default") {
            Ok(bucket) => bucket,
            Err(error) => return Ok(answer(500, &json!({ "open": format!("{error:?}") }))),
        };
        Ok(match path {
            "/suite" => answer(200, &suite(&bucket)),
            "/increment" => match increment(&bucket, query, 1) {
                Ok(value) => answer(200, &json!({ "value": value })),
                Err(error) => answer(500, &json!({ "increment": format!("{error:?}") })),
            },
            "/write" => answer(200, &told(cases::write(&bucket))),
            "/read" => answer(200, &told(cases::read(&bucket))),
            _ => answer(404, &Value::Null),
        })
    }
}

fn suite(bucket: &Bucket) -> Value {
    cases::CASES.iter().map(|(name, case)| ((*name).to_owned(), told(case(bucket)))).collect::<Map<_, _>>().into()
}

fn told(outcome: cases::Outcome) -> Value {
    outcome.err().map_or(Value::Null, Value::from)
}

fn answer(status: u16, body: &Value) -> Response {
    http::respond(status, &[("content-type".into(), b"application/json".into())], body.to_string().into_bytes())
}
