//! The capabilities that the gateway declares: what the upstreams declare, as far as it gets through.
//!
//! - **One upstream of the client's era**: its object as it is but for `tasks.list`, with whatever it may have that nobody knows yet, since
//!   unknown methods go to it, too.
//! - **Several, or another era**: the features that the gateway knows how to route. Unknown and experimental ones are left
//!   out: nothing says which upstream their methods belong to. Tasks are for upstreams of the client's era.
//! - **An upstream that cannot be used now** counts as one with tools: a client that is told there are none would not
//!   ask again when it is back.

use crate::upstreams::Description;
use shared_mcp::{Object, Revision};

/// Capabilities that hold for the whole of a merged catalogue.
const ROUTED: [&str; 5] = ["tools", "prompts", "resources", "completions", "logging"];

/// Extensions that are nothing but metadata of definitions and results.
const PASSIVE_EXTENSIONS: [&str; 1] = ["io.modelcontextprotocol/ui"];

/// The extension whose ids are routed; between upstreams and clients of one era, since the older form is another one.
const TASKS: &str = "io.modelcontextprotocol/tasks";

/// Members of a capability that announce notifications outside of requests.
const ANNOUNCING: [&str; 2] = ["listChanged", "subscribe"];

/// The `ServerCapabilities` for a client of this revision: JSON text. `single` says that the settings have no other
/// upstreams than this one.
pub(crate) fn merge(client: Revision, single: bool, upstreams: &[(String, Option<Description>)]) -> String {
    if let [(_, Some(only))] = upstreams
        && single
        && only.era() == client.era()
        && let Ok(mut capabilities) = Object::parse(&only.capabilities)
    {
        if let Some(tasks) = tasks(&capabilities) {
            capabilities.set("tasks", tasks);
        }
        return capabilities.to_string();
    }
    let mut merged = Object::new();
    let mut extensions = Object::new();
    for (_, description) in upstreams {
        let Some(description) = description else {
            if merged.get("tools").is_none() {
                merged.set("tools", "{}");
            }
            continue;
        };
        let capabilities = Object::parse(&description.capabilities).unwrap_or_default();
        for name in ROUTED {
            let Some(declared) = capabilities.get(name) else { continue };
            let declared = Object::parse(declared).unwrap_or_default();
            let mut capability = merged.get(name).and_then(|text| Object::parse(text).ok()).unwrap_or_default();
            for member in ANNOUNCING.iter().filter(|member| declared.get(member) == Some("true")) {
                capability.set(*member, "true");
            }
            let capability = capability.to_string();
            merged.set(name, capability);
        }
        let declared = capabilities.object("extensions").unwrap_or_default();
        if description.era() == client.era()
            && let Some(tasks) = tasks(&capabilities)
        {
            merged.set("tasks", tasks);
        }
        if description.era() == client.era()
            && let Some(value) = declared.get(TASKS)
        {
            extensions.set(TASKS, value.to_owned());
        }
        for name in PASSIVE_EXTENSIONS {
            if let Some(value) = declared.get(name) {
                extensions.set(name, value.to_owned());
            }
        }
    }
    if !extensions.is_empty() {
        merged.set("extensions", extensions.to_string());
    }
    merged.to_string()
}

/// The capability for tasks. Their ids find the way back; a list of all would need pages across upstreams, and have those of
/// other users in it, since an upstream may know all users by one credential.
fn tasks(capabilities: &Object<'_>) -> Option<String> {
    let mut tasks = capabilities.object("tasks")?;
    tasks.remove("list");
    Some(tasks.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(client: Revision, upstreams: &[Option<(&str, &str)>], expected: &str) {
        let upstreams: Vec<_> = upstreams
            .iter()
            .map(|upstream| {
                let description = upstream.map(|(revision, capabilities)| Description {
                    revision: revision.into(),
                    capabilities: capabilities.into(),
                    server_info: "{}".into(),
                    instructions: None,
                });
                ("demo".to_owned(), description)
            })
            .collect();
        assert_eq!(merge(client, upstreams.len() == 1, &upstreams), expected);
    }

    #[test]
    fn only_what_gets_through_is_declared() {
        use Revision::{V2025_06_18 as LEGACY, V2026_07_28 as MODERN};
        const ALL: &str = r#"{"x-new":{"a":1.0},"tools":{"listChanged":true,"y":2},"resources":{"subscribe":true},"tasks":{},"extensions":{"io.modelcontextprotocol/ui":{"m":[1]},"io.modelcontextprotocol/tasks":{}}}"#;
        let legacy = Some(("2025-11-25", ALL));
        let modern = Some(("2026-07-28", ALL));

        check(MODERN, &[modern], ALL);
        check(LEGACY, &[legacy], ALL);
        let routed = r#"{"tools":{"listChanged":true},"resources":{"subscribe":true},"extensions":{"io.modelcontextprotocol/ui":{"m":[1]}}}"#;
        check(MODERN, &[legacy], routed);
        check(LEGACY, &[modern], routed);
        check(
            MODERN,
            &[modern, modern],
            r#"{"tools":{"listChanged":true},"resources":{"subscribe":true},"tasks":{},"extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{"m":[1]}}}"#,
        );
        check(
            LEGACY,
            &[Some(("2025-11-25", r#"{"logging":{}}"#)), Some(("2025-06-18", r#"{"prompts":{}}"#))],
            r#"{"logging":{},"prompts":{}}"#,
        );
        check(MODERN, &[Some(("2025-11-25", r#"{"logging":{},"tools":{}}"#))], r#"{"tools":{},"logging":{}}"#);
        check(LEGACY, &[Some(("2026-07-28", r#"{"logging":{},"tools":{}}"#))], r#"{"tools":{},"logging":{}}"#);
        check(
            LEGACY,
            &[
                None,
                Some(("2026-07-28", r#"{"tools":{"listChanged":true}}"#)),
                None,
                Some(("2025-11-25", r#"{"tools":{}}"#)),
            ],
            r#"{"tools":{"listChanged":true}}"#,
        );
        check(LEGACY, &[Some(("2024-11-05", r#"{"logging":{},"x":1}"#))], r#"{"logging":{},"x":1}"#);
        check(LEGACY, &[None, Some(("2025-11-25", r#"{"prompts":{}}"#))], r#"{"tools":{},"prompts":{}}"#);
        check(LEGACY, &[None], r#"{"tools":{}}"#);
        check(LEGACY, &[], "{}");
        check(LEGACY, &[Some(("2025-11-25", "broken"))], "{}");
    }
}
