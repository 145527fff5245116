//! Arguments of tools that travel in headers too (2026-07-28, "Custom Headers from Tool Parameters").

use crate::header::PARAM_PREFIX;
use crate::object::Object;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The annotation in a property's schema.
pub const ANNOTATION: &str = "x-mcp-header";

/// Most annotations in one schema. Servers take some 8 KB of headers in all, so a tool with more could not be called.
const MAX_MIRRORS: usize = 64;

/// Largest integer, and with the sign turned the smallest, that every JSON reader reads alike.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// One argument and the header that repeats it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// Name of the header, in lower case.
    pub header: String,
    /// Names of the properties that lead to the argument.
    pub path: Vec<String>,
}

/// Why a tool definition with such annotations has to be left out of lists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// The schema is no JSON object, or nested too deeply to be read.
    #[error("the schema cannot be read")]
    Schema,
    /// The name is empty, no string, or no token (RFC 9110 section 5.6.2).
    #[error("the name of a header is not a token")]
    Name,
    /// Two arguments have headers of one name.
    #[error("two headers have the same name")]
    Duplicate,
    /// The argument is no string, integer or boolean.
    #[error("an argument with a header is no string, integer or boolean")]
    Type,
    /// The annotation is not at a property that `properties` alone lead to.
    #[error("a header is not at a property reached by `properties` alone")]
    Place,
    /// More than 64 annotations.
    #[error("more than 64 headers")]
    TooMany,
}

/// The mirrored arguments of a tool, by its `inputSchema` (JSON text).
///
/// # Errors
/// The definition breaks one of the rules: the tool is to be left out of lists.
pub fn mirrors(input_schema: &str) -> Result<Vec<Mirror>, Unusable> {
    if !input_schema.contains(ANNOTATION) {
        return Ok(Vec::new());
    }
    let Ok(Value::Object(schema)) = serde_json::from_str(input_schema) else {
        return Err(Unusable::Schema);
    };
    if schema.contains_key(ANNOTATION) || strays(&schema, true) {
        return Err(Unusable::Place);
    }
    let mut found = Vec::new();
    collect(&schema, &mut Vec::new(), &mut found)?;
    Ok(found)
}

fn collect(schema: &Map<String, Value>, path: &mut Vec<String>, found: &mut Vec<Mirror>) -> Result<(), Unusable> {
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return Ok(());
    };
    for (name, property) in properties {
        let Value::Object(property) = property else { continue };
        path.push(name.clone());
        if let Some(annotation) = property.get(ANNOTATION) {
            let name = annotation.as_str().filter(|name| is_token(name)).ok_or(Unusable::Name)?;
            if !matches!(property.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
                return Err(Unusable::Type);
            }
            let header = format!("{PARAM_PREFIX}{}", name.to_ascii_lowercase());
            if found.iter().any(|mirror| mirror.header == header) {
                return Err(Unusable::Duplicate);
            }
            if found.len() >= MAX_MIRRORS {
                return Err(Unusable::TooMany);
            }
            found.push(Mirror { header, path: path.clone() });
        }
        collect(property, path, found)?;
        path.pop();
    }
    Ok(())
}

/// Whether an annotation stands anywhere else than at a property that `properties` alone lead to. `reached` says whether
/// they lead to this schema.
fn strays(schema: &Map<String, Value>, reached: bool) -> bool {
    schema.iter().any(|(key, value)| match key.as_str() {
        ANNOTATION => !reached,
        "properties" => any_strays(value, reached),
        "$defs" | "definitions" | "dependentSchemas" | "patternProperties" => any_strays(value, false),
        // Instances, not schemas.
        "default" | "const" | "enum" | "examples" => false,
        _ => within(value),
    })
}

fn any_strays(schemas: &Value, reached: bool) -> bool {
    let strays = |schema: &Value| schema.as_object().is_some_and(|schema| strays(schema, reached));
    schemas.as_object().is_some_and(|schemas| schemas.values().any(strays))
}

