//! A stream on its way through.

use futures::future::{Either, select};
use std::pin::pin;
use std::time::Duration;
use wasip3::clocks::monotonic_clock::wait_for;
use wit_bindgen::{StreamReader, StreamResult, StreamWriter};

/// Most bytes in one piece: what hosts hand out.
const PIECE: usize = 64 * 1024;

/// How often a silent stream is probed for a reader that has gone. Nothing but a write tells.
const PROBE: Duration = Duration::from_millis(2500);

/// Move everything from one stream to the other, one piece at a time. True if it came to its end, false if the reader
/// was gone before; then the source is dropped, which is how its writer learns of it.
pub async fn pump(mut source: StreamReader<u8>, mut sink: StreamWriter<u8>) -> bool {
    loop {
        let (status, piece) = {
            // Kept over the probes: a read that is dropped may lose what has just arrived.
            let mut read = pin!(source.read(Vec::with_capacity(PIECE)));
            loop {
                let pause = wait_for(u64::try_from(PROBE.as_nanos()).unwrap_or(u64::MAX));
                match select(read.as_mut(), pin!(pause)).await {
                    Either::Left((result, _)) => break result,
                    Either::Right(_) => {
                        if matches!(sink.write(Vec::new()).await.0, StreamResult::Dropped) {
                            return false;
                        }
                    }
                }
            }
        };
        if !piece.is_empty() && !sink.write_all(piece).await.is_empty() {
            return false;
        }
        if !matches!(status, StreamResult::Complete(_)) {
            return true;
        }
    }
}
