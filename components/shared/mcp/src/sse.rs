//! Server-sent events (HTML Living Standard, section 9.2), as MCP uses them.

use std::mem;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Kind; empty means `message`.
    pub event: String,
    /// Data; several lines are joined by line feeds.
    pub data: String,
    /// The event's id, where this very event has one.
    pub id: Option<String>,
    /// Milliseconds to wait before connecting again, where this event says so.
    pub retry: Option<u64>,
}

/// Why a stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SseError {
    /// One event has more bytes than allowed.
    #[error("an event is larger than {0} bytes")]
    TooLarge(usize),
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
}

/// Takes a stream apart, in whatever pieces it comes.
#[derive(Debug)]
pub struct Parser {
    cap: usize,
    started: bool,
    line: Vec<u8>,
    after_cr: bool,
    current: Event,
    has_data: bool,
    /// Bytes of the event so far.
    size: usize,
}

impl Parser {
    /// A parser that refuses events of more than `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self {
            cap,
            started: false,
            line: Vec::new(),
            after_cr: false,
            current: Event::default(),
            has_data: false,
            size: 0,
        }
    }

    /// Take the next piece; the events that are complete now. Comments and events with nothing in them are left out; an
    /// event with an id or a retry but empty data (a priming event) is not.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<Event>, SseError> {
        let mut events = Vec::new();
        let mut rest = piece;
        while !rest.is_empty() {
            if mem::take(&mut self.after_cr)
                && let Some(tail) = rest.strip_prefix(b"\n")
            {
                rest = tail;
                continue;
            }
            let end = rest.iter().position(|b| matches!(b, b'\n' | b'\r'));
            let (head, tail) = rest.split_at(end.unwrap_or(rest.len()));
            self.size = self.size.saturating_add(head.len());
            if self.size > self.cap {
                return Err(SseError::TooLarge(self.cap));
            }
            self.line.extend_from_slice(head);
            let Some((terminator, tail)) = tail.split_first() else {
                break;
            };
            self.after_cr = *terminator == b'\r';
            rest = tail;
            let line = mem::take(&mut self.line);
            if let Some(event) = self.line(&line)? {
                events.push(event);
            }
        }
        Ok(events)
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Event>, SseError> {
        let mut line = std::str::from_utf8(line).map_err(|_| SseError::NotUtf8)?;
        if !mem::replace(&mut self.started, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            self.size = 0;
            let mut event = mem::take(&mut self.current);
            let has_data = mem::take(&mut self.has_data);
            if !has_data && event.id.is_none() && event.retry.is_none() {
                return Ok(None);
            }
            if event.data.ends_with('\n') {
                event.data.pop();
            }
            return Ok(Some(event));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.current.event = value.into(),
            "data" => {
                self.has_data = true;
                self.current.data.push_str(value);
                self.current.data.push('\n');
            }
            "id" if !value.contains('\0') => self.current.id = Some(value.into()),
            "retry" if value.bytes().all(|b| b.is_ascii_digit()) => self.current.retry = value.parse().ok(),
            _ => {}
        }
        Ok(None)
    }
}

/// The bytes of an event with a message in it.
pub fn encode(data: &str, id: Option<&str>) -> String {
    let mut out = String::with_capacity(data.len().saturating_add(64));
    if let Some(id) = id {
        out.push_str("id: ");
        // An id with a line end would be two fields; ids are ours or were one line when they came.
        out.extend(id.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')));
        out.push('\n');
    }
    for line in data.split(['\n', '\r']) {
        out.push_str("data: ");
        out.push_str(line);
        out.push('\n');
    }
    out.push('\n');
    out
}

/// A comment: keeps a silent stream alive without meaning anything.
pub const KEEP_ALIVE: &str = ": keep-alive\n\n";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Vec<Event> {
        Parser::new(1000).push(text.as_bytes()).unwrap()
    }

    fn data(data: &str) -> Event {
        Event { data: data.into(), ..Event::default() }
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        assert_eq!(all("data: a\n\ndata:b\r\n\r\ndata: c\r\r"), [data("a"), data("b"), data("c")]);
        assert_eq!(all("\u{feff}data: a\ndata: b\n\n"), [data("a\nb")]);
        assert_eq!(all(": comment\n\nevent: x\n\ndata\n\n"), [data("")]);
        assert_eq!(
            all("id: 7\nretry: 500\nevent: message\ndata: {}\n\n"),
            [Event { event: "message".into(), data: "{}".into(), id: Some("7".into()), retry: Some(500) }]
        );
        assert_eq!(all("id: 1\ndata:\n\n"), [Event { id: Some("1".into()), ..Event::default() }]);
        assert_eq!(all("data: unfinished\n"), []);
    }

    #[test]
    fn a_stream_without_end_of_line_is_cut() {
        let mut parser = Parser::new(10);
        assert_eq!(parser.push(b"data: 1234"), Ok(vec![]));
        assert_eq!(parser.push(b"5"), Err(SseError::TooLarge(10)));
        assert_eq!(Parser::new(10).push(b"data: \xff\n"), Err(SseError::NotUtf8));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "([a-z:\\n\\r ]|data: |id: |\\n\\n){0,60}", cut in 0_usize..60) {
            let whole = Parser::new(1000).push(text.as_bytes()).unwrap();
            let (head, tail) = text.as_bytes().split_at(cut.min(text.len()));
            let mut parser = Parser::new(1000);
            let mut pieces = parser.push(head).unwrap();
            pieces.extend(parser.push(tail).unwrap());
            prop_assert_eq!(pieces, whole);
        }

        #[test]
        fn what_is_written_is_read(text in "[^\\r\\n]{0,40}", id in "[a-z0-9]{1,8}") {
            let events = all(&encode(&text, Some(&id)));
            prop_assert_eq!(events, vec![Event { data: text, id: Some(id), ..Event::default() }]);
        }

        #[test]
        fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Parser::new(100).push(&bytes);
        }
    }
}
