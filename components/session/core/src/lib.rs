//! The rules of the `session` component: MCP towards the client, in every era, over one merged catalogue.
//!
//! [`handle`] takes a whole HTTP request to the MCP endpoint and what the router has proven about it, and gives an
//! [`Answer`]; a body that is a stream is then driven by [`Streaming::run`]. Clock, randomness, store and upstreams are
//! the [`Ports`] it is given.
//!
//! Two things hold for all of it. What a message carries besides names, URIs and ids goes through as the text it came
//! in. And no request needs memory of another one: a session is a record in the store, whatever has to find its way
//! back to an upstream (names, URIs, cursors, ids of the upstream's own requests) says itself which one that is.

mod address;
mod answer;
mod ask;
mod batch;
mod bound;
mod calls;
mod cancel;
mod capabilities;
mod catalogue;
mod classify;
mod complete;
mod content;
mod cursor;
mod definitions;
mod describe;
mod endpoint;
mod errors;
mod feed;
mod filter;
mod forward;
mod gather;
mod headers;
mod keys;
mod legacy;
mod listen;
mod logging;
mod mark;
mod mirrored;
mod modern;
mod names;
mod park;
mod part;
mod pins;
mod position;
mod rank;
mod relay;
mod reply;
mod request;
mod search;
mod session;
mod settings;
mod state;
mod stream;
mod subscribe;
mod subscriptions;
mod sweep;
mod tags;
mod tasks;
mod upstreams;
mod uris;
mod view;
mod wait;
mod watch;

pub use answer::{Answer, AnswerBody, Facts};
pub use endpoint::{MAX_BODY, handle, misconfigured, too_large};
pub use request::{Context, HttpRequest, Ports, Settings};
pub use stream::{Sink, Streaming};
pub use upstreams::{
    Call, Caller, Description, Event, HangUp, Interest, MessageStream, Reply, UpstreamError, Upstreams,
};
