//! Arguments that the gateway fills in: gone from what the client sees, there in what the upstream gets.

use crate::content::elements;
use crate::errors::{Refusal, invalid_params};
use crate::view::Kind;
use serde_json::Value;
use shared_mcp::Object;

/// Take the arguments out of a definition; whether any was in it.
pub(crate) fn hide(item: &mut Object<'_>, kind: Kind, bound: &[(String, String)]) -> bool {
    if bound.is_empty() {
        return false;
    }
    let is_bound = |name: &str| bound.iter().any(|(bound, _)| bound == name);
    let changed = match kind {
        Kind::Tool => {
            item.object("inputSchema").and_then(|schema| without(schema, &is_bound)).map(|s| ("inputSchema", s))
        }
        Kind::Prompt => {
            let arguments = item.get("arguments").and_then(elements).unwrap_or_default();
            let name = |argument: &str| Object::parse(argument).ok().and_then(|argument| argument.string("name"));
            let kept = keep(&arguments, |argument| !name(argument).is_some_and(|name| is_bound(&name)));
            kept.map(|kept| ("arguments", kept))
        }
    };
    match changed {
        Some((member, text)) => {
            item.set(member, text);
            true
        }
        None => false,
    }
}

/// The schema without these properties; `None` if it has none of them.
fn without(mut schema: Object<'_>, is_bound: &impl Fn(&str) -> bool) -> Option<String> {
    let mut properties = schema.object("properties")?;
    let names: Vec<String> = properties.iter().map(|(name, _)| name.to_owned()).filter(|name| is_bound(name)).collect();
    if names.is_empty() {
        return None;
    }
    for name in &names {
        properties.remove(name);
    }
    let properties = properties.to_string();
    let name = |text: &str| serde_json::from_str::<String>(text).is_ok_and(|name| is_bound(&name));
    let required = schema.get("required").and_then(elements).and_then(|names| keep(&names, |text| !name(text)));
    if let Some(required) = required {
        schema.set("required", required);
    }
    schema.set("properties", properties);
    Some(schema.to_string())
}

/// An array of the elements that are to be kept; `None` if all are.
fn keep(elements: &[&str], wanted: impl Fn(&str) -> bool) -> Option<String> {
    let kept: Vec<&str> = elements.iter().copied().filter(|element| wanted(element)).collect();
    (kept.len() < elements.len()).then(|| format!("[{}]", kept.join(",")))
}

/// Fill the arguments in that the definition has. What the client says for any of them is not heard, whether the
/// definition has it or not.
pub(crate) fn fill(
    params: &mut Object<'_>,
    kind: Kind,
    bound: &[(String, String)],
    definition: &str,
) -> Result<(), Refusal> {
    let definition = Object::parse(definition).unwrap_or_default();
    let mut arguments = match params.get("arguments") {
        None | Some("null") => Object::new(),
        Some(text) => {
            Object::parse(text).map_err(|_| invalid_params("`arguments` must be an object with distinct members."))?
        }
    };
    for (name, value) in bound {
        arguments.remove(name);
        let value = match kind {
            Kind::Tool => definition
                .object("inputSchema")
                .and_then(|schema| schema.object("properties")?.get(name).map(|schema| typed(schema, value))),
            Kind::Prompt => {
                let arguments = definition.get("arguments").and_then(elements).unwrap_or_default();
                let has = |text: &str| {
                    Object::parse(text).is_ok_and(|argument| argument.string("name").as_ref() == Some(name))
                };
                arguments.into_iter().any(has).then(|| Value::from(value.as_str()).to_string())
            }
        };
        if let Some(value) = value {
            arguments.set(name.clone(), value);
        }
    }
    let arguments = arguments.to_string();
    params.set("arguments", arguments);
    Ok(())
}

/// A value as its schema wants it: projects and the like are numbers at some upstreams.
fn typed(schema: &str, value: &str) -> String {
    let kind = Object::parse(schema).ok().and_then(|schema| schema.string("type"));
    let literal = match kind.as_deref() {
        Some("integer") => serde_json::from_str::<i64>(value).is_ok(),
        Some("number") => serde_json::from_str::<f64>(value).is_ok(),
        Some("boolean") => matches!(value, "true" | "false"),
        _ => false,
    };
    if literal { value.into() } else { Value::from(value).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: &str = r#"{"name":"t","inputSchema":{"type":"object","properties":{"q":{"type":"string"},"org":{"type":"string"},"project":{"type":"integer"}},"required":["org","q"],"x":1.0},"y":2}"#;

    fn bound(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn bound_arguments_are_gone_from_definitions() {
        for (kind, text, expected) in [
            (
                Kind::Tool,
                TOOL,
                Some(
                    r#"{"name":"t","inputSchema":{"type":"object","properties":{"q":{"type":"string"}},"required":["q"],"x":1.0},"y":2}"#,
                ),
            ),
            (Kind::Tool, r#"{"name":"t","inputSchema":{"type":"object"}}"#, None),
            (Kind::Tool, r#"{"name":"t","inputSchema":{"properties":{"q":true}}}"#, None),
            (Kind::Tool, r#"{"name":"t"}"#, None),
            (
                Kind::Prompt,
                r#"{"name":"p","arguments":[{"name":"org","required":true},{"name":"q"}]}"#,
                Some(r#"{"name":"p","arguments":[{"name":"q"}]}"#),
            ),
            (Kind::Prompt, r#"{"name":"p"}"#, None),
        ] {
            let mut item = Object::parse(text).unwrap();
            let changed = hide(&mut item, kind, &bound(&[("org", "acme"), ("project", "7")]));
            assert_eq!((changed, item.to_string().as_str()), (expected.is_some(), expected.unwrap_or(text)), "{text}");
        }
    }

    #[test]
    fn bound_arguments_are_the_gateways_whatever_the_client_says() {
        for (params, expected) in [
            (r#"{"name":"t"}"#, r#"{"name":"t","arguments":{"org":"acme","project":7}}"#),
            (r#"{"arguments":null}"#, r#"{"arguments":{"org":"acme","project":7}}"#),
            (
                r#"{"arguments":{"q":1.0,"org":"evil","project":8,"undeclared":"x"}}"#,
                r#"{"arguments":{"q":1.0,"org":"acme","project":7}}"#,
            ),
        ] {
            let mut object = Object::parse(params).unwrap();
            fill(&mut object, Kind::Tool, &bound(&[("org", "acme"), ("project", "7"), ("undeclared", "z")]), TOOL)
                .unwrap();
            assert_eq!(object.to_string(), expected);
        }
        for bad in [r#"{"arguments":[]}"#, r#"{"arguments":{"org":1,"org":2}}"#, r#"{"arguments":"x"}"#] {
            assert!(
                fill(&mut Object::parse(bad).unwrap(), Kind::Tool, &bound(&[("org", "acme")]), TOOL).is_err(),
                "{bad}"
            );
        }
        let mut object = Object::parse(r#"{"arguments":{"org":"evil"}}"#).unwrap();
        fill(&mut object, Kind::Prompt, &bound(&[("org", "acme")]), r#"{"arguments":[{"name":"org"}]}"#).unwrap();
        assert_eq!(object.to_string(), r#"{"arguments":{"org":"acme"}}"#);
        assert_eq!(typed(r#"{"type":"integer"}"#, "x7"), r#""x7""#);
        assert_eq!(typed(r#"{"type":"integer"}"#, "007"), r#""007""#);
        assert_eq!(typed(r#"{"type":"boolean"}"#, "true"), "true");
        assert_eq!(typed(r#"{"type":"number"}"#, "inf"), r#""inf""#);
    }
}
