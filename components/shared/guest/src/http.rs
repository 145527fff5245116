//! Requests and responses on the side of the server.

use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, StatusCode};
use wasip3::{wit_future, wit_stream};
use wit_bindgen::StreamResult;

/// Bytes asked of a body stream at once: what hosts hand out in one piece.
const CHUNK: usize = 64 * 1024;

/// Why a body could not be read.
#[derive(Debug)]
pub enum BodyError {
    /// It has more bytes than allowed. The rest was not read.
    TooLarge,
    /// It broke off before its end.
    Broken(ErrorCode),
}

/// The method in capital letters, as on the wire.
pub fn method_name(method: &Method) -> String {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
    .into()
}

/// All headers, names in lower case.
pub fn headers(fields: &Fields) -> Vec<(String, Vec<u8>)> {
    fields.copy_all().into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

/// Read a whole request body of at most `cap` bytes. A body of known length is over when that many bytes are there:
/// waiting for the end of the stream and for trailers would be two more round trips to the host.
pub async fn read_body(request: Request, cap: usize) -> Result<Vec<u8>, BodyError> {
    let length = content_length(&request.get_headers().get("content-length"));
    if length.is_some_and(|length| length > cap) {
        return Err(BodyError::TooLarge);
    }
    let (result_tx, result_rx) = wit_future::new(|| Ok(()));
    drop(result_tx);
    let (mut stream, trailers) = Request::consume_body(request, result_rx);
    let mut body = Vec::new();
    while length != Some(body.len()) {
        let (status, bytes) = stream.read(Vec::with_capacity(CHUNK)).await;
        if body.len().saturating_add(bytes.len()) > cap {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&bytes);
        if !matches!(status, StreamResult::Complete(_)) {
            drop(stream);
            trailers.await.map_err(BodyError::Broken)?;
            break;
        }
    }
    Ok(body)
}

/// The value of `Content-Length`, where there is one and it is a number.
pub(crate) fn content_length(values: &[Vec<u8>]) -> Option<usize> {
    std::str::from_utf8(values.first()?).ok()?.parse().ok()
}

/// A response with a body that is already there. Illegal header names or values are left out: the caller makes them, so
/// a test of the caller finds them.
pub fn respond(status: StatusCode, headers: &[(String, Vec<u8>)], body: Vec<u8>) -> Response {
    let mut headers = headers.to_vec();
    // Known length: no chunked coding, and whoever hands the response on can tell it from a stream.
    if !matches!(status, 204 | 304) {
        headers.push(("content-length".into(), body.len().to_string().into_bytes()));
    }
    let fields = fields(&headers);
    let (_, trailers) = wit_future::new(|| Ok(None));
    let contents = (!body.is_empty()).then(|| {
        let (mut writer, reader) = wit_stream::new();
        wit_bindgen::spawn(async move {
            // What is left over was not wanted by the reader.
            let _ = writer.write_all(body).await;
        });
        reader
    });
    let (response, transmitted) = Response::new(fields, contents, trailers);
    drop(transmitted);
    let _ = response.set_status_code(status);
    response
}

/// Headers as the bindings want them: one call for all of them, unless one is illegal, which is then left out.
pub fn fields(headers: &[(String, Vec<u8>)]) -> Fields {
    if let Ok(fields) = Fields::from_list(headers) {
        return fields;
    }
    let fields = Fields::new();
    for (name, value) in headers {
        let _ = fields.append(name, value);
    }
    fields
}
