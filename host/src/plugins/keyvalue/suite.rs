//! What every backend must do: one suite, run on each of them.

use super::memory::MemoryBackend;
use super::redb::{OpenError, RedbBackend};
use super::{Change, MAX_KEY, MAX_VALUE, Outcome, PAGE, Store, StoreError};
use std::collections::BTreeSet;

/// A store, and the folder it is in, which goes when this goes.
struct Subject {
    store: Store,
    _folder: Option<tempfile::TempDir>,
}

fn memory() -> Subject {
    Subject { store: Store::new(MemoryBackend::default()), _folder: None }
}

fn redb() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(RedbBackend::open(&folder.path().join("state.redb")).unwrap());
    Subject { store, _folder: Some(folder) }
}

async fn set(store: &Store, key: &str, value: &[u8]) -> Result<Outcome, StoreError> {
    store.change(Change::Set { key: key.into(), value: value.into() }).await
}

async fn increment(store: &Store, key: &str, delta: i64) -> Result<Outcome, StoreError> {
    store.change(Change::Increment { key: key.into(), delta }).await
}

async fn swap(store: &Store, key: &str, seen: Option<&[u8]>, value: &[u8]) -> Outcome {
    let (seen, value) = (seen.map(Vec::from), value.into());
    store.change(Change::Swap { key: key.into(), seen, value }).await.unwrap()
}

/// Each case of the suite becomes one test for each backend.
macro_rules! suite {
    ($($case:ident)*) => {
        mod on_memory { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(super::memory()).await }
        )* }
        mod on_redb { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(super::redb()).await }
        )* }
    };
}

suite! {
    a_value_is_read_as_it_was_written
    a_deleted_key_is_missing_and_deleting_it_again_is_no_error
    large_and_empty_values_are_kept_and_larger_ones_refused
    keys_have_limits
    a_counter_counts_from_zero_and_down
    twenty_callers_of_one_counter_all_get_different_values
    only_one_of_twenty_first_increments_is_one
    what_is_not_a_counter_is_left_alone
    a_swap_succeeds_only_on_the_value_that_was_seen
    twenty_swaps_from_the_same_value_change_it_once
    all_keys_are_listed_page_by_page
    volatile_counters_count_and_are_not_listed
}

async fn a_value_is_read_as_it_was_written(subject: Subject) {
    let store = subject.store;
    let binary: Vec<u8> = (0..=255).collect();
    assert_eq!(store.get("user:ö:key").unwrap(), None);
    set(&store, "user:ö:key", &binary).await.unwrap();
    assert_eq!(store.get("user:ö:key").unwrap(), Some(binary));
    set(&store, "user:ö:key", b"second").await.unwrap();
    assert_eq!(store.get("user:ö:key").unwrap().as_deref(), Some(&b"second"[..]));
    assert_eq!(store.get("user:ö").unwrap(), None);
}

async fn a_deleted_key_is_missing_and_deleting_it_again_is_no_error(subject: Subject) {
    let store = subject.store;
    set(&store, "k", b"v").await.unwrap();
    for _ in 0..2 {
        assert_eq!(store.change(Change::Delete { key: "k".into() }).await.unwrap(), Outcome::Done);
        assert_eq!(store.get("k").unwrap(), None);
    }
}

async fn large_and_empty_values_are_kept_and_larger_ones_refused(subject: Subject) {
    let store = subject.store;
    let large = vec![7; MAX_VALUE];
    set(&store, "large", &large).await.unwrap();
    assert_eq!(store.get("large").unwrap(), Some(large));
    set(&store, "empty", b"").await.unwrap();
    assert_eq!(store.get("empty").unwrap(), Some(Vec::new()));
    let refused = set(&store, "large", &vec![7; MAX_VALUE + 1]).await;
    assert!(matches!(refused, Err(StoreError::ValueLength(length)) if length == MAX_VALUE + 1));
    assert_eq!(store.get("large").unwrap().map(|v| v.len()), Some(MAX_VALUE));
}

async fn keys_have_limits(subject: Subject) {
    let store = subject.store;
    set(&store, &"k".repeat(MAX_KEY), b"v").await.unwrap();
    for key in [String::new(), "k".repeat(MAX_KEY + 1)] {
        assert!(matches!(set(&store, &key, b"v").await, Err(StoreError::KeyLength(_))));
        assert!(matches!(store.get(&key), Err(StoreError::KeyLength(_))));
    }
}

async fn a_counter_counts_from_zero_and_down(subject: Subject) {
    let store = subject.store;
    assert_eq!(increment(&store, "c", 0).await.unwrap(), Outcome::Counted(0));
    assert_eq!(increment(&store, "c", 5).await.unwrap(), Outcome::Counted(5));
    assert_eq!(increment(&store, "c", -7).await.unwrap(), Outcome::Counted(-2));
    assert_eq!(store.get("c").unwrap().as_deref(), Some(&b"-2"[..]));
    set(&store, "c", b"40").await.unwrap();
    assert_eq!(increment(&store, "c", 2).await.unwrap(), Outcome::Counted(42));
}

