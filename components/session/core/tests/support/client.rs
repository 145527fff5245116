//! What clients see, and what they answer.

use super::World;
use session_core::{Facts, Sink};
use std::collections::BTreeMap;

/// What a client answers to a request on a stream.
pub type Answers = Box<dyn Fn(&serde_json::Value) -> Option<serde_json::Value>>;

/// A response as a client sees it; the body of a stream is all that was sent.
#[derive(Debug)]
pub struct Seen {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub facts: Facts,
}

impl Seen {
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
    /// Code of the JSON-RPC error.
    #[track_caller]
    pub fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error in {}", self.body))
    }
    /// The messages of the stream.
    pub fn events(&self) -> Vec<String> {
        let events = shared_mcp::sse::Parser::new(1 << 20).push(self.body.as_bytes()).unwrap();
        events.into_iter().map(|event| event.data).collect()
    }
}

/// A client that answers requests on its streams.
pub(super) struct Client<'a> {
    pub(super) world: &'a World,
    pub(super) who: (&'a str, &'a str),
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) text: String,
}

impl Sink for Client<'_> {
    async fn send(&mut self, text: String) -> bool {
        let patience = &self.world.patience;
        if patience.get() == 0 {
            return false;
        }
        patience.set(patience.get() - 1);
        self.text.push_str(&text);
        for event in shared_mcp::sse::Parser::new(1 << 20).push(text.as_bytes()).unwrap() {
            let Ok(message) = serde_json::from_str::<serde_json::Value>(&event.data) else { continue };
            let answer = self.world.answers.borrow().as_ref().and_then(|answers| answers(&message));
            if let Some(answer) = answer {
                let seen = self.world.serve(self.who, "POST", &self.headers, &answer.to_string()).await;
                assert_eq!(seen.status, self.world.answered.get(), "{}", seen.body);
            }
        }
        true
    }

    async fn alive(&mut self) -> bool {
        self.world.patience.get() > 0
    }
}