fn within(value: &Value) -> bool {
    match value {
        Value::Object(schema) => strays(schema, false),
        Value::Array(items) => items.iter().any(within),
        _ => false,
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

impl Mirror {
    /// The text of the argument in these arguments (JSON text), before it is coded for a header; `None` where there is none,
    /// or null, or something that no header can repeat.
    pub fn value(&self, arguments: &str) -> Option<String> {
        let (last, way) = self.path.split_last()?;
        let mut text = arguments.to_owned();
        for name in way {
            text = Object::parse(&text).ok()?.get(name)?.to_owned();
        }
        let object = Object::parse(&text).ok()?;
        let value = object.get(last)?;
        match value.as_bytes().first()? {
            b'"' => serde_json::from_str(value).ok(),
            b't' | b'f' => Some(value.into()),
            b'-' | b'0'..=b'9' => Some(decimal(value)),
            _ => None,
        }
    }
}

/// A JSON number as a decimal integer where it is one, else as it is.
fn decimal(number: &str) -> String {
    let exact = number.bytes().all(|b| b == b'-' || b.is_ascii_digit());
    match number.parse::<f64>() {
        Ok(value) if !exact && value.fract() == 0.0 && value.abs() <= MAX_SAFE => format!("{value:.0}"),
        _ => number.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(properties: Value, expected: Result<&[(&str, &str)], Unusable>) {
        let schema = json!({ "type": "object", "properties": properties });
        let found = mirrors(&schema.to_string());
        let found = found.map(|all| all.into_iter().map(|m| (m.header, m.path.join("/"))).collect::<Vec<_>>());
        let expected = expected.map(|all| all.iter().map(|(h, p)| ((*h).to_owned(), (*p).to_owned())).collect());
        assert_eq!(found, expected, "{properties}");
    }

    #[test]
    fn annotations_are_found_where_properties_alone_lead_to_them() {
        let string = |name: &str| json!({ "type": "string", "x-mcp-header": name });
        check(json!({ "a": { "type": "string" } }), Ok(&[]));
        check(json!({ "region": string("Region") }), Ok(&[("mcp-param-region", "region")]));
        check(
            json!({ "a": { "type": "object", "properties": { "b": { "type": "integer", "x-mcp-header": "B" } } },
                    "c": { "type": "boolean", "x-mcp-header": "Method" } }),
            Ok(&[("mcp-param-b", "a/b"), ("mcp-param-method", "c")]),
        );
        // A property that is called like the annotation is none.
        check(json!({ "x-mcp-header": { "type": "string" } }), Ok(&[]));
        check(json!({ "a": { "type": "string", "default": { "x-mcp-header": "X" } } }), Ok(&[]));
    }

    #[test]
    fn a_definition_that_breaks_a_rule_is_unusable() {
        let string = |name: Value| json!({ "type": "string", "x-mcp-header": name });
        for name in
            [json!(""), json!("My Region"), json!("a:b"), json!("Région"), json!("a\t"), json!("a\r\n"), json!(7)]
        {
            check(json!({ "a": string(name) }), Err(Unusable::Name));
        }
        for kind in
            [json!("number"), json!("object"), json!("array"), json!("null"), json!(["string", "null"]), json!(null)]
        {
            check(json!({ "a": { "type": kind, "x-mcp-header": "A" } }), Err(Unusable::Type));
        }
        check(json!({ "a": string(json!("A")), "b": string(json!("a")) }), Err(Unusable::Duplicate));
        let stray = string(json!("A"));
        for place in [
            json!({ "type": "array", "items": stray }),
            json!({ "anyOf": [stray] }),
            json!({ "not": stray }),
            json!({ "if": { "properties": { "b": stray } } }),
            json!({ "patternProperties": { "b": stray } }),
            json!({ "additionalProperties": stray }),
        ] {
            check(json!({ "a": place }), Err(Unusable::Place));
        }
        assert_eq!(mirrors(r#"{"x-mcp-header":"A"}"#), Err(Unusable::Place));
        assert_eq!(mirrors(r#"["x-mcp-header"]"#), Err(Unusable::Schema));
        assert_eq!(mirrors(r#"{"$defs":{"a":{"type":"string","x-mcp-header":"A"}}}"#), Err(Unusable::Place));
        let many: Map<String, Value> = (0..65).map(|n| (format!("p{n}"), string(json!(format!("p{n}"))))).collect();
        check(many.into(), Err(Unusable::TooMany));
    }

    #[test]
    fn values_are_read_at_the_exact_place() {
        let at = |path: &[&str]| Mirror { header: "h".into(), path: path.iter().map(|s| (*s).to_owned()).collect() };
        let arguments = r#"{"s":"a\u00e9","n":null,"i":42,"f":42.0,"e":1e3,"x":1.5,"big":12345678901234567890,"neg":-7,"b":false,"o":{"p":"q"},"l":[1]}"#;
        for (path, expected) in [
            (&["s"][..], Some("aé")),
            (&["n"], None),
            (&["i"], Some("42")),
            (&["f"], Some("42")),
            (&["e"], Some("1000")),
            (&["x"], Some("1.5")),
            (&["big"], Some("12345678901234567890")),
            (&["neg"], Some("-7")),
            (&["b"], Some("false")),
            (&["o", "p"], Some("q")),
            (&["p"], None),
            (&["o"], None),
            (&["l"], None),
            (&["s", "p"], None),
            (&[], None),
        ] {
            assert_eq!(at(path).value(arguments).as_deref(), expected, "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn no_schema_and_no_arguments_panic(schema in "[\\[\\]{}\":,a-z0-9 -]{0,80}|\\PC{0,40}", name in "\\PC{0,8}") {
            let _ = mirrors(&schema);
            let schema = json!({ "properties": { &name: { "type": "string", "x-mcp-header": &name } }, "x": schema });
            let _ = mirrors(&schema.to_string());
            let _ = Mirror { header: name.clone(), path: vec![name] }.value(&schema.to_string());
        }

        #[test]
        fn whatever_is_found_can_travel_as_a_header(name in "\\PC{0,12}") {
            let schema = json!({ "properties": { "a": { "type": "string", "x-mcp-header": name } } });
            for mirror in mirrors(&schema.to_string()).unwrap_or_default() {
                prop_assert!(is_token(&mirror.header) && mirror.header == mirror.header.to_ascii_lowercase());
            }
        }
    }
}
