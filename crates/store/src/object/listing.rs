//! A page of a listing. The next page starts after the last key, or at the provider's mark where keys cannot be named.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::TryStreamExt;
use opendal::{Entry, EntryMode};
use stowage_core::location::Access;

use super::{
    ObjectStore, PAGE, failure,
    transport::{Note, Page},
};
use crate::{ListedObject, Listing, StoreError};

pub(super) async fn page(
    store: &ObjectStore,
    container: &str,
    prefix: &str,
    start: Option<&str>,
) -> Result<Listing, StoreError> {
    let page = Page { start: start.map(str::to_owned), next: None };
    let note = Arc::new(Note { page: Some(Mutex::new(page)), ..Note::default() });
    // A container of the past may still be looked through.
    let operator = store
        .shared
        .operators
        .with_note(container, Access::Private, note.clone())
        .map_err(|_| StoreError::MissingContainer(container.to_owned()))?;
    let by_key = operator.info().capability().list_with_start_after;

    // opendal trims white space off the prefix, so the rest is picked here.
    let mut lister = operator.lister_with(prefix).recursive(true);
    if by_key {
        lister = lister.limit(PAGE);
        if let Some(start) = start {
            lister = lister.start_after(start);
        }
    }
    let listed = async {
        let mut lister = lister.await?;
        let mut entries = Vec::new();
        while entries.len() < PAGE
            && let Some(entry) = lister.try_next().await?
        {
            entries.push(entry);
        }
        Ok(entries)
    };
    let entries: Vec<Entry> = listed.await.map_err(|error| failure::of_container(container, error))?;

    let next = if by_key {
        entries.last().filter(|_| entries.len() == PAGE).map(|entry| entry.path().to_owned())
    } else {
        note.page.as_ref().and_then(|page| page.lock().unwrap_or_else(PoisonError::into_inner).next.take())
    };
    let objects = entries
        .into_iter()
        .filter(|entry| entry.metadata().mode() == EntryMode::FILE && entry.path().starts_with(prefix))
        .map(|entry| ListedObject { size: entry.metadata().content_length(), key: entry.path().to_owned() })
        .collect();
    Ok(Listing { objects, next })
}
