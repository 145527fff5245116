//! One route for each thing a guest can do to its host, good or bad. The host's tests call them over HTTP.

use shared_guest::bindings::wasi::keyvalue::{atomics, store};
use shared_guest::client::GuestHttp;
use shared_guest::{GuestConfig, GuestStore, GuestTime, http};
use shared_ports::{Body, Clock, Config, Http, Store};
use std::cell::Cell;
use std::time::Duration;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_future, wit_stream};

struct Component;

wasip3::http::service::export!(Component);

thread_local! {
    /// Requests this instance has seen: shows that instances are reused.
    static SEEN: Cell<u32> = const { Cell::new(0) };
}

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        SEEN.set(SEEN.get() + 1);
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/hello" => Ok(text("hello")),
            "/seen" => Ok(text(&SEEN.get().to_string())),
            "/request" => Ok(text(&describe(&request))),
            "/echo" => Ok(echo(request)),
            "/ticks" => Ok(ticks(query)),
            "/clock" => Ok(text(&GuestTime.now().to_string())),
            "/config" => Ok(text(&format!("{:?}", GuestConfig.value(query)))),
            "/increment" => Ok(text(&format!("{:?}", GuestStore::default().increment(query, 1)))),
            "/get" => Ok(text(&format!("{:?}", GuestStore::default().get(query)))),
            "/swap" => Ok(text(&swap(query))),
            "/fetch" => Ok(fetch(query).await),
            "/log" => {
                println!("{query}");
                Ok(text("logged"))
            }
            "/wait" => {
                GuestTime.sleep(Duration::from_millis(query.parse().unwrap_or(0))).await;
                Ok(text("waited"))
            }
            "/compute" => Ok(text(&compute(query.parse().unwrap_or(0)).to_string())),
            "/spin" => loop {
                std::hint::spin_loop();
            },
            "/grow" => Ok(text(&grow(query.parse().unwrap_or(0)).to_string())),
            "/panic" => panic!("asked to"),
            "/error" => Err(ErrorCode::InternalError(Some("asked to".into()))),
            _ => Ok(http::respond(404, &[], Vec::new())),
        }
    }
}

fn text(text: &str) -> Response {
    http::respond(200, &[("content-type".into(), b"text/plain".into())], text.as_bytes().into())
}

fn describe(request: &Request) -> String {
    let mut lines = vec![
        format!("authority {}", request.get_authority().unwrap_or_default()),
        format!("scheme {:?}", request.get_scheme()),
        format!("target {}", request.get_path_with_query().unwrap_or_default()),
    ];
    for (name, value) in http::headers(&request.get_headers()) {
        lines.push(format!("{name}: {}", String::from_utf8_lossy(&value)));
    }
    lines.join("\n")
}

/// The request's body as the response's, piece by piece.
fn echo(request: Request) -> Response {
    let (_, result) = wit_future::new(|| Ok(()));
    let (mut incoming, _trailers) = Request::consume_body(request, result);
    let (mut writer, reader) = wit_stream::new();
    wit_bindgen::spawn(async move {
        loop {
            let (status, bytes) = incoming.read(Vec::with_capacity(16 * 1024)).await;
            if !writer.write_all(bytes).await.is_empty() {
                return;
            }
            if !matches!(status, wit_bindgen::rt::async_support::StreamResult::Complete(_)) {
                return;
            }
        }
    });
    let (_, trailers) = wit_future::new(|| Ok(None));
    Response::new(Fields::new(), Some(reader), trailers).0
}

/// An endless event stream, an event every 10 ms. When nobody reads it any more, the counter `ended:{name}` says so.
fn ticks(name: &str) -> Response {
    let name = name.to_owned();
    let (mut writer, reader) = wit_stream::new();
    wit_bindgen::spawn(async move {
        while writer.write_all(b"data: tick\n\n".to_vec()).await.is_empty() {
            GuestTime.sleep(Duration::from_millis(10)).await;
        }
        let _ = GuestStore::default().increment(&format!("ended:{name}"), 1);
    });
    let (_, trailers) = wit_future::new(|| Ok(None));
    let headers = http::fields(&[("content-type".into(), b"text/event-stream".into())]);
    Response::new(headers, Some(reader), trailers).0
}

/// Two swaps from the same look at a key: what became of each.
fn swap(key: &str) -> String {
    let outcome = || -> Result<String, store::Error> {
        let bucket = store::open("default")?;
        let first = atomics::Cas::new(&bucket, key)?;
        let second = atomics::Cas::new(&bucket, key)?;
        let first = atomics::swap(first, b"first").is_ok();
        let second = match atomics::swap(second, b"second") {
            Ok(()) => "swapped".into(),
            Err(atomics::CasError::StoreError(error)) => format!("{error:?}"),
            Err(atomics::CasError::CasFailed(again)) => {
                let current = again.current()?.unwrap_or_default();
                format!(
                    "failed on {}, then {}",
                    String::from_utf8_lossy(&current),
                    atomics::swap(again, b"third").is_ok()
                )
            }
        };
        Ok(format!("{first} {second}"))
    };
    format!("{:?}", outcome())
}

/// What a server says, or the error as text.
async fn fetch(url: &str) -> Response {
    let timeout = Duration::from_secs(2);
    let request = shared_ports::Request {
        method: "GET",
        url: url.into(),
        headers: Vec::new(),
        body: Vec::new(),
        connect_timeout: timeout,
        first_byte_timeout: timeout,
    };
    match GuestHttp.send(request).await {
        Err(error) => text(&format!("{error:?}")),
        Ok(mut response) => {
            let mut body = Vec::new();
            loop {
                match response.body.next().await {
                    Ok(Some(piece)) => body.extend(piece),
                    Ok(None) => return text(&format!("{} {}", response.status, String::from_utf8_lossy(&body))),
                    Err(error) => return text(&format!("{} then {error:?}", response.status)),
                }
            }
        }
    }
}

/// Compute for about so many milliseconds.
fn compute(milliseconds: u64) -> u64 {
    let end = GuestTime.elapsed() + Duration::from_millis(milliseconds);
    let mut value = 1_u64;
    while GuestTime.elapsed() < end {
        for _ in 0..1000 {
            value = std::hint::black_box(value.wrapping_mul(6364136223846793005).wrapping_add(1));
        }
    }
    value
}

/// Take so many MiB of memory and touch them.
fn grow(mebibytes: usize) -> usize {
    let memory = vec![1_u8; mebibytes * 1024 * 1024];
    std::hint::black_box(&memory).iter().step_by(4096).map(|byte| usize::from(*byte)).sum()
}
