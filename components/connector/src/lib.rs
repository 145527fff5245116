//! The component `connector`: `mcp-edge:upstreams` over the rules in `connector-core`.

mod bindings;
mod convert;
mod ports;
mod source;

use bindings::exports::mcp_edge::upstreams::upstreams::{
    Call, Caller, Description, Event, Guest, Interest, Reply, Upstream, UpstreamError,
};
use bindings::wit_stream;
use connector_core::{Abandoned, Connector};
use futures::future::{Either, select};
use ports::GuestPorts;
use source::Source;
use std::pin::pin;
use std::rc::Rc;
use wit_bindgen::{FutureReader, StreamReader, StreamWriter};

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
        let reply = connector.exchange(&convert::call(call), &convert::caller(caller), when(abandoned)).await;
        Ok(match reply.map_err(convert::error)? {
            connector_core::Reply::Accepted => Reply::Accepted,
            connector_core::Reply::Response { data, tail } => {
                wit_bindgen::spawn(async move { tail.drain(&connector).await });
                Reply::Response(convert::text(data)?)
            }
            connector_core::Reply::Messages(messages) => Reply::Messages(stream(connector, *messages)),
        })
    }

    async fn listen(
        interest: Interest,
        caller: Caller,
        abandoned: FutureReader<bool>,
    ) -> Result<Option<StreamReader<Event>>, UpstreamError> {
        let connector = connector();
        let listening = connector.listen(&convert::subject(interest), &convert::caller(caller), when(abandoned)).await;
        Ok(listening.map_err(convert::error)?.map(|listening| stream(connector, listening)))
    }

    async fn close(caller: Caller) -> Result<(), UpstreamError> {
        connector().close(&convert::caller(caller)).await.map_err(convert::error)
    }
}

fn when(abandoned: FutureReader<bool>) -> Abandoned {
    use connector_core::Interest::{Cancelled, Ended};
    Abandoned::when(async move { if abandoned.await { Cancelled } else { Ended } })
}

fn stream(connector: Rc<Connector<GuestPorts>>, source: impl Source + 'static) -> StreamReader<Event> {
    let (writer, reader) = wit_stream::new();
    wit_bindgen::spawn(pump(connector, source, writer));
    reader
}

/// Hand the messages on, each when the one before was taken: what the reader does not take stays with the upstream.
///
/// A write after one that was answered with "the reader is gone" is a trap, which ends every call in this instance, and
/// wit-bindgen does not keep it from happening (0.57.1 notes the end of the reader only where the same write was taken).
/// Here it cannot: each message is written once, and whatever is not taken, or is cut off because the call was abandoned,
/// leaves this function without another use of `writer`.
async fn pump(connector: Rc<Connector<GuestPorts>>, mut source: impl Source, mut writer: StreamWriter<Event>) {
    while let Some(event) = source.next(&connector).await {
        let taken = {
            let writing = pin!(writer.write_one(convert::event(event)));
            match select(writing, pin!(source.abandoned())).await {
                Either::Left((refused, _)) => refused.is_none(),
                Either::Right(((), _)) => false,
            }
        };
        if !taken {
            return source.give_up(&connector).await;
        }
    }
    drop(writer);
    source.end(&connector).await;
}
