//! `stowage store test`: every step that files take through a store, timed.

use std::time::Instant;

use futures_util::TryStreamExt;
use stowage_core::{
    filename::FileName,
    location::{Access, ContainerName},
    media_type::MediaType,
};
use stowage_store::{
    Blob, BlobStore, ObjectId, ObjectKey, ObjectMeta, StoreError,
    registry::{Containers, OpenedStore},
};

use crate::{failure::Failure, output};

const CONTENT: &[u8] = b"Stowage stores this to see whether it can.\n";
const PROBE_NAME: &str = "stowage-probe.txt";

/// Runs all steps; the probe is removed whatever happens after it was written.
pub(super) async fn run(store: OpenedStore) -> Result<(), Failure> {
    let container = match &store.containers {
        Containers::Listed(listed) if !listed.is_empty() => listed[0].clone(),
        Containers::Listed(_) => step("find the container", store.driver.detected_container()).await?,
        Containers::Any => ContainerName::parse("stowage").map_err(|reason| Failure::Other(reason.to_owned()))?,
    };
    let filename = FileName::parse(PROBE_NAME).map_err(|error| Failure::Other(error.to_string()))?;
    let key = ObjectKey::build(container, None, &filename);
    let driver = &*store.driver;
    let id = step("write", write(driver, &key)).await?;
    let outcome = read_back(driver, &key, &id).await;
    let deleted = step("delete", driver.delete(&id)).await;
    outcome.and(deleted)?;
    output::line(format_args!("the store works"))
}

async fn read_back(driver: &dyn BlobStore, key: &ObjectKey, id: &ObjectId) -> Result<(), Failure> {
    let size = CONTENT.len() as u64;
    let whole = step("read", read(driver, id, 0, size)).await?;
    let part = step("read a range", read(driver, id, 8, 14)).await?;
    if whole != CONTENT || part != CONTENT[8..14] {
        return Err(Failure::Other("the store gives back other bytes than it was given".to_owned()));
    }
    let stat = step("describe", driver.stat(id)).await?;
    if stat.size != size {
        return Err(Failure::Other(format!("the store tells a size of {} bytes, not {size}", stat.size)));
    }
    if driver.capabilities().list {
        let listing = step("list", driver.list(key.container(), key.key(), None)).await?;
        if !listing.objects.iter().any(|object| object.key == key.key()) {
            return Err(Failure::Other("the store does not list what it holds".to_owned()));
        }
    }
    Ok(())
}

async fn step<T>(name: &str, step: impl Future<Output = Result<T, StoreError>>) -> Result<T, Failure> {
    let started = Instant::now();
    let outcome = step.await;
    let elapsed = started.elapsed().as_secs_f64() * 1000.0;
    match outcome {
        Ok(value) => {
            output::line(format_args!("ok       {name:<18} {elapsed:>8.1} ms"))?;
            Ok(value)
        }
        Err(error) => {
            output::line(format_args!("failed   {name:<18} {elapsed:>8.1} ms"))?;
            Err(Failure::Other(format!("{name}: {error}")))
        }
    }
}

/// Writes the probe.
pub(super) async fn write(driver: &dyn BlobStore, key: &ObjectKey) -> Result<ObjectId, StoreError> {
    let meta = ObjectMeta {
        media_type: MediaType::text_plain(),
        access: Access::Private,
        length: Some(CONTENT.len() as u64),
        disposition: None,
        user_metadata: Vec::new(),
    };
    let mut writer = driver.create(key, &meta).await?;
    writer.write(CONTENT.into()).await?;
    writer.commit().await
}

async fn read(driver: &dyn BlobStore, id: &ObjectId, start: u64, end: u64) -> Result<Vec<u8>, StoreError> {
    match driver.open(id, start..end).await? {
        Blob::Memory(bytes) => Ok(bytes.to_vec()),
        Blob::Stream(chunks) => chunks.try_fold(Vec::new(), async |all, chunk| Ok([&all[..], &chunk].concat())).await,
        Blob::File { .. } => Err(StoreError::Other("a small range came as a file".to_owned())),
    }
}
