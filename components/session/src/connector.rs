//! `mcp-edge:upstreams` as the port of `session-core`.

use crate::bindings::mcp_edge::upstreams::upstreams as wit;
use crate::bindings::wit_future;
use crate::convert;
use session_core::{
    Call, Caller, Description, Event, HangUp, Interest, MessageStream, Reply, UpstreamError, Upstreams,
};
use wit_bindgen::{FutureWriter, StreamReader};

/// The component behind this one.
#[derive(Debug, Clone, Copy)]
pub struct Connector;

/// Messages of an upstream. Dropping them resolves `abandoned` first, and then closes the stream.
pub struct Messages {
    _abandoned: FutureWriter<bool>,
    stream: StreamReader<wit::Event>,
}

impl Upstreams for Connector {
    type Stream = Messages;

    fn list(&self) -> Result<Vec<String>, UpstreamError> {
        let upstreams = wit::list().map_err(convert::upstream_error)?;
        Ok(upstreams.into_iter().map(|upstream| upstream.name).collect())
    }

    async fn status(&self, name: &str, caller: &Caller) -> Result<Description, UpstreamError> {
        let status = wit::status(name.into(), convert::caller(caller)).await;
        status.map(convert::description).map_err(convert::upstream_error)
    }

    async fn exchange(&self, call: Call, caller: &Caller, hang_up: HangUp) -> Result<Reply<Messages>, UpstreamError> {
        // The value is what the connector reads when the writer is dropped, by whatever way that happens.
        let (writer, abandoned) = match hang_up {
            HangUp::Cancel => wit_future::new(|| true),
            HangUp::LetRun => wit_future::new(|| false),
        };
        let call = wit::Call { upstream: call.upstream, message: call.message };
        match wit::exchange(call, convert::caller(caller), abandoned).await {
            Ok(wit::Reply::Accepted) => Ok(Reply::Accepted),
            Ok(wit::Reply::Response(data)) => Ok(Reply::Response(data.into_bytes())),
            Ok(wit::Reply::Messages(stream)) => Ok(Reply::Messages(Messages { _abandoned: writer, stream })),
            Err(error) => Err(convert::upstream_error(error)),
        }
    }

    async fn listen(&self, interest: Interest, caller: &Caller) -> Result<Option<Messages>, UpstreamError> {
        // Nothing of the client's is running, so there is nothing to cancel.
        let (writer, abandoned) = wit_future::new(|| false);
        let Interest { upstream, after, notifications } = interest;
        let interest = wit::Interest { upstream, after, notifications };
        let stream = wit::listen(interest, convert::caller(caller), abandoned).await;
        let stream = stream.map_err(convert::upstream_error)?;
        Ok(stream.map(|stream| Messages { _abandoned: writer, stream }))
    }

    async fn close(&self, caller: &Caller) -> Result<(), UpstreamError> {
        wit::close(convert::caller(caller)).await.map_err(convert::upstream_error)
    }
}

impl MessageStream for Messages {
    async fn next(&mut self) -> Option<Event> {
        self.stream.next().await.map(convert::event)
    }
}
