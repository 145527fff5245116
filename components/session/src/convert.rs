//! WIT types to those of `session-core` and back.

use crate::bindings::exports::mcp_edge::session::endpoint as wit;
use crate::bindings::mcp_edge::upstreams::upstreams as up;
use session_core::{Answer, AnswerBody, Caller, Context, Description, Event, Facts, Sink, Streaming, UpstreamError};
use shared_guest::{GuestTime, http};
use wasip3::http::types::{ErrorCode, Response};
use wasip3::{wit_future, wit_stream};
use wit_bindgen::{FutureReader, StreamResult, StreamWriter};

pub fn context(context: wit::Context) -> Context {
    let wit::Context {
        request_id,
        user_hash,
        client_id,
        scopes,
        roles,
        tenant,
        project,
        region,
        features,
        tool_search,
    } = context;
    Context { request_id, user_hash, client_id, scopes, roles, tenant, project, region, features, tool_search }
}

pub fn answer(answer: Answer) -> wit::Answer {
    let Answer { status, headers, body, facts: known } = answer;
    let response = match body {
        AnswerBody::Empty => http::respond(status, &headers, Vec::new()),
        AnswerBody::Whole(text) => http::respond(status, &headers, text.into_bytes()),
        AnswerBody::Stream(streaming) => stream(status, &headers, *streaming),
    };
    wit::Answer { response, facts: facts(known) }
}

fn stream(status: u16, headers: &[(String, Vec<u8>)], streaming: Streaming) -> Response {
    let (writer, reader) = wit_stream::new();
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (response, transmitted) = Response::new(http::fields(headers), Some(reader), trailers);
    let _ = response.set_status_code(status);
    wit_bindgen::spawn(async move {
        streaming.run(&GuestTime, &mut BodySink(writer), broken(transmitted)).await;
    });
    response
}

/// Resolves when the host says that the response did not get through. That it did says nothing about a stream: some
/// hosts say so as soon as they have taken the response.
async fn broken(transmitted: FutureReader<Result<(), ErrorCode>>) {
    if transmitted.await.is_ok() {
        std::future::pending().await
    }
}

struct BodySink(StreamWriter<u8>);

impl Sink for BodySink {
    async fn send(&mut self, text: String) -> bool {
        self.0.write_all(text.into_bytes()).await.is_empty()
    }

    async fn alive(&mut self) -> bool {
        // A write of nothing asks whether there is a reader (Canonical ABI, `stream.write`).
        let (result, _) = self.0.write(Vec::new()).await;
        !matches!(result, StreamResult::Dropped)
    }
}

fn facts(facts: Facts) -> wit::Facts {
    wit::Facts {
        revision: facts.revision.map(str::to_owned),
        method: facts.method,
        name: facts.name,
        upstream: facts.upstream,
        error: facts.error,
        reason: facts.reason,
    }
}

pub fn caller(caller: &Caller) -> up::Caller {
    up::Caller {
        user_hash: caller.user_hash.clone(),
        conversation: caller.conversation.clone(),
        request_id: caller.request_id.clone(),
        revision: caller.revision.as_str().into(),
        client_info: caller.client_info.clone(),
        client_capabilities: caller.client_capabilities.clone(),
    }
}

pub fn description(description: up::Description) -> Description {
    Description {
        revision: description.revision,
        capabilities: description.capabilities,
        server_info: description.server_info,
        instructions: description.instructions,
    }
}

pub fn event(event: up::Event) -> Event {
    match event {
        up::Event::Message(message) => Event::Message { data: message.data.into_bytes(), event_id: message.event_id },
        up::Event::Reached(position) => Event::Reached { event_id: position.event_id, retry: position.retry },
        up::Event::Failed(error) => Event::Failed(upstream_error(error)),
    }
}

pub fn upstream_error(error: up::UpstreamError) -> UpstreamError {
    match error {
        up::UpstreamError::NotFound => UpstreamError::NotFound,
        up::UpstreamError::Unreachable(text) => UpstreamError::Unreachable(text),
        up::UpstreamError::TimedOut(text) => UpstreamError::TimedOut(text),
        up::UpstreamError::Unauthorized(text) => UpstreamError::Unauthorized(text),
        up::UpstreamError::Refused(status) => UpstreamError::Refused(status),
        up::UpstreamError::InvalidReply(text) => UpstreamError::InvalidReply(text),
        up::UpstreamError::Misconfigured(text) => UpstreamError::Misconfigured(text),
        up::UpstreamError::Unavailable(text) => UpstreamError::Unavailable(text),
    }
}
