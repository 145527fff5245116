//! The component `connector`: `mcp-edge:upstreams` over the rules in `connector-core`.

mod bindings;
mod convert;
mod ports;

use bindings::exports::mcp_edge::upstreams::upstreams::{
    Call, Caller, Description, Event, Guest, Reply, Upstream, UpstreamError,
};
use bindings::wit_stream;
use connector_core::{Abandoned, Connector, Interest, Messages};
use futures::future::{Either, select};
use ports::GuestPorts;
use shared_guest::client::GuestBody;
use std::pin::pin;
use std::rc::Rc;
use wit_bindgen::{FutureReader, StreamWriter};

struct Component;

thread_local! {
    /// One for the instance. What it keeps is named in `connector-core`: parsed settings and eras.
    static CONNECTOR: Rc<Connector<GuestPorts>> = Rc::new(Connector::new(GuestPorts::default()));
}

fn connector() -> Rc<Connector<GuestPorts>> {
    CONNECTOR.with(Rc::clone)
}

impl Guest for Component {
    fn list() -> Result<Vec<Upstream>, UpstreamError> {
        let names = connector().list().map_err(convert::error)?;
        Ok(names.into_iter().map(|name| Upstream { name }).collect())
    }

    async fn status(name: String, caller: Caller) -> Result<Description, UpstreamError> {
        let description = connector().status(&name, &convert::caller(caller)).await;
        description.map(convert::description).map_err(convert::error)
    }

    async fn exchange(call: Call, caller: Caller, abandoned: FutureReader<bool>) -> Result<Reply, UpstreamError> {
        let connector = connector();
        let abandoned =
            Abandoned::when(async move { if abandoned.await { Interest::Cancelled } else { Interest::Ended } });
        let reply = connector.exchange(&convert::call(call), &convert::caller(caller), abandoned).await;
        Ok(match reply.map_err(convert::error)? {
            connector_core::Reply::Accepted => Reply::Accepted,
            connector_core::Reply::Response { data, tail } => {
                wit_bindgen::spawn(async move { tail.drain(&connector).await });
                Reply::Response(data)
            }
            connector_core::Reply::Messages(messages) => {
                let (writer, reader) = wit_stream::new();
                wit_bindgen::spawn(pump(connector, *messages, writer));
                Reply::Messages(reader)
            }
        })
    }

    async fn close(caller: Caller) -> Result<(), UpstreamError> {
        connector().close(&convert::caller(caller)).await.map_err(convert::error)
    }
}

/// Hand the messages on, each when the one before was taken: what the reader does not take stays with the upstream.
///
/// A write after one that was answered with "the reader is gone" is a trap, which ends every call in this instance, and
/// wit-bindgen does not keep it from happening (0.57.1 notes the end of the reader only where the same write was taken).
/// Here it cannot: each message is written once, and whatever is not taken, or is cut off because the call was abandoned,
/// leaves this function without another use of `writer`.
async fn pump(
    connector: Rc<Connector<GuestPorts>>,
    mut messages: Messages<GuestBody>,
    mut writer: StreamWriter<Event>,
) {
    while let Some(event) = messages.next(&connector).await {
        let taken = {
            let writing = pin!(writer.write_one(convert::event(event)));
            match select(writing, pin!(messages.abandoned())).await {
                Either::Left((refused, _)) => refused.is_none(),
                Either::Right(((), _)) => false,
            }
        };
        if !taken {
            return messages.give_up(&connector).await;
        }
    }
    drop(writer);
    messages.into_tail().drain(&connector).await;
}
