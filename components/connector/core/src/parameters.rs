//! Which arguments of a modern upstream's tools travel in headers too, and the lists without the tools that break the
//! rules of that (2026-07-28, "Custom Headers from Tool Parameters").
//!
//! Kept under `upstream:{name}:parameters`, learned from every list of tools that passes, and asked for before the first
//! call where none did. It is a matter of the tools' definitions, not of a user; what one user sees and another does not
//! is found out when the upstream refuses the call (-32020).

use crate::settings::Target;
use crate::{Caller, Connector, MAX_MESSAGE, Ports, request};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared_mcp::mirror::{ANNOTATION, Mirror, mirrors};
use shared_mcp::{Message, Object, Revision};
use shared_ports::{Clock, Store};
use std::collections::BTreeMap;
use std::rc::Rc;

/// How long is believed what is known. A tool that changed meanwhile is noticed when the upstream refuses a call.
const SECONDS: u64 = 3600;

/// Most pages of a list that are asked for.
const MAX_PAGES: usize = 32;

/// Id of such requests, as JSON text. Modern ids are unique among the requests in flight, and servers are stateless.
const LIST_ID: &str = "\"mcp-edge-parameters\"";

/// Most entries of the cache. Names come from the settings, which may change while the instance lives.
const MAX_CACHED: usize = 512;

/// What is known of the tools of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parameters {
    /// Address, as the settings have it; the record of another address does not count.
    address: String,
    /// When this is not believed any more, in seconds since the Unix epoch.
    until: u64,
    /// Whether the whole list was seen: a tool that is not here has none.
    whole: bool,
    /// Tools that have any.
    tools: BTreeMap<String, Vec<Mirror>>,
}

/// What this instance read of the store, by the keys there.
#[derive(Debug, Default)]
pub(crate) struct Cache(BTreeMap<String, Rc<Parameters>>);

impl<P: Ports> Connector<P> {
    /// The arguments that have to be repeated in headers with this call. Asks for the list of tools where nothing is known;
    /// where that fails, the call goes without.
    pub(crate) async fn mirrored(
        &self,
        target: &Target,
        caller: &Caller,
        revision: Revision,
        message: &Message<'_>,
    ) -> Vec<(String, String)> {
        if message.method() != Some("tools/call") {
            return Vec::new();
        }
        let params = message.params();
        let Some(tool) = params.string("name") else {
            return Vec::new();
        };
        let known = self.parameters(target).filter(|known| known.whole || known.tools.contains_key(&tool));
        let known = match known {
            Some(known) => Some(known),
            None => self.list_parameters(target, caller, revision).await,
        };
        let Some(mirrors) = known.as_ref().and_then(|known| known.tools.get(&tool)) else {
            return Vec::new();
        };
        let arguments = params.get("arguments").unwrap_or("{}");
        mirrors.iter().filter_map(|mirror| Some((mirror.header.clone(), mirror.value(arguments)?))).collect()
    }

    /// Ask for the list of tools, after a call was refused for its headers. Whether something else is known now.
    pub(crate) async fn relist(&self, target: &Target, caller: &Caller, revision: Revision) -> bool {
        let before = self.parameters(target);
        let after = self.list_parameters(target, caller, revision).await;
        after.is_some_and(|after| before.is_none_or(|before| before.tools != after.tools))
    }

    /// A response to `tools/list` on its way to the caller: remember what it says, leave out the tools that may not be used.
    pub(crate) fn listed(&self, target: &Target, request: &Page, data: Vec<u8>) -> Vec<u8> {
        let Some(page) = std::str::from_utf8(&data).ok().and_then(read) else {
            return data;
        };
        let whole = request.first && page.next.is_none();
        let mut tools = match self.parameters(target) {
            // Another page of what is known.
            Some(known) if !whole => known.tools.clone(),
            _ => BTreeMap::new(),
        };
        for tool in &page.clean {
            tools.remove(tool);
        }
        tools.extend(page.tools);
        let whole = whole || self.parameters(target).is_some_and(|known| known.whole);
        self.keep_parameters(target, whole, tools);
        page.usable.map_or(data, String::into_bytes)
    }

