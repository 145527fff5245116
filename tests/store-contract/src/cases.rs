//! The cases. Keys have the prefixes of the gateway's, since hosts may treat them differently.

use shared_guest::bindings::wasi::keyvalue::atomics::increment;
use shared_guest::bindings::wasi::keyvalue::store::{self, Bucket, Error};
use std::collections::BTreeSet;

/// Nothing, or what went wrong.
pub type Outcome = Result<(), String>;

/// A name, and what must hold.
type Case = (&'static str, fn(&Bucket) -> Outcome);

/// Each has keys of its own and leaves nothing that disturbs a second run.
pub const CASES: &[Case] = &[
    ("there is one bucket", there_is_one_bucket),
    ("a missing key has no value and does not exist", a_missing_key),
    ("a value is read as it was written and replaced", a_value_is_read_as_it_was_written),
    ("a deleted key is missing, and deleting it again is no error", a_deleted_key_is_missing),
    ("values of any bytes, empty ones, and of 1 MiB come back", values_of_any_bytes_and_sizes),
    ("keys may have any characters and differ by one", keys_differ_by_one_character),
    ("a counter counts from zero, up and down", a_counter_counts),
    ("a deleted counter counts from zero again", a_deleted_counter_starts_again),
    ("keys are listed once, however many there are", keys_are_listed_once),
];

/// More than any host gives in one page.
const MANY: usize = 250;

/// Largest value that the gateway may store, in bytes.
const LARGEST: usize = 1024 * 1024;

fn there_is_one_bucket(_: &Bucket) -> Outcome {
    match store::open("contract-other") {
        Ok(_) => Err("another bucket can be opened".into()),
        Err(Error::NoSuchStore | Error::AccessDenied) => Ok(()),
        Err(other) => Err(format!("{other:?}")),
    }
}

fn a_missing_key(bucket: &Bucket) -> Outcome {
    for key in ["oauth:contract:missing", "user:contract:missing", "limit:contract:missing"] {
        equal(key, get(bucket, key)?, None)?;
        equal(key, exists(bucket, key)?, false)?;
    }
    Ok(())
}

fn a_value_is_read_as_it_was_written(bucket: &Bucket) -> Outcome {
    let key = "oauth:contract:value";
    for value in [&b"first"[..], b"the second is longer", b"3"] {
        set(bucket, key, value)?;
        equal("get", get(bucket, key)?.as_deref(), Some(value))?;
        equal("exists", exists(bucket, key)?, true)?;
    }
    Ok(())
}

fn a_deleted_key_is_missing(bucket: &Bucket) -> Outcome {
    let key = "user:contract:session:deleted";
    set(bucket, key, b"v")?;
    for _ in 0..2 {
        delete(bucket, key)?;
        equal("get", get(bucket, key)?, None)?;
        equal("exists", exists(bucket, key)?, false)?;
    }
    Ok(())
}

fn values_of_any_bytes_and_sizes(bucket: &Bucket) -> Outcome {
    let key = "user:contract:upstream:bytes";
    let all: Vec<u8> = (0..=255).collect();
    let largest: Vec<u8> = all.iter().copied().cycle().take(LARGEST).collect();
    for value in [all, Vec::new(), vec![0], largest] {
        set(bucket, key, &value)?;
        let found = get(bucket, key)?.ok_or("a value is missing")?;
        equal("length", found.len(), value.len())?;
        equal("bytes are the same", found == value, true)?;
    }
    delete(bucket, key)
}

fn keys_differ_by_one_character(bucket: &Bucket) -> Outcome {
    let keys = [
        "oauth:contract:k",
        "oauth:contract:K",
        "oauth:contract:k ",
        "oauth:contract:ö",
        "oauth:contract:%",
        "oauth:contract:k:",
    ];
    for key in keys {
        set(bucket, key, key.as_bytes())?;
    }
    for key in keys {
        equal(key, get(bucket, key)?.as_deref(), Some(key.as_bytes()))?;
    }
    Ok(())
}

fn a_counter_counts(bucket: &Bucket) -> Outcome {
    for key in ["oauth:contract:counter", "user:contract:counter", "limit:contract:counter"] {
        // What an earlier run has left.
        add(bucket, key, 0).and_then(|left| add(bucket, key, -left))?;
        for (delta, expected) in [(1, 1), (1, 2), (40, 42), (-43, -1), (1, 0), (0, 0)] {
            equal(key, add(bucket, key, delta)?, expected)?;
        }
    }
    Ok(())
}

fn a_deleted_counter_starts_again(bucket: &Bucket) -> Outcome {
    let key = "oauth:contract:deleted-counter";
    for _ in 0..2 {
        delete(bucket, key)?;
        equal("after delete", add(bucket, key, 1)?, 1)?;
        equal("exists", exists(bucket, key)?, true)?;
    }
    Ok(())
}

fn keys_are_listed_once(bucket: &Bucket) -> Outcome {
    let keys: BTreeSet<String> =
        (0..MANY).map(|number| format!("user:contract-{}:listed:{number}", number % 5)).collect();
    for key in &keys {
        set(bucket, key, b"v")?;
    }
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let page = bucket.list_keys(cursor.as_deref()).map_err(|error| format!("list-keys: {error:?}"))?;
        found.extend(page.keys.into_iter().filter(|key| key.contains(":listed:")));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    equal("how many", found.len(), MANY)?;
    equal("the same keys", found.into_iter().collect::<BTreeSet<_>>() == keys, true)
}

/// Before a restart.
pub fn write(bucket: &Bucket) -> Outcome {
    set(bucket, "oauth:contract:kept", b"kept")?;
    set(bucket, "user:contract:session:kept", &vec![7; LARGEST])?;
    set(bucket, "oauth:contract:ended", b"v")?;
    delete(bucket, "oauth:contract:ended")?;
    delete(bucket, "oauth:contract:used")?;
    equal("single use", add(bucket, "oauth:contract:used", 1)?, 1)
}

/// After it.
pub fn read(bucket: &Bucket) -> Outcome {
    equal("kept", get(bucket, "oauth:contract:kept")?.as_deref(), Some(&b"kept"[..]))?;
    let large = get(bucket, "user:contract:session:kept")?;
    equal("large", large.is_some_and(|value| value.len() == LARGEST && value.iter().all(|byte| *byte == 7)), true)?;
    equal("deleted", get(bucket, "oauth:contract:ended")?, None)?;
    equal("used stays used", add(bucket, "oauth:contract:used", 1)?, 2)
}

fn get(bucket: &Bucket, key: &str) -> Result<Option<Vec<u8>>, String> {
    bucket.get(key).map_err(|error| format!("get {key}: {error:?}"))
}

fn set(bucket: &Bucket, key: &str, value: &[u8]) -> Outcome {
    bucket.set(key, value).map_err(|error| format!("set {key}, {} bytes: {error:?}", value.len()))
}

fn delete(bucket: &Bucket, key: &str) -> Outcome {
    bucket.delete(key).map_err(|error| format!("delete {key}: {error:?}"))
}

fn exists(bucket: &Bucket, key: &str) -> Result<bool, String> {
    bucket.exists(key).map_err(|error| format!("exists {key}: {error:?}"))
}

fn add(bucket: &Bucket, key: &str, delta: i64) -> Result<i64, String> {
    increment(bucket, key, delta).map_err(|error| format!("increment {key}: {error:?}"))
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?} instead of {expected:?}")) }
}
