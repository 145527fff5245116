//! Settings are read once, and again when anything they were made of has changed.

use super::{Settings, SetupError};
use shared_ports::Config;
use shared_settings::Cache;
use std::rc::Rc;

/// Keeps the last settings together with every value they were made of.
#[derive(Debug, Default)]
pub struct SettingsCache(Cache<Settings>);

impl SettingsCache {
    /// The settings: those of the last call, unless one of the values they were made of has changed.
    pub fn get(&self, config: &impl Config) -> Result<Rc<Settings>, SetupError> {
        self.0.get(config, |config| Settings::read(config))
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
