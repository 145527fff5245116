//! `wasi:config/store` 0.2.0-draft-2024-09-27: named values for the guests.

use crate::bindings::wasi::config::store;
use std::collections::{BTreeMap, BTreeSet};
use wasmtime::component::HasData;

/// Names and values, some of them secret. `get` answers to every name, `get-all` leaves the secrets out: nobody needs
/// all of them at once, and a component that logs its settings must not log keys.
#[derive(Clone, Default)]
pub struct ConfigValues {
    values: BTreeMap<String, String>,
    secret: BTreeSet<String>,
}

impl ConfigValues {
    /// Add a value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.values.insert(name.into(), value.into());
        self
    }

    /// Add a secret.
    pub fn set_secret(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        let name = name.into();
        self.secret.insert(name.clone());
        self.set(name, value)
    }

    /// The value of a name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Everything, secrets included, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Everything that is not secret, by name.
    pub fn public(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().filter(|(name, _)| !self.secret.contains(*name)).map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

impl std::fmt::Debug for ConfigValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigValues")
            .field("public", &self.public().collect::<Vec<_>>())
            .field("secret", &self.secret)
            .finish()
    }
}

/// Names the data behind the interface, for the linker.
pub struct WasiConfig;

impl HasData for WasiConfig {
    type Data<'a> = ConfigView<'a>;
}

/// What the interface needs of a store's data.
pub struct ConfigView<'a>(pub &'a ConfigValues);

impl store::Host for ConfigView<'_> {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, store::Error>> {
        Ok(Ok(self.0.value(&key).map(String::from)))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, store::Error>> {
        Ok(Ok(self.0.public().map(|(name, value)| (name.into(), value.into())).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_given_by_name_only_and_never_printed() {
        let mut values = ConfigValues::default();
        values.set("settings", "{}").set_secret("token_key", "hush");
        let mut view = ConfigView(&values);
        assert_eq!(store::Host::get(&mut view, "token_key".into()).unwrap().unwrap().as_deref(), Some("hush"));
        assert_eq!(store::Host::get(&mut view, "absent".into()).unwrap().unwrap(), None);
        assert_eq!(store::Host::get_all(&mut view).unwrap().unwrap(), [("settings".into(), "{}".into())]);
        assert!(!format!("{values:?}").contains("hush"));
    }
}
