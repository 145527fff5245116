//! What guests print: the router one JSON line for each request on its standard output, others their events (and the text
//! of a panic) on standard error. A line is passed on whole or not at all, however many instances write at the same time.

use bytes::Bytes;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Longest line, in bytes; a longer one is cut into pieces. The router's line is some hundred bytes.
const MAX_LINE: usize = 16 * 1024;

/// Lines that may wait for a slow reader of our output. Beyond this they are dropped and counted: a log must not stop the
/// gateway.
const QUEUE: usize = 16 * 1024;

/// Takes whole lines, without the line end. Cheap to clone.
#[derive(Clone)]
pub struct LogSink(Arc<dyn Fn(&str) + Send + Sync>);

impl LogSink {
    /// A sink that calls a function for each line. It must not block.
    pub fn new(take: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// A sink without a bottom.
    pub fn discard() -> Self {
        Self::new(|_| {})
    }
}

/// Lines to an output of ours, written by one thread.
pub struct LogWriter {
    queue: SyncSender<Option<String>>,
    dropped: Arc<AtomicU64>,
    writer: JoinHandle<()>,
}

impl LogWriter {
    /// Start the thread.
    pub fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, lines) = mpsc::sync_channel::<Option<String>>(QUEUE);
        let writer = std::thread::Builder::new().name("log".into()).spawn(move || {
            let mut output = io::BufWriter::with_capacity(64 * 1024, output);
            while let Ok(Some(line)) = lines.recv() {
                let mut next = Some(line);
                while let Some(line) = next {
                    // A closed output is no reason to stop serving.
                    let _ = writeln!(output, "{line}");
                    next = match lines.try_recv() {
                        Ok(Some(line)) => Some(line),
                        Ok(None) => return drop(output),
                        Err(_) => None,
                    };
                }
                let _ = output.flush();
            }
        })?;
        Ok(Self { queue, dropped: Arc::default(), writer })
    }

    /// The sink to give to the gateway.
    pub fn sink(&self) -> LogSink {
        let (queue, dropped) = (self.queue.clone(), self.dropped.clone());
        LogSink::new(move |line| {
            if queue.try_send(Some(line.to_owned())).is_err() {
                dropped.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    /// Write what is waiting, and nothing more. Returns how many lines were dropped over time.
    pub fn finish(self) -> u64 {
        // `None` is the end. An error means that the thread is gone already.
        let _ = self.queue.send(None);
        let _ = self.writer.join();
        self.dropped.load(Ordering::Relaxed)
    }
}

/// A guest's output stream, cut into lines. The handles of one guest share the unfinished line.
#[derive(Clone)]
pub(super) struct Lines {
    sink: LogSink,
    unfinished: Arc<Mutex<Vec<u8>>>,
}

impl Lines {
    pub fn new(sink: LogSink) -> Self {
        Self { sink, unfinished: Arc::default() }
    }

    fn take(&self, mut bytes: &[u8]) {
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        while !bytes.is_empty() {
            let room = MAX_LINE - unfinished.len();
            let (piece, rest, ended) = match bytes.iter().take(room).position(|byte| *byte == b'\n') {
                Some(end) => (&bytes[..end], &bytes[end + 1..], true),
                None => {
                    let (piece, rest) = bytes.split_at(room.min(bytes.len()));
                    (piece, rest, piece.len() == room)
                }
            };
            unfinished.extend_from_slice(piece);
            bytes = rest;
            if ended {
                (self.sink.0)(&String::from_utf8_lossy(&unfinished));
                unfinished.clear();
            }
        }
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_LINE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Lines {
    fn poll_write(self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_passed_on_whole() {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let into = seen.clone();
        let lines = Lines::new(LogSink::new(move |line| into.lock().unwrap().push(line.into())));
        for piece in ["on", "e\n", "", "two\nthree", "\n\nun"] {
            lines.take(piece.as_bytes());
        }
        assert_eq!(*seen.lock().unwrap(), ["one", "two", "three", ""]);
        lines.take("x".repeat(MAX_LINE).as_bytes());
        assert_eq!(seen.lock().unwrap().last().map(String::len), Some(MAX_LINE));
        lines.take(b"\n");
        assert_eq!(*seen.lock().unwrap().last().unwrap(), "xx");
    }
}
