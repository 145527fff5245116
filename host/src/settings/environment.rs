//! Where `${NAME}` comes from.

use serde_json::Value;
use shared_ports::{Config, ConfigError};
use shared_settings::{ExpandError, Problem, expand};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The process's environment variables, or a map in tests: no test changes the process's own.
#[derive(Clone)]
pub struct Environment(Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Environment {
    /// The process's.
    pub fn process() -> Self {
        Self(Arc::new(|name| std::env::var(name).ok()))
    }

    /// These and no others.
    pub fn of<K: Into<String>, V: Into<String>>(values: impl IntoIterator<Item = (K, V)>) -> Self {
        let values: BTreeMap<String, String> = values.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Self(Arc::new(move |name| values.get(name).cloned()))
    }

    /// The value of a variable. An empty one counts as not set.
    pub fn value(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }
}

/// The value of every `${NAME}` in the strings of a document, by name. What cannot be expanded is a problem.
pub(super) fn references(
    document: &Value,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, String> {
    let recorder = Recorder { environment, seen: RefCell::default() };
    walk(document, "", &recorder, problems);
    recorder.seen.into_inner()
}

fn walk(value: &Value, path: &str, recorder: &Recorder<'_>, problems: &mut Vec<Problem>) {
    match value {
        Value::String(text) => {
            for name in shared_settings::references(text) {
                if super::RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
                    let text = format!("`${{{name}}}` is a name of the gateway's own: use another one");
                    problems.push(Problem { path: path.into(), text });
                }
            }
            match expand(text, recorder) {
                Ok(_) => {}
                Err(ExpandError::Unset(name)) => {
                    let text =
                        format!("the environment variable {name} is not set: set it, or write `${{{name}:-default}}`");
                    problems.push(Problem { path: path.into(), text });
                }
                Err(other) => problems.push(Problem { path: path.into(), text: other.to_string() }),
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{index}]"), recorder, problems);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                walk(field, &super::schema::join(path, key), recorder, problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Answers from the environment, as `wasi:config` will, and remembers what was asked.
struct Recorder<'a> {
    environment: &'a Environment,
    seen: RefCell<BTreeMap<String, String>>,
}

impl Config for Recorder<'_> {
    fn value(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let name = name.to_ascii_uppercase();
        let value = self.environment.value(&name);
        if let Some(value) = &value {
            self.seen.borrow_mut().insert(name, value.clone());
        }
        Ok(value)
    }
}
