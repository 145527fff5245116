//! Names and URIs in results, as the client sees them.

use crate::complete::{complete, to_legacy};
use crate::reply::Translation;
use crate::state;
use crate::tasks;
use serde_json::value::RawValue;
use shared_mcp::{Era, ErrorObject, Object};

impl Translation {
    /// The result as the client gets it; `None` if that is as it is.
    pub(crate) fn result(&self, text: &str) -> Result<Option<String>, ErrorObject> {
        let lists = is_list(&self.method);
        let wraps = self.naming.wraps_uris();
        let modern = self.era == Era::Modern;
        // Most results of the legacy era need no look inside.
        let typed = text.contains("\"resultType\"");
        let tasks = tasks::mentions(text);
        if !(lists || wraps || modern || typed || tasks) {
            return Ok(None);
        }
        let Ok(mut object) = Object::parse(text) else {
            return Ok(None);
        };
        let translated = !modern && typed && to_legacy(&mut object)?;
        let changed = if lists || wraps {
            match self.method.as_str() {
                "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" => {
                    self.replace(&mut object, item_member(&self.method), |item| {
                        self.naming.definition(&self.method, &self.upstream, item)
                    })
                }
                "tools/call" => self.replace(&mut object, "content", |block| Some(self.block(block))),
                "prompts/get" => self.replace(&mut object, "messages", |message| Some(self.prompt_message(message))),
                "resources/read" => {
                    self.replace(&mut object, "contents", |content| Some(self.with_uri(content, "uri")))
                }
                _ => false,
            }
        } else {
            false
        };
        let changed = (tasks && tasks::outward(&self.naming, &self.upstream, &mut object)) || changed;
        if modern {
            state::outward(&self.naming, &self.upstream, &self.method, &mut object);
            complete(&mut object, &self.method);
        }
        Ok((changed || translated || modern).then(|| object.to_string()))
    }

    /// Replace each element of an array by what `change` makes of it; whether that changes anything.
    fn replace(&self, object: &mut Object<'_>, member: &'static str, change: impl Fn(&str) -> Option<String>) -> bool {
        let Some(items) = object.get(member).and_then(elements) else {
            return false;
        };
        let changed: Vec<String> = items.iter().filter_map(|item| change(item)).collect();
        if changed == items {
            return false;
        }
        object.set(member, format!("[{}]", changed.join(",")));
        true
    }

    /// The object with the URI in it as the client sees it; `None` if it has none.
    fn uri(&self, mut object: Object<'_>, member: &'static str) -> Option<String> {
        let uri = object.string(member)?;
        object.set_string(member, &self.naming.uri_outward(&self.upstream, &uri));
        Some(object.to_string())
    }

    fn with_uri(&self, text: &str, member: &'static str) -> String {
        Object::parse(text).ok().and_then(|object| self.uri(object, member)).unwrap_or_else(|| text.into())
    }

    /// One block of content: links to and copies of resources name them.
    fn block(&self, text: &str) -> String {
        let Ok(mut block) = Object::parse(text) else {
            return text.into();
        };
        match block.string("type").as_deref() {
            Some("resource_link") => self.uri(block, "uri").unwrap_or_else(|| text.into()),
            Some("resource") => {
                let Some(resource) = block.get("resource").map(|resource| self.with_uri(resource, "uri")) else {
                    return text.into();
                };
                block.set("resource", resource);
                block.to_string()
            }
            _ => text.into(),
        }
    }

    fn prompt_message(&self, text: &str) -> String {
        let Ok(mut message) = Object::parse(text) else {
            return text.into();
        };
        let Some(content) = message.get("content").map(|content| self.block(content)) else {
            return text.into();
        };
        message.set("content", content);
        message.to_string()
    }
}

/// Whether a method lists definitions.
fn is_list(method: &str) -> bool {
    matches!(method, "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list")
}

/// The member of a list's result that holds the items.
pub(crate) fn item_member(method: &str) -> &'static str {
    match method {
        "tools/list" => "tools",
        "prompts/list" => "prompts",
        "resources/list" => "resources",
        _ => "resourceTemplates",
    }
}

/// The elements of an array, each as its text; `None` if it is none.
pub(crate) fn elements(text: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}
