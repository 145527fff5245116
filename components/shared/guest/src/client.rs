//! Outbound requests over `wasi:http/client`.

use crate::http::{content_length, fields, headers};
use shared_ports::{Body, Http, HttpError, Request, Response};
use std::time::Duration;
use wasip3::http::types::{self as wasi, ErrorCode, Method, RequestOptions, Scheme};
use wasip3::{wit_future, wit_stream};
use wit_bindgen::rt::async_support::{FutureReader, StreamReader, StreamResult};

/// Bytes asked of a body stream at once.
const CHUNK: usize = 64 * 1024;

/// `wasi:http/client`.
#[derive(Debug, Clone, Copy, Default)]
pub struct GuestHttp;

/// The body of a response that is being read.
pub struct GuestBody {
    /// Bytes still to come, where the response says its length: at 0 it is over, and nothing more is asked of the host.
    remaining: Option<usize>,
    stream: Option<StreamReader<u8>>,
    trailers: Option<FutureReader<Result<Option<wasi::Trailers>, ErrorCode>>>,
}

impl Http for GuestHttp {
    type Body = GuestBody;

    async fn send(&self, request: Request) -> Result<Response<GuestBody>, HttpError> {
        let outgoing = convert(request)?;
        let response = wasip3::http::client::send(outgoing).await.map_err(|code| http_error(&code))?;
        let status = response.get_status_code();
        let fields = response.get_headers();
        let remaining = content_length(&fields.get("content-length"));
        let headers = headers(&fields);
        let (result_tx, result_rx) = wit_future::new(|| Ok(()));
        drop(result_tx);
        let (stream, trailers) = wasi::Response::consume_body(response, result_rx);
        Ok(Response { status, headers, body: GuestBody { remaining, stream: Some(stream), trailers: Some(trailers) } })
    }
}

impl Body for GuestBody {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        if self.remaining == Some(0) {
            self.stream = None;
            return Ok(None);
        }
        while let Some(stream) = &mut self.stream {
            let (status, bytes) = stream.read(Vec::with_capacity(CHUNK)).await;
            if !matches!(status, StreamResult::Complete(_)) {
                self.stream = None;
            }
            if !bytes.is_empty() {
                self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(bytes.len()));
                return Ok(Some(bytes));
            }
        }
        match self.trailers.take() {
            None => Ok(None),
            Some(trailers) => trailers.await.map(|_| None).map_err(|code| http_error(&code)),
        }
    }
}

fn convert(request: Request) -> Result<wasi::Request, HttpError> {
    // Without the address: it may hold a secret.
    let invalid = || HttpError::Unreachable("the URL is not an http or https address".into());
    let (scheme, rest) = request.url.split_once("://").ok_or_else(invalid)?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(invalid()),
    };
    let (authority, path) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let method = match request.method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "DELETE" => Method::Delete,
        other => Method::Other(other.into()),
    };
    let mut headers = request.headers;
    let contents = (!request.body.is_empty()).then(|| {
        // Known length: no chunked coding, which some servers refuse.
        headers.push(("content-length".into(), request.body.len().to_string().into_bytes()));
        let (mut writer, reader) = wit_stream::new();
        let body = request.body;
        wit_bindgen::spawn(async move {
            let _ = writer.write_all(body).await;
        });
        reader
    });
    let (_, trailers) = wit_future::new(|| Ok(None));
    let options = RequestOptions::new();
    let _ = options.set_connect_timeout(Some(nanoseconds(request.connect_timeout)));
    let _ = options.set_first_byte_timeout(Some(nanoseconds(request.first_byte_timeout)));
    let (outgoing, transmitted) = wasi::Request::new(fields(&headers), contents, trailers, Some(options));
    drop(transmitted);
    let set = outgoing.set_method(&method).is_ok()
        && outgoing.set_scheme(Some(&scheme)).is_ok()
        && outgoing.set_authority(Some(authority)).is_ok()
        && outgoing.set_path_with_query(Some(&path)).is_ok();
    if set { Ok(outgoing) } else { Err(HttpError::Unreachable("the host does not take this address".into())) }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Which of these things went wrong. What is not known to have happened before the request was sent counts as after.
fn http_error(code: &ErrorCode) -> HttpError {
    let text = format!("{code:?}");
    match code {
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_)
        | ErrorCode::HttpRequestDenied
        | ErrorCode::HttpRequestUriInvalid => HttpError::Unreachable(text),
        ErrorCode::DestinationIpProhibited => HttpError::Prohibited(text),
        ErrorCode::ConnectionReadTimeout | ErrorCode::ConnectionWriteTimeout | ErrorCode::HttpResponseTimeout => {
            HttpError::TimedOut(text)
        }
        _ => HttpError::Broken(text),
    }
}