async fn counted_by_twenty(store: &Store, each: i64) -> Vec<i64> {
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                for _ in 0..each {
                    match increment(&store, "c", 1).await.unwrap() {
                        Outcome::Counted(value) => seen.push(value),
                        other => panic!("{other:?}"),
                    }
                }
                seen
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all
}

async fn twenty_callers_of_one_counter_all_get_different_values(subject: Subject) {
    let seen: BTreeSet<i64> = counted_by_twenty(&subject.store, 25).await.into_iter().collect();
    assert_eq!(seen, (1..=500).collect());
}

async fn only_one_of_twenty_first_increments_is_one(subject: Subject) {
    let seen = counted_by_twenty(&subject.store, 1).await;
    assert_eq!(seen.iter().filter(|value| **value == 1).count(), 1);
}

async fn what_is_not_a_counter_is_left_alone(subject: Subject) {
    let store = subject.store;
    for value in [&b"text"[..], b"", b"1.5", b"\xff", b"99999999999999999999"] {
        set(&store, "c", value).await.unwrap();
        assert!(matches!(increment(&store, "c", 1).await, Err(StoreError::NotACounter)), "{value:?}");
        assert_eq!(store.get("c").unwrap().as_deref(), Some(value));
    }
    set(&store, "c", i64::MAX.to_string().as_bytes()).await.unwrap();
    assert!(matches!(increment(&store, "c", 1).await, Err(StoreError::Overflow)));
    assert_eq!(store.get("c").unwrap(), Some(i64::MAX.to_string().into_bytes()));
}

async fn a_swap_succeeds_only_on_the_value_that_was_seen(subject: Subject) {
    let store = subject.store;
    assert_eq!(swap(&store, "s", None, b"1").await, Outcome::Done);
    assert_eq!(swap(&store, "s", None, b"2").await, Outcome::Stale(Some(b"1".into())));
    assert_eq!(swap(&store, "s", Some(b"1"), b"2").await, Outcome::Done);
    assert_eq!(store.get("s").unwrap().as_deref(), Some(&b"2"[..]));
    store.change(Change::Delete { key: "s".into() }).await.unwrap();
    assert_eq!(swap(&store, "s", Some(b"2"), b"3").await, Outcome::Stale(None));
    assert_eq!(store.get("s").unwrap(), None);
}

async fn twenty_swaps_from_the_same_value_change_it_once(subject: Subject) {
    let store = subject.store;
    let tasks: Vec<_> = (0..20_u8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { swap(&store, "s", None, &[n]).await })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += usize::from(task.await.unwrap() == Outcome::Done);
    }
    assert_eq!(done, 1);
}

async fn all_keys_are_listed_page_by_page(subject: Subject) {
    let store = subject.store;
    assert_eq!(store.keys(None).unwrap(), super::Page::default());
    let names: BTreeSet<String> = (0..PAGE + 10).map(|n| format!("k{n}")).collect();
    let changes = names.iter().map(|name| set(&store, name, b"v"));
    for result in futures::future::join_all(changes).await {
        result.unwrap();
    }
    let first = store.keys(None).unwrap();
    assert_eq!(first.keys.len(), PAGE);
    let second = store.keys(first.cursor.as_deref()).unwrap();
    assert_eq!((second.keys.len(), &second.cursor), (10, &None));
    assert_eq!(first.keys.into_iter().chain(second.keys).collect::<BTreeSet<_>>(), names);
}

async fn volatile_counters_count_and_are_not_listed(subject: Subject) {
    let store = subject.store;
    assert_eq!(increment(&store, "limit:a", 1).await.unwrap(), Outcome::Counted(1));
    assert_eq!(increment(&store, "limit:a", 1).await.unwrap(), Outcome::Counted(2));
    assert_eq!(store.get("limit:a").unwrap().as_deref(), Some(&b"2"[..]));
    assert!(store.keys(None).unwrap().keys.is_empty());
}

#[tokio::test]
async fn a_restart_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let store = Store::new(RedbBackend::open(&path).unwrap());
    set(&store, "k", b"v").await.unwrap();
    increment(&store, "c", 3).await.unwrap();
    increment(&store, "limit:c", 3).await.unwrap();
    assert!(matches!(RedbBackend::open(&path), Err(OpenError::InUse(_))));
    drop(store);
    let store = Store::new(RedbBackend::open(&path).unwrap());
    assert_eq!(store.get("k").unwrap().as_deref(), Some(&b"v"[..]));
    assert_eq!(increment(&store, "c", 1).await.unwrap(), Outcome::Counted(4));
    assert_eq!(store.get("limit:c").unwrap(), None);
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    std::fs::write(&path, vec![b'x'; 10_000]).unwrap();
    assert!(matches!(RedbBackend::open(&path), Err(OpenError::Damaged(named, _)) if named == path));
}
