//! A list in a store that can only get, set, delete and increment: a counter and numbered keys.
//!
//! ```text
//! {name}:count   counter: number of the newest entry
//! {name}:first   number of the oldest entry that may still be there (a hint: too low costs time only)
//! {name}:{n}     the entry
//! ```
//!
//! Appending is safe for any number of callers at once: each gets a number of its own. Nothing is changed in place. An
//! entry whose writer has died between counting and writing is a hole; holes are skipped.
//!
//! A list that is empty may be [closed](List::close), so that nothing of it is left. Whoever appends meanwhile with
//! [`List::add`] loses nothing: one of the two always sees the other.

use crate::{Store, StoreError};
use serde::{Deserialize, Serialize};

/// How long a writer may take between counting and writing, in seconds. A gap is a hole when an entry behind it is older.
const WRITING: u64 = 60;

/// Most numbers that one sweep looks at, so that no single request pays for many.
const SWEEP: u64 = 4;

/// Most numbers that one look at the list covers, counted from the newest. Bounds the work of one request.
const MAX_SPAN: u64 = 1000;

/// How many numbers in front of and behind a list are looked at when it is closed: those who append, and those who sweep,
/// in the same instant. More than that would have to meet within some milliseconds, on a list that nobody used for long.
const MEANWHILE: u64 = 8;

/// How often an entry is appended again when the list was closed in between. Once is rare.
const AGAIN: u32 = 3;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it points to.
    pub id: String,
    /// When it was appended: seconds since the Unix epoch.
    pub at: u64,
    /// What else has to be deleted with it; its owner's matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<String>,
}

/// What a sweep does with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// What it points to is gone: the entry goes as well.
    Drop,
    /// It lives on, and it is worth looking behind it: it goes to the end of the list.
    Requeue,
    /// It is too young to be worth a look, and so are all behind it.
    Stop,
}

/// A list.
pub struct List<'a> {
    store: &'a dyn Store,
    name: String,
}

impl<'a> List<'a> {
    /// The list of this name.
    pub fn new(store: &'a dyn Store, name: String) -> Self {
        Self { store, name }
    }

    /// Add an entry at the end. Its number.
    pub fn append(&self, entry: &Entry) -> Result<i64, StoreError> {
        let number = self.store.increment(&self.key("count"), 1)?;
        let bytes = serde_json::to_vec(entry).map_err(|error| StoreError(error.to_string()))?;
        self.store.set(&self.key(&number.to_string()), &bytes)?;
        Ok(number)
    }

    /// Add an entry at the end of a list that others may [close](Self::close).
    pub fn add(&self, entry: &Entry) -> Result<(), StoreError> {
        for _ in 0..AGAIN {
            let number = self.append(entry)?;
            if self.store.increment(&self.key("count"), 0)? >= number {
                break;
            }
            // Closed after the counting. Whoever closed it may have found the entry; then it is there twice.
            self.remove(number)?;
        }
        Ok(())
    }

    /// Take out the entry of this number.
    pub fn remove(&self, number: i64) -> Result<(), StoreError> {
        self.store.delete(&self.key(&number.to_string()))
    }

    /// How many there may be at most: gaps count.
    pub fn len(&self) -> Result<u64, StoreError> {
        let (first, count) = self.span()?;
        Ok((count + 1).saturating_sub(first))
    }

    /// Whether there is no entry. Gaps do not count.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        let (first, count) = self.span()?;
        for number in first..=count {
            if self.read(number)?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Delete what an empty list consists of. Gives the entries that were [added](Self::add) meanwhile, taken out: to be
    /// added again.
    pub fn close(&self) -> Result<Vec<Entry>, StoreError> {
        let (first, count) = self.span()?;
        self.store.delete(&self.key("first"))?;
        self.store.delete(&self.key("count"))?;
        let mut late = Vec::new();
        for number in first.saturating_sub(MEANWHILE).max(1)..=count.saturating_add(MEANWHILE) {
            if let Some(entry) = self.read(number)? {
                late.push(entry);
                self.remove(i64::try_from(number).unwrap_or(i64::MAX))?;
            }
        }
        Ok(late)
    }

    /// The entries, oldest first, of the newest [`MAX_SPAN`] numbers.
    pub fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        let (first, count) = self.span()?;
        let mut entries = Vec::new();
        for number in first.max(count.saturating_sub(MAX_SPAN - 1))..=count {
            entries.extend(self.read(number)?);
        }
        Ok(entries)
    }

    /// Entries of up to `limit` numbers from `from` on, and the number behind them, if there are more.
    pub fn page(&self, from: u64, limit: u64) -> Result<(Vec<Entry>, Option<u64>), StoreError> {
        let (first, count) = self.span()?;
        let start = from.max(first);
        let end = start.saturating_add(limit);
        let mut entries = Vec::new();
        for number in start..end.min(count.saturating_add(1)) {
            entries.extend(self.read(number)?);
        }
        Ok((entries, (end <= count).then_some(end)))
    }

