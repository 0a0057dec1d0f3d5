//! Copying an object: at the provider where source and copy are alike and in one container, else through this process.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use opendal::Metadata;
use stowage_core::location::Access;

use super::{ObjectStore, failure, id, metadata, parts::MARK};
use crate::{Blob, BlobStore, ObjectId, ObjectKey, ObjectMeta, StoreError};

/// Most bytes that S3 copies in one request.
const MOST_BYTES: u64 = 5 << 30;

pub(super) async fn copy(
    store: &ObjectStore,
    from: &ObjectId,
    to: &ObjectKey,
    meta: &ObjectMeta,
) -> Result<ObjectId, StoreError> {
    store.check_new_key(to.key())?;
    let (source, container, key) = store.locate(from)?;
    let known = source.stat(key).await.map_err(|error| failure(container, error))?;
    let copy = id(to.container().as_str(), to.key());
    // A copy at the provider keeps the facts of its source, and none has an access of its own.
    let alike = container == to.container().as_str()
        && meta.access == Access::Private
        && known.content_length() <= MOST_BYTES
        && has_facts(store, &known, meta);
    if !alike || !store.facts().copies {
        return rewrite(store, from, known.content_length(), to, meta).await;
    }
    if copy != *from {
        source.copy(key, to.key()).await.map_err(|error| failure(container, error))?;
    }
    Ok(copy)
}

fn has_facts(store: &ObjectStore, known: &Metadata, meta: &ObjectMeta) -> bool {
    let kept = known.user_metadata().into_iter().flatten();
    let kept = kept.filter(|(name, _)| *name != MARK);
    let kept: HashMap<_, _> = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    known.content_type() == Some(meta.media_type.as_str())
        && known.content_disposition() == meta.disposition.as_deref()
        && kept == metadata(store.facts(), meta)
}

async fn rewrite(
    store: &ObjectStore,
    from: &ObjectId,
    size: u64,
    to: &ObjectKey,
    meta: &ObjectMeta,
) -> Result<ObjectId, StoreError> {
    let blob = store.open(from, 0..size).await?;
    let mut writer = store.create(to, &ObjectMeta { length: Some(size), ..meta.clone() }).await?;
    if let Blob::Stream(mut chunks) = blob {
        while let Some(chunk) = chunks.try_next().await? {
            writer.write(chunk).await?;
        }
    }
    writer.commit().await
}
