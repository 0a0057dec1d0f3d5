//! Copying an object: read and written in batches, so that the copy is as durable as a stored one.

use std::os::unix::fs::FileExt;

use bytes::Bytes;

use super::{LocalStore, blocking, failure, known_name, read_failure, writer::BATCH};
use crate::{BlobStore, ObjectId, ObjectKey, ObjectMeta, StoreError};

pub(super) async fn copy(
    store: &LocalStore,
    from: &ObjectId,
    to: &ObjectKey,
    meta: &ObjectMeta,
) -> Result<ObjectId, StoreError> {
    let (mut file, size) = store.open_object(known_name(from)?).await.map_err(read_failure)?;
    let mut writer = store.create(to, &ObjectMeta { length: Some(size), ..meta.clone() }).await?;
    let mut offset = 0;
    while offset < size {
        let length = (size - offset).min(BATCH as u64);
        let chunk;
        (file, chunk) = blocking(move || {
            let mut buffer = vec![0; length as usize];
            file.read_exact_at(&mut buffer, offset)?;
            Ok((file, Bytes::from(buffer)))
        })
        .await
        .map_err(failure)?;
        writer.write(chunk).await?;
        offset += length;
    }
    writer.commit().await
}
