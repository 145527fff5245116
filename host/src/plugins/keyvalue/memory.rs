//! Everything in a map, forgotten when the host stops. For tests and trials.

use super::change::Effect;
use super::{Backend, BoxFuture, Change, Outcome, PAGE, Page, StoreError};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

/// See the module.
#[derive(Default)]
pub struct MemoryBackend(RwLock<BTreeMap<String, Vec<u8>>>);

impl Backend for MemoryBackend {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn keys(&self, after: Option<&str>) -> Result<Page, StoreError> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut range = entries.range::<str, _>((start, Bound::Unbounded)).map(|(key, _)| key);
        let keys: Vec<String> = range.by_ref().take(PAGE).cloned().collect();
        let cursor = range.next().and_then(|_| keys.last().cloned());
        Ok(Page { keys, cursor })
    }

    fn change(&self, change: Change) -> BoxFuture<'_, Result<Outcome, StoreError>> {
        let result = (|| {
            let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
            let key = change.key().to_owned();
            let (effect, outcome) = change.decide(entries.get(&key).map(Vec::as_slice))?;
            match effect {
                Effect::Keep => {}
                Effect::Put(value) => {
                    entries.insert(key, value);
                }
                Effect::Remove => {
                    entries.remove(&key);
                }
            }
            Ok(outcome)
        })();
        Box::pin(std::future::ready(result))
    }
}
