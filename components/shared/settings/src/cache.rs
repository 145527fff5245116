//! What is made of the settings is made once, and again when anything it was made of has changed.

use shared_ports::{Config, ConfigError};
use std::cell::RefCell;
use std::rc::Rc;

/// Keeps what was made last, together with every value of `wasi:config` that was read for it: the document and what
/// `${NAME}` in it stands for.
#[derive(Debug)]
pub struct Cache<T>(RefCell<Option<Cached<T>>>);

#[derive(Debug)]
struct Cached<T> {
    inputs: Vec<(String, Option<String>)>,
    made: Rc<T>,
}

impl<T> Cache<T> {
    /// Empty.
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// What was made last, unless one of the values it was made of has changed; else what `make` makes now.
    pub fn get<C: Config, E: From<ConfigError>>(
        &self,
        config: &C,
        make: impl FnOnce(&Recording<'_, C>) -> Result<T, E>,
    ) -> Result<Rc<T>, E> {
        // Nothing in here calls back, so the borrows cannot meet.
        if let Ok(cached) = self.0.try_borrow()
            && let Some(cached) = &*cached
        {
            let mut same = true;
            for (name, value) in &cached.inputs {
                same = same && config.value(name)? == *value;
            }
            if same {
                return Ok(cached.made.clone());
            }
        }
        let recording = Recording { config, inputs: RefCell::default() };
        let made = Rc::new(make(&recording)?);
        if let Ok(mut cached) = self.0.try_borrow_mut() {
            *cached = Some(Cached { inputs: recording.inputs.into_inner(), made: made.clone() });
        }
        Ok(made)
    }
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A configuration that notes what is read.
#[derive(Debug)]
pub struct Recording<'a, C> {
    config: &'a C,
    inputs: RefCell<Vec<(String, Option<String>)>>,
}

impl<C: Config> Config for Recording<'_, C> {
    fn value(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let value = self.config.value(name)?;
        if let Ok(mut inputs) = self.inputs.try_borrow_mut()
            && !inputs.iter().any(|(known, _)| known == name)
        {
            inputs.push((name.into(), value.clone()));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SettingsError;
    use serde_json::Value;
    use shared_ports::memory::MemoryConfig;

    #[test]
    fn what_is_kept_holds_until_a_value_changes_that_it_was_made_of() {
        let mut config: MemoryConfig =
            [("settings", r#"{"publicUrl":"${URL}"}"#), ("url", "a"), ("other", "x")].into_iter().collect();
        let cache = Cache::new();
        let get = |config: &MemoryConfig| {
            cache.get(config, |config| crate::read::<Value>(config, &["publicUrl"])).map_err(|e: SettingsError| e)
        };
        let first = get(&config).unwrap();
        config.0.insert("other".into(), "y".into());
        assert!(Rc::ptr_eq(&first, &get(&config).unwrap()));
        config.0.insert("url".into(), "b".into());
        assert_eq!(get(&config).unwrap()["publicUrl"], "b");
        config.0.remove("url");
        assert!(get(&config).is_err());
        config.0.insert("url".into(), "c".into());
        assert_eq!(get(&config).unwrap()["publicUrl"], "c");
        config.0.insert("settings".into(), r#"{"publicUrl":"d"}"#.into());
        assert_eq!(get(&config).unwrap()["publicUrl"], "d");
    }
}
