//! Settings are read once, and again when anything they were made of has changed.

use super::{Settings, SetupError};
use shared_ports::{Config, ConfigError};
use std::cell::RefCell;
use std::rc::Rc;

/// Keeps the last settings together with every value they were made of.
#[derive(Debug, Default)]
pub struct SettingsCache(RefCell<Option<Cached>>);

#[derive(Debug)]
struct Cached {
    inputs: Vec<(String, Option<String>)>,
    settings: Rc<Settings>,
}

impl SettingsCache {
    /// The settings: those of the last call, unless one of the values they were made of has changed.
    pub fn get(&self, config: &impl Config) -> Result<Rc<Settings>, SetupError> {
        // Nothing in here calls back, so the borrows cannot meet.
        if let Ok(cached) = self.0.try_borrow()
            && let Some(cached) = &*cached
        {
            let mut same = true;
            for (name, value) in &cached.inputs {
                same = same && config.value(name)? == *value;
            }
            if same {
                return Ok(cached.settings.clone());
            }
        }
        let recording = Recording { config, inputs: RefCell::default() };
        let settings = Rc::new(Settings::read(&recording)?);
        if let Ok(mut cached) = self.0.try_borrow_mut() {
            *cached = Some(Cached { inputs: recording.inputs.into_inner(), settings: settings.clone() });
        }
        Ok(settings)
    }
}

/// Notes what is read.
struct Recording<'a, C> {
    config: &'a C,
    inputs: RefCell<Vec<(String, Option<String>)>>,
}

impl<C: Config> Config for Recording<'_, C> {
    fn value(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let value = self.config.value(name)?;
        if let Ok(mut inputs) = self.inputs.try_borrow_mut() {
            inputs.push((name.into(), value.clone()));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{TOKEN_KEY, document};
    use shared_ports::memory::MemoryConfig;

    #[test]
    fn the_cache_holds_until_a_value_changes() {
        let mut values = [("settings", &*document("http://127.0.0.1:8787")), ("token_key", TOKEN_KEY)]
            .into_iter()
            .collect::<MemoryConfig>();
        let cache = SettingsCache::default();
        let first = cache.get(&values).unwrap();
        assert!(Rc::ptr_eq(&first, &cache.get(&values).unwrap()));
        for (name, value) in [
            ("settings", document("http://127.0.0.1:1")),
            ("token_key", TOKEN_KEY.repeat(2)),
            ("cookie_key", TOKEN_KEY.repeat(3)),
            ("client_address_header", "x".into()),
        ] {
            let before = cache.get(&values).unwrap();
            values.0.insert(name.into(), value);
            assert!(!Rc::ptr_eq(&before, &cache.get(&values).unwrap()), "{name}");
        }
    }
}
