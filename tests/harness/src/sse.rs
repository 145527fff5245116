//! Server-sent events, one by one as they come.

use crate::PATIENCE;
use anyhow::{Context, Result};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// `id`.
    pub id: Option<String>,
    /// `event`; the name of a plain message is left out.
    pub name: Option<String>,
    /// `data`, its lines joined.
    pub data: String,
    /// `retry`, in milliseconds.
    pub retry: Option<u64>,
}

/// Turns bytes into events.
#[derive(Debug, Default)]
pub struct Parser {
    rest: Vec<u8>,
    /// Comments seen, such as keep-alives.
    pub comments: usize,
}

impl Parser {
    /// Take in more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// The next event that is complete. Events without any field are skipped.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            let (length, rest) = block_end(&self.rest)?;
            let block = String::from_utf8_lossy(&self.rest[..length]).into_owned();
            self.rest.drain(..rest);
            if let Some(event) = self.parse(&block) {
                return Some(event);
            }
        }
    }

    fn parse(&mut self, block: &str) -> Option<Event> {
        let mut event = Event::default();
        let mut data: Option<Vec<&str>> = None;
        for line in block.lines() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => self.comments += 1,
                "id" => event.id = Some(value.into()),
                "event" => event.name = Some(value.into()),
                "data" => data.get_or_insert_default().push(value),
                "retry" => event.retry = value.parse().ok(),
                _ => {}
            }
        }
        event.data = data.unwrap_or_default().join("\n");
        (event != Event::default()).then_some(event)
    }
}

/// Where the first block ends and where the next one starts: around the first empty line.
fn block_end(bytes: &[u8]) -> Option<(usize, usize)> {
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').find_map(|(index, _)| match &bytes[index + 1..] {
        [b'\n', ..] => Some((index, index + 2)),
        [b'\r', b'\n', ..] => Some((index, index + 3)),
        _ => None,
    })
}

/// The events of a response.
pub struct Events {
    body: Incoming,
    parser: Parser,
}

impl Events {
    /// Of this body.
    pub fn new(body: Incoming) -> Self {
        Self { body, parser: Parser::default() }
    }

    /// The next event; none at the end of the stream.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.parser.next_event() {
                return Ok(Some(event));
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.context("no event comes")?;
            match frame {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.context("the event stream broke off")?.into_data() {
                        self.parser.push(&data);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_whole_however_they_are_cut() {
        let text =
            ": hello\n\nid: 1\nretry: 200\ndata: \n\ndata: {\"a\":\ndata: 1}\r\nid: 2\r\n\r\nevent: x\ndata:y\n\n";
        for step in [1, 2, 7, text.len()] {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for chunk in text.as_bytes().chunks(step) {
                parser.push(chunk);
                events.extend(std::iter::from_fn(|| parser.next_event()));
            }
            let event = |id: Option<&str>, name: Option<&str>, data: &str, retry| Event {
                id: id.map(Into::into),
                name: name.map(Into::into),
                data: data.into(),
                retry,
            };
            let expected = [
                event(Some("1"), None, "", Some(200)),
                event(Some("2"), None, "{\"a\":\n1}", None),
                event(None, Some("x"), "y", None),
            ];
            assert_eq!(events, expected, "in steps of {step}");
            assert_eq!(parser.comments, 1);
        }
    }
}
