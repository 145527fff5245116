//! Definitions of tools, prompts, resources and templates, as the client sees them.

use crate::bound;
use crate::pins;
use crate::view::{Kind, Naming, Part};
use shared_mcp::Object;

impl Naming {
    /// One definition of a list; `None` for one that may not be seen, or that has no name or URI, which nobody could use.
    pub fn definition(&self, method: &str, upstream: &str, text: &str) -> Option<String> {
        let part = self.part(upstream)?;
        match method {
            "tools/list" => self.named(part, Kind::Tool, text),
            "prompts/list" => self.named(part, Kind::Prompt, text),
            "resources/list" => self.located(upstream, "uri", text),
            _ => self.located(upstream, "uriTemplate", text),
        }
    }

    fn named(&self, part: &Part, kind: Kind, text: &str) -> Option<String> {
        let mut item = Object::parse(text).ok()?;
        let name = item.string("name")?;
        let accepted = || self.pins.get(&part.name).and_then(|tools| tools.get(&name)) == Some(&pins::hash(text));
        if !part.shows_name(kind, &name) || (kind == Kind::Tool && part.pinned && !accepted()) {
            return None;
        }
        let outward = self.outward(kind, &part.name, &name)?;
        let mut changed = outward != name;
        if changed {
            item.set_string("name", &outward);
        }
        for (member, value) in [
            ("title", part.change(kind, &name, |change| change.title.as_ref())),
            ("description", part.change(kind, &name, |change| change.description.as_ref())),
        ] {
            if let Some(value) = value {
                item.set_string(member, value);
                changed = true;
            }
        }
        changed |= bound::hide(&mut item, kind, &part.bound);
        changed |= self.app(&part.name, &mut item);
        Some(if changed { item.to_string() } else { text.into() })
    }

    fn located(&self, upstream: &str, member: &'static str, text: &str) -> Option<String> {
        let mut item = Object::parse(text).ok()?;
        let uri = item.string(member)?;
        if !self.shows_resource(upstream, &uri) {
            return None;
        }
        let outward = self.uri_outward(upstream, &uri);
        if outward == uri {
            return Some(text.into());
        }
        item.set_string(member, &outward);
        Some(item.to_string())
    }

    /// The page of an MCP App that a tool refers to (`_meta.ui.resourceUri`; before that `_meta["ui/resourceUri"]`).
    fn app(&self, upstream: &str, tool: &mut Object<'_>) -> bool {
        let Some(mut meta) = tool.object("_meta").filter(|_| self.wraps_uris()) else {
            return false;
        };
        let page = meta.object("ui").and_then(|mut ui| {
            let uri = ui.string("resourceUri")?;
            ui.set_string("resourceUri", &self.uri_outward(upstream, &uri));
            Some(ui.to_string())
        });
        let older = meta.string("ui/resourceUri");
        if let Some(ui) = &page {
            meta.set("ui", ui.clone());
        }
        if let Some(uri) = &older {
            meta.set_string("ui/resourceUri", &self.uri_outward(upstream, uri));
        }
        if page.is_none() && older.is_none() {
            return false;
        }
        let meta = meta.to_string();
        tool.set("_meta", meta);
        true
    }
}
