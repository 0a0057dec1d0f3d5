//! Listings, where a driver has them.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use stowage_store::StoreError;

use crate::common::{Fixture, pattern};

pub(super) async fn a_listing_holds_what_begins_with_the_prefix(fixture: Fixture) {
    if !fixture.store.capabilities().list {
        let listed = fixture.store.list(&fixture.container_name(), "", None).await;
        assert!(matches!(listed, Err(StoreError::Unsupported(_))), "{listed:?}");
        return;
    }
    assert_eq!(fixture.list("").await, []);
    for (number, path) in fixture.odd_paths().iter().chain(&["dir one/deep/er.txt", "dir one.txt"]).enumerate() {
        fixture.put_at(path, &pattern(number)).await;
    }
    let sizes: BTreeMap<_, _> = fixture.list("").await.into_iter().map(|object| (object.key, object.size)).collect();
    assert_eq!(sizes.len(), fixture.odd_paths().len() + 2, "{sizes:?}");
    for (number, path) in fixture.odd_paths().iter().enumerate() {
        assert_eq!(sizes.get(*path), Some(&(number as u64)), "{path} of {sizes:?}");
    }
    for (prefix, expected) in [
        ("dir one/", vec!["dir one/a b.txt", "dir one/deep/er.txt"]),
        ("dir one", vec!["dir one.txt", "dir one/a b.txt", "dir one/deep/er.txt"]),
        ("dir ", vec!["dir one.txt", "dir one/a b.txt", "dir one/deep/er.txt"]),
        ("ünïcode/日", vec!["ünïcode/日本語 🦀.txt"]),
        ("question?hash#", vec!["question?hash#.txt"]),
        ("plus+and&percent%25", vec!["plus+and&percent%25%.txt"]),
        ("nothing", vec![]),
    ] {
        let mut keys: Vec<_> = fixture.list(prefix).await.into_iter().map(|object| object.key).collect();
        keys.sort();
        assert_eq!(keys, expected, "{prefix:?}");
    }
}

pub(super) async fn a_long_listing_comes_in_pages(fixture: Fixture) {
    const OBJECTS: usize = 1005;
    if !fixture.store.capabilities().list {
        return;
    }
    let paths: Vec<_> = (0..OBJECTS).map(|number| format!("many/{number:04} of.txt")).collect();
    stream::iter(&paths)
        .for_each_concurrent(16, |path| async {
            fixture.put_at(path, &Bytes::from_static(b"x")).await;
        })
        .await;
    let first = fixture.store.list(&fixture.container_name(), "many/", None).await.expect("a page");
    assert!(first.next.is_some(), "{} objects on the only page", first.objects.len());
    let mut keys: Vec<_> = fixture.list("many/").await.into_iter().map(|object| object.key).collect();
    keys.sort();
    assert!(keys == paths, "{} of {OBJECTS} keys", keys.len());
}
