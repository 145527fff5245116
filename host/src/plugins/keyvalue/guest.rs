//! The interface as guests see it: handles, and errors of a closed set.

use super::{BUCKET, Change, Outcome, Store, StoreError};
use crate::bindings::wasi::keyvalue::{atomics, batch, store};
use futures::future::join_all;
use wasmtime::component::{HasData, Resource, ResourceTable};

/// Most keys in one call of `batch`: as many as one page of `list-keys`.
const MAX_KEYS_IN_BATCH: usize = super::PAGE;

/// Most bytes that one `get-many` may return. Values are copied into the guest's memory in one piece.
const MAX_BYTES_IN_BATCH: usize = 8 * super::MAX_VALUE;

/// A guest's handle of the bucket.
pub struct Bucket;

/// A guest's handle of a compare-and-swap: the key, and the value as it was seen.
pub struct Cas {
    key: String,
    seen: Option<Vec<u8>>,
}

/// Names the data behind the interface, for the linker.
pub struct WasiKeyValue;

impl HasData for WasiKeyValue {
    type Data<'a> = KeyValueView<'a>;
}

/// What the interface needs of a store's data.
pub struct KeyValueView<'a> {
    /// The store.
    pub store: &'a Store,
    /// The handles.
    pub table: &'a mut ResourceTable,
}

type Guest<T> = wasmtime::Result<Result<T, store::Error>>;

/// The one place where an error of ours becomes one of the interface.
fn answer<T>(result: Result<T, StoreError>) -> Guest<T> {
    Ok(result.map_err(|error| {
        match &error {
            StoreError::Backend(source) => tracing::error!(error = source.as_ref(), "keyvalue"),
            other => tracing::debug!(error = other as &dyn std::error::Error, "keyvalue"),
        }
        store::Error::Other(error.guest_text().into())
    }))
}

impl store::Host for KeyValueView<'_> {
    fn open(&mut self, identifier: String) -> Guest<Resource<Bucket>> {
        if identifier != BUCKET {
            return Ok(Err(store::Error::NoSuchStore));
        }
        Ok(Ok(self.table.push(Bucket)?))
    }
}

impl store::HostBucket for KeyValueView<'_> {
    fn get(&mut self, _bucket: Resource<Bucket>, key: String) -> Guest<Option<Vec<u8>>> {
        answer(self.store.get(&key))
    }

    async fn set(&mut self, _bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Guest<()> {
        answer(self.store.change(Change::Set { key, value }).await.map(drop))
    }

    async fn delete(&mut self, _bucket: Resource<Bucket>, key: String) -> Guest<()> {
        answer(self.store.change(Change::Delete { key }).await.map(drop))
    }

    fn exists(&mut self, _bucket: Resource<Bucket>, key: String) -> Guest<bool> {
        answer(self.store.get(&key).map(|value| value.is_some()))
    }

    fn list_keys(&mut self, _bucket: Resource<Bucket>, cursor: Option<String>) -> Guest<store::KeyResponse> {
        answer(
            self.store.keys(cursor.as_deref()).map(|page| store::KeyResponse { keys: page.keys, cursor: page.cursor }),
        )
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for KeyValueView<'_> {
    async fn increment(&mut self, _bucket: Resource<Bucket>, key: String, delta: i64) -> Guest<i64> {
        answer(self.store.change(Change::Increment { key, delta }).await.and_then(|outcome| match outcome {
            Outcome::Counted(value) => Ok(value),
            Outcome::Done | Outcome::Stale(_) => Err(StoreError::NotACounter),
        }))
    }

    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let Cas { key, seen } = self.table.delete(cas)?;
        let swapped = self.store.change(Change::Swap { key: key.clone(), seen, value }).await;
        Ok(match answer(swapped)? {
            Ok(Outcome::Stale(present)) => {
                Err(atomics::CasError::CasFailed(self.table.push(Cas { key, seen: present })?))
            }
            Ok(Outcome::Done | Outcome::Counted(_)) => Ok(()),
            Err(error) => Err(atomics::CasError::StoreError(error)),
        })
    }
}

impl atomics::HostCas for KeyValueView<'_> {
    fn new(&mut self, _bucket: Resource<Bucket>, key: String) -> Guest<Resource<Cas>> {
        match answer(self.store.get(&key))? {
            Ok(seen) => Ok(Ok(self.table.push(Cas { key, seen })?)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn current(&mut self, cas: Resource<Cas>) -> Guest<Option<Vec<u8>>> {
        Ok(Ok(self.table.get(&cas)?.seen.clone()))
    }

    fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}

/// Make changes side by side, so that they share a commit. Those before and after a failed one may be made.
async fn change_all(store: &Store, changes: Vec<Change>) -> Guest<()> {
    if changes.len() > MAX_KEYS_IN_BATCH {
        return Ok(Err(store::Error::Other("too many keys".into())));
    }
    let results = join_all(changes.into_iter().map(|change| store.change(change))).await;
    answer(results.into_iter().try_for_each(|result| result.map(drop)))
}

impl batch::Host for KeyValueView<'_> {
    fn get_many(&mut self, _bucket: Resource<Bucket>, keys: Vec<String>) -> Guest<Vec<(String, Option<Vec<u8>>)>> {
        if keys.len() > MAX_KEYS_IN_BATCH {
            return Ok(Err(store::Error::Other("too many keys".into())));
        }
        let mut entries = Vec::with_capacity(keys.len());
        let mut bytes = 0;
        for key in keys {
            match answer(self.store.get(&key))? {
                Ok(value) => {
                    bytes += value.as_ref().map_or(0, Vec::len);
                    entries.push((key, value));
                }
                Err(error) => return Ok(Err(error)),
            }
            if bytes > MAX_BYTES_IN_BATCH {
                return Ok(Err(store::Error::Other("too many bytes".into())));
            }
        }
        Ok(Ok(entries))
    }

    async fn set_many(&mut self, _bucket: Resource<Bucket>, entries: Vec<(String, Vec<u8>)>) -> Guest<()> {
        change_all(self.store, entries.into_iter().map(|(key, value)| Change::Set { key, value }).collect()).await
    }

    async fn delete_many(&mut self, _bucket: Resource<Bucket>, keys: Vec<String>) -> Guest<()> {
        change_all(self.store, keys.into_iter().map(|key| Change::Delete { key }).collect()).await
    }
}
