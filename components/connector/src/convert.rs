//! Between the types of the interface and those of the rules.

use crate::bindings::exports::mcp_edge::upstreams::upstreams as wit;
use connector_core as core;

pub(crate) fn caller(caller: wit::Caller) -> core::Caller {
    core::Caller {
        user_hash: caller.user_hash,
        conversation: caller.conversation,
        request_id: caller.request_id,
        revision: caller.revision,
        client_info: caller.client_info,
        client_capabilities: caller.client_capabilities,
    }
}

pub(crate) fn call(call: wit::Call) -> core::Call {
    core::Call { upstream: call.upstream, message: call.message.into_bytes() }
}

pub(crate) fn subject(interest: wit::Interest) -> core::Subject {
    core::Subject { upstream: interest.upstream, after: interest.after, notifications: interest.notifications }
}

pub(crate) fn description(description: core::Description) -> wit::Description {
    wit::Description {
        revision: description.revision,
        capabilities: description.capabilities,
        server_info: description.server_info,
        instructions: description.instructions,
    }
}

pub(crate) fn event(event: core::Event) -> wit::Event {
    match event {
        core::Event::Message { data, event_id } => match text(data) {
            Ok(data) => wit::Event::Message(wit::Message { data, event_id }),
            Err(error) => wit::Event::Failed(error),
        },
        core::Event::Reached(core::Position { event_id, retry }) => {
            wit::Event::Reached(wit::Position { event_id, retry })
        }
        core::Event::Failed(why) => wit::Event::Failed(error(why)),
    }
}

pub(crate) fn text(message: Vec<u8>) -> Result<String, wit::UpstreamError> {
    String::from_utf8(message).map_err(|_| wit::UpstreamError::InvalidReply("not UTF-8".into()))
}

pub(crate) fn error(error: core::UpstreamError) -> wit::UpstreamError {
    match error {
        core::UpstreamError::NotFound => wit::UpstreamError::NotFound,
        core::UpstreamError::Unreachable(why) => wit::UpstreamError::Unreachable(why),
        core::UpstreamError::TimedOut(why) => wit::UpstreamError::TimedOut(why),
        core::UpstreamError::Unauthorized(why) => wit::UpstreamError::Unauthorized(why),
        core::UpstreamError::Refused(status) => wit::UpstreamError::Refused(status),
        core::UpstreamError::InvalidReply(why) => wit::UpstreamError::InvalidReply(why),
        core::UpstreamError::Misconfigured(why) => wit::UpstreamError::Misconfigured(why),
        core::UpstreamError::Unavailable(why) => wit::UpstreamError::Unavailable(why),
    }
}