    async fn list_parameters(&self, target: &Target, caller: &Caller, revision: Revision) -> Option<Rc<Parameters>> {
        let mut tools = BTreeMap::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut params = Object::new();
            if let Some(cursor) = &cursor {
                params.set_string("cursor", cursor);
            }
            let text = format!(r#"{{"jsonrpc":"2.0","id":{LIST_ID},"method":"tools/list","params":{params}}}"#);
            let message = Message::parse(&text).ok()?;
            let request = request::modern(target, caller, revision, &message, &[]).ok()?;
            let answer = self.ask_for(target, request, LIST_ID, MAX_MESSAGE).await.ok()?;
            let page = read(&answer.response?)?;
            tools.extend(page.tools);
            match page.next {
                None => return Some(self.keep_parameters(target, true, tools)),
                next => cursor = next,
            }
        }
        Some(self.keep_parameters(target, false, tools))
    }

    fn parameters(&self, target: &Target) -> Option<Rc<Parameters>> {
        let now = self.ports.clock().now();
        let holds = |known: &Parameters| known.address == target.address && known.until > now;
        let key = key(target);
        if let Some(known) = self.parameters.borrow().0.get(&key).filter(|known| holds(known)) {
            return Some(Rc::clone(known));
        }
        // Without the store a call goes without what is kept; if it matters, the upstream says so.
        let record = self.ports.store().get(&key).ok()??;
        let known: Rc<Parameters> = Rc::new(serde_json::from_slice(&record).ok().filter(holds)?);
        self.cache_parameters(key, &known);
        Some(known)
    }

    fn keep_parameters(&self, target: &Target, whole: bool, tools: BTreeMap<String, Vec<Mirror>>) -> Rc<Parameters> {
        if let Some(known) = self.parameters(target)
            && known.whole == whole
            && known.tools == tools
        {
            return known;
        }
        let until = self.ports.clock().now().saturating_add(SECONDS);
        let known = Rc::new(Parameters { address: target.address.clone(), until, whole, tools });
        let key = key(target);
        if let Ok(record) = serde_json::to_vec(&*known) {
            // Lost, it is asked for again.
            let _ = self.ports.store().set(&key, &record);
        }
        self.cache_parameters(key, &known);
        known
    }

    fn cache_parameters(&self, key: String, known: &Rc<Parameters>) {
        let cache = &mut self.parameters.borrow_mut().0;
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(key, Rc::clone(known));
    }
}

fn key(target: &Target) -> String {
    format!("upstream:{}:parameters", target.name)
}

/// Which page of a list of tools was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// The first.
    first: bool,
}

impl Page {
    /// `None` where the message asks for something else.
    pub(crate) fn of(message: &Message<'_>) -> Option<Self> {
        (message.method() == Some("tools/list")).then(|| Self { first: message.params().get("cursor").is_none() })
    }
}

/// What one page of a list of tools says.
struct Listed {
    /// Tools with mirrored arguments.
    tools: BTreeMap<String, Vec<Mirror>>,
    /// Tools without.
    clean: Vec<String>,
    /// Where the list goes on.
    next: Option<String>,
    /// The response without the tools that may not be used, if there are any.
    usable: Option<String>,
}

fn read(text: &str) -> Option<Listed> {
    let Ok(Message::Response { outcome: Ok(result), mut object, .. }) = Message::parse(text) else {
        return None;
    };
    let mut result = Object::parse(&result).ok()?;
    let definitions: Vec<&RawValue> = serde_json::from_str(result.get("tools")?).ok()?;
    let next = result.string("nextCursor");
    let mut listed = Listed { tools: BTreeMap::new(), clean: Vec::new(), next, usable: None };
    let mut kept = Vec::with_capacity(definitions.len());
    for definition in &definitions {
        let name = Object::parse(definition.get()).ok().and_then(|tool| tool.string("name"));
        if !definition.get().contains(ANNOTATION) {
            kept.push(definition.get());
            listed.clean.extend(name);
            continue;
        }
        let schema = Object::parse(definition.get()).ok();
        let schema = schema.as_ref().and_then(|tool| tool.get("inputSchema")).unwrap_or("{}");
        match (mirrors(schema), name) {
            (Err(_), _) => continue,
            (Ok(mirrors), Some(name)) if !mirrors.is_empty() => drop(listed.tools.insert(name, mirrors)),
            (Ok(_), name) => listed.clean.extend(name),
        }
        kept.push(definition.get());
    }
    if kept.len() < definitions.len() {
        let tools = format!("[{}]", kept.join(","));
        result.set("tools", tools);
        let result = result.to_string();
        object.set("result", result);
        listed.usable = Some(object.to_string());
    }
    Some(listed)
}
