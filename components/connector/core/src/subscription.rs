//! `subscriptions/listen` of 2026-07-28: what is asked for, and what comes.

use crate::Event;
use crate::connect::Link;
use shared_mcp::{Message, Object, meta};

/// The first message of a subscription.
pub(crate) const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// Lists whose changes are told: flag of the filter, capability, notification.
const LISTS: [(&str, &str, &str); 3] = [
    ("toolsListChanged", "tools", "notifications/tools/list_changed"),
    ("promptsListChanged", "prompts", "notifications/prompts/list_changed"),
    ("resourcesListChanged", "resources", "notifications/resources/list_changed"),
];

/// The member of the filter that names resources.
const RESOURCES: &str = "resourceSubscriptions";

/// Most resources that are subscribed to again in a new session: as many requests follow one upon the other.
const MAX_RESUBSCRIBED: usize = 100;

/// The `notifications` object of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    text: String,
    /// Whether nothing is asked for.
    empty: bool,
    /// Which of [`LISTS`].
    lists: Vec<&'static str>,
    uris: Vec<String>,
}

impl Filter {
    /// `None` for what is no object.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let object = Object::parse(text).ok()?;
        let lists = LISTS.iter().filter(|(flag, ..)| object.get(flag) == Some("true")).map(|(.., method)| *method);
        let uris = object.get(RESOURCES).and_then(|uris| serde_json::from_str(uris).ok()).unwrap_or_default();
        // What nobody here knows may mean something.
        let asks = |(_, value): (&str, &str)| !matches!(value, "false" | "null" | "[]" | "{}");
        Some(Self { text: text.into(), empty: !object.iter().any(asks), lists: lists.collect(), uris })
    }

    /// Whether nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.empty
    }

    /// The request for it. `id` is JSON text.
    pub(crate) fn request(&self, id: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"subscriptions/listen","params":{{"notifications":{}}}}}"#,
            self.text
        )
    }

    /// The requests that ask for the same resources in a session.
    pub(crate) fn subscribe(&self) -> Vec<String> {
        let request = |(number, uri): (usize, &String)| {
            let mut params = Object::new();
            params.set_string("uri", uri);
            format!(
                r#"{{"jsonrpc":"2.0","id":"mcp-edge-subscribe-{number}","method":"resources/subscribe","params":{params}}}"#
            )
        };
        self.uris.iter().take(MAX_RESUBSCRIBED).enumerate().map(request).collect()
    }

    /// Notifications of everything that may have changed while nobody listened. Of an upstream with sessions, those that it
    /// says it sends.
    pub(crate) fn changed(&self, link: &Link) -> Vec<Event> {
        let lists = match link {
            Link::Modern(_) => self.lists.clone(),
            Link::Legacy(conversation) => {
                conversation.about.lists_that_change(&LISTS.map(|(_, name, method)| (name, method)))
            }
        };
        let lists = lists.into_iter().map(|method| format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#));
        let resources = self.uris.iter().map(|uri| {
            let mut params = Object::new();
            params.set_string("uri", uri);
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{params}}}"#)
        });
        lists.chain(resources).map(|text| Event::Message { data: text.into_bytes(), event_id: None }).collect()
    }
}

/// The filter that an upstream acknowledges; `None` where the message is no acknowledgement.
pub(crate) fn acknowledged(message: &Message<'_>) -> Option<Filter> {
    if message.method() != Some(ACKNOWLEDGED) {
        return None;
    }
    Filter::parse(message.params().get("notifications").unwrap_or("{}"))
}

/// The message without the name of the subscription, which is ours and not the client's; `None` where it has none.
pub(crate) fn without_id(message: &Message<'_>) -> Option<String> {
    let mut params = message.params();
    let mut fields = params.object("_meta")?;
    fields.remove(meta::SUBSCRIPTION_ID)?;
    let fields = (!fields.is_empty()).then(|| fields.to_string());
    match fields {
        None => drop(params.remove("_meta")),
        Some(fields) => params.set("_meta", fields),
    }
    let mut object = message.object().clone();
    object.set("params", params.to_string());
    Some(object.to_string())
}