    /// Look at a few of the oldest entries and let the caller decide about each. Whether it is worth doing again at once.
    pub fn sweep(
        &self,
        now: u64,
        mut fate: impl FnMut(&Entry) -> Result<Fate, StoreError>,
    ) -> Result<bool, StoreError> {
        let (start, count) = self.span()?;
        let (mut first, mut looked) = (start, 0);
        let mut number = start;
        while number <= count && looked < SWEEP && number - first <= MAX_SPAN {
            let Some(entry) = self.read(number)? else {
                // A hole, or a writer at work: decided by the next entry.
                number += 1;
                continue;
            };
            if number > first && entry.at.saturating_add(WRITING) > now {
                break;
            }
            looked += 1;
            match fate(&entry)? {
                Fate::Stop => {
                    first = number;
                    break;
                }
                Fate::Requeue => {
                    // First the new one, then the old one goes: whatever happens in between, one of them is there.
                    self.append(&Entry { at: now, ..entry })?;
                    self.store.delete(&self.key(&number.to_string()))?;
                }
                Fate::Drop => self.store.delete(&self.key(&number.to_string()))?,
            }
            number += 1;
            first = number;
        }
        if first > start {
            self.store.set(&self.key("first"), first.to_string().as_bytes())?;
        }
        Ok(looked == SWEEP && first == number)
    }

    /// Delete all of it, after a look at each entry.
    pub fn clear(&self, mut look: impl FnMut(&Entry) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let (first, count) = self.span()?;
        for number in first..=count {
            if let Some(entry) = self.read(number)? {
                look(&entry)?;
                self.store.delete(&self.key(&number.to_string()))?;
            }
        }
        self.store.delete(&self.key("first"))?;
        self.store.delete(&self.key("count"))
    }

    /// Numbers of the oldest and the newest entry.
    fn span(&self) -> Result<(u64, u64), StoreError> {
        // Counters are read by adding nothing: how they look to `get` is the host's matter.
        let count = self.store.increment(&self.key("count"), 0)?;
        let first = self.store.get(&self.key("first"))?;
        let first = first.and_then(|first| std::str::from_utf8(&first).ok()?.parse().ok()).unwrap_or(1);
        let count = u64::try_from(count).unwrap_or(0);
        // The hint of a list that was closed while it was swept is none.
        Ok((if first > count.saturating_add(1) { 1 } else { first }, count))
    }

    fn read(&self, number: u64) -> Result<Option<Entry>, StoreError> {
        let bytes = self.store.get(&self.key(&number.to_string()))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn key(&self, end: &str) -> String {
        format!("{}:{end}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;

    fn entry(id: &str, at: u64) -> Entry {
        Entry { id: id.into(), at, also: None }
    }

    fn ids(list: &List) -> Vec<String> {
        list.entries().unwrap().into_iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn entries_come_back_in_order() {
        let store = MemoryStore::default();
        let list = List::new(&store, "l".into());
        assert_eq!(ids(&list), [""; 0]);
        for id in ["a", "b", "c"] {
            list.append(&entry(id, 1)).unwrap();
        }
        assert_eq!(ids(&list), ["a", "b", "c"]);
    }

    #[test]
    fn a_sweep_drops_the_dead_and_moves_the_living_to_the_end() {
        let store = MemoryStore::default();
        let list = List::new(&store, "l".into());
        for id in ["dead", "live", "dead", "young", "dead"] {
            list.append(&entry(id, 1)).unwrap();
        }
        let fate = |entry: &Entry| {
            Ok(match entry.id.as_str() {
                "dead" => Fate::Drop,
                "young" => Fate::Stop,
                _ => Fate::Requeue,
            })
        };
        list.sweep(1000, fate).unwrap();
        assert_eq!(ids(&list), ["young", "dead", "live"]);
        list.sweep(1000, fate).unwrap();
        assert_eq!(ids(&list), ["young", "dead", "live"]);
    }

    #[test]
    fn a_gap_is_skipped_only_when_its_writer_must_be_dead() {
        let store = MemoryStore::default();
        let list = List::new(&store, "l".into());
        store.increment("l:count", 1).unwrap();
        list.append(&entry("b", 1000)).unwrap();
        list.sweep(1010, |_| Ok(Fate::Drop)).unwrap();
        // The slow writer comes after all, and is not lost.
        store.set("l:1", &serde_json::to_vec(&entry("a", 1000)).unwrap()).unwrap();
        assert_eq!(ids(&list), ["a", "b"]);
        store.delete("l:1").unwrap();
        list.sweep(2000, |_| Ok(Fate::Drop)).unwrap();
        assert_eq!(ids(&list), [""; 0]);
        assert_eq!(store.get("l:first").unwrap().as_deref(), Some(&b"3"[..]));
    }

    #[test]
    fn a_list_that_is_used_for_years_stays_small() {
        let store = MemoryStore::default();
        let list = List::new(&store, "l".into());
        let mut most = 0;
        for now in 0..5000 {
            list.append(&entry(if now % 1000 == 0 { "live" } else { "dead" }, now)).unwrap();
            list.sweep(now, |entry| {
                Ok(match entry {
                    entry if entry.id == "live" && now < entry.at + 100 => Fate::Stop,
                    entry if entry.id == "live" => Fate::Requeue,
                    _ => Fate::Drop,
                })
            })
            .unwrap();
            most = most.max(list.entries().unwrap().len());
        }
        assert!(most <= 110, "{most}");
        assert_eq!(list.entries().unwrap().iter().filter(|entry| entry.id == "live").count(), 5);
    }
}
