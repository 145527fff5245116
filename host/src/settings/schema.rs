//! The document against its schema: unknown keys, wrong types and missing keys, each by its path.

use serde_json::{Map, Value, json};
use shared_settings::{Document, Problem};

/// How like a known key an unknown one must be to be taken for a slip of it (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.75;

/// The JSON Schema of `mcp-edge.json`.
pub fn json_schema() -> Value {
    schemars::schema_for!(Document).to_value()
}

/// Everything in the document that its schema does not know.
pub(super) fn check(document: &Value, problems: &mut Vec<Problem>) {
    let root = json_schema();
    Walk { root: &root, problems }.value(&root, document, "");
}

/// The first error of each part, for rules that the schema does not hold.
pub(super) fn check_by_parts(document: &Value) -> Vec<Problem> {
    let Value::Object(fields) = document else { return Vec::new() };
    let mut parts = Vec::new();
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("mcpServers", Value::Object(servers)) => {
                parts.extend(servers.iter().map(|(name, server)| json!({ "mcpServers": { name: server } })));
            }
            _ => parts.push(json!({ key: value })),
        }
    }
    parts
        .into_iter()
        .filter_map(|part| serde_path_to_error::deserialize::<_, Document>(part).err())
        .map(|error| Problem { path: error.path().to_string(), text: error.inner().to_string() })
        .collect()
}

/// `a` and `b` to `a.b`.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.into() } else { format!("{path}.{key}") }
}

struct Walk<'a> {
    root: &'a Value,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, schema: &'a Value, value: &Value, path: &str) {
        let schema = self.resolve(schema);
        if let Some(options) = schema.get("anyOf").or(schema.get("oneOf")).and_then(Value::as_array) {
            if let Some(option) = self.choose(options, value) {
                self.value(option, value, path);
            }
            return;
        }
        if let Some(expected) = schema.get("type")
            && !fits(expected, value)
        {
            return self.problem(path, format!("is {}, but must be {}", name_of(value), names_of(expected)));
        }
        match value {
            Value::Object(fields) => self.object(schema, fields, path),
            Value::Array(items) => {
                let Some(schema) = schema.get("items") else { return };
                for (index, item) in items.iter().enumerate() {
                    self.value(schema, item, &format!("{path}[{index}]"));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn object(&mut self, schema: &'a Value, fields: &Map<String, Value>, path: &str) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (key, field) in fields {
            match (properties.and_then(|known| known.get(key)), others) {
                (Some(schema), _) => self.value(schema, field, &join(path, key)),
                (None, Some(Value::Bool(false))) => {
                    let known: Vec<&str> = properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
                    self.problem(&join(path, key), unknown_key(key, &known));
                }
                (None, Some(schema @ Value::Object(_))) => self.value(schema, field, &join(path, key)),
                (None, _) => {}
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        for key in required.into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(key) {
                self.problem(&join(path, key), "is missing".into());
            }
        }
    }

    /// The alternative that the value is meant to be. `None`: it says nothing wrong by itself, or serde will say it better.
    fn choose(&self, options: &'a [Value], value: &Value) -> Option<&'a Value> {
        let options: Vec<&Value> = options.iter().map(|option| self.resolve(option)).collect();
        if let Value::Object(fields) = value
            && let Some(tagged) = options.iter().find(|option| tags_match(option, fields))
        {
            return Some(tagged);
        }
        let mut others = options.into_iter().filter(|option| option.get("type") != Some(&json!("null")));
        match (value, others.next(), others.next()) {
            (Value::Null, _, _) => None,
            (_, only, None) => only.filter(|option| option.get("const").is_none() && !is_tagged(option)),
            _ => None,
        }
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let reference = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
        reference.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    fn problem(&mut self, path: &str, text: String) {
        let path = if path.is_empty() { "the document" } else { path };
        self.problems.push(Problem { path: path.into(), text });
    }
}

/// The constant properties of an alternative: `"type": "local"`.
fn tags(option: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let properties = option.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().filter_map(|(key, schema)| Some((key, schema.get("const")?)))
}

fn is_tagged(option: &Value) -> bool {
    tags(option).next().is_some()
}

fn tags_match(option: &Value, fields: &Map<String, Value>) -> bool {
    is_tagged(option) && tags(option).all(|(key, tag)| fields.get(key) == Some(tag))
}

fn unknown_key(key: &str, known: &[&str]) -> String {
    let likeness = |candidate: &&str| strsim::jaro_winkler(&key.to_lowercase(), &candidate.to_lowercase());
    let nearest = known.iter().map(|known| (likeness(known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, nearest)) if likeness >= ALIKE => format!("unknown key: did you mean `{nearest}`?"),
        _ => format!(
            "unknown key: here are known {}",
            known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// JSON Schema's `type`, one name or several.
fn types(expected: &Value) -> Vec<&str> {
    match expected {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

fn fits(expected: &Value, value: &Value) -> bool {
    types(expected).into_iter().any(|expected| match expected {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    })
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn names_of(expected: &Value) -> String {
    let name = |expected: &str| match expected {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text",
        "array" => "a list",
        "object" => "an object",
        _ => "null",
    };
    types(expected).into_iter().map(name).collect::<Vec<_>>().join(" or ")
}
