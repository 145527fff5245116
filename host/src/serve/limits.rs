//! The bounds of the listener, each with its reason.

use std::time::Duration;

/// Connections at once. Each is a file descriptor and a few buffers; `mcp-edge serve` raises the descriptors' limit at start.
pub const MAX_CONNECTIONS: usize = 8192;

/// Requests at once, open streams included. Each waiting one may hold a message of some megabytes in a guest.
pub const MAX_REQUESTS: usize = 4096;

/// Requests at once on one HTTP/2 connection.
pub const MAX_STREAMS_PER_CONNECTION: u32 = 256;

/// Bytes of a request's head, all headers together. Tokens and cookies fit many times; hyper answers 431 beyond it.
pub const MAX_HEAD: usize = 32 * 1024;

/// Time for a request's head to arrive, and for a kept-alive connection to be idle.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Interval of HTTP/2 pings, and the wait for their answer: a client that vanished is noticed in two minutes at most.
pub const PING_INTERVAL: Duration = Duration::from_secs(60);
/// See [`PING_INTERVAL`].
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Requests one instance takes before it is retired, so that whatever a guest leaks is freed. A new instance takes 0.1 to
/// 0.4 ms; spread over this many requests it does not show.
pub const REQUESTS_PER_INSTANCE: usize = 1024;

/// An instance with open streams goes on serving beyond that, else each long stream would pin an instance of its own;
/// but not for ever.
pub const REQUESTS_PER_INSTANCE_WITH_STREAMS: usize = 64 * 1024;

/// Requests that wait for their response in one instance. Waiting ones cost little, but a trap ends all of them.
pub const CONCURRENT_PER_INSTANCE: usize = 16;

/// Open response streams in one instance; a trap ends all of them, too.
pub const STREAMS_PER_INSTANCE: usize = 128;

/// An instance without anything to do is dropped after this: making a new one costs less than keeping its memory.
pub const INSTANCE_IDLE: Duration = Duration::from_secs(10);

/// Time for open requests to finish when the gateway stops. Streams that only wait for news end at once.
pub const GRACE: Duration = Duration::from_secs(10);

/// `Retry-After`, in seconds, when a bound is reached.
pub const RETRY_AFTER: &str = "1";
