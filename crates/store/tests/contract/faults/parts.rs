//! Faults while parts come, and while they are put together.

use futures_util::{StreamExt, stream};
use md5::{Digest, Md5};
use stowage_store::{PartStore, parts::PartUpload};

use super::*;

async fn put(
    parts: &dyn PartStore,
    upload: &PartUpload,
    bytes: &Bytes,
) -> Result<stowage_store::parts::PartReceipt, StoreError> {
    let chunks: Vec<_> = bytes.chunks(64 << 10).map(|chunk| Ok(bytes.slice_ref(chunk))).collect();
    let announced = Some(Md5::digest(bytes).into());
    parts.put(upload, 1, bytes.len() as u64, announced, stream::iter(chunks).boxed()).await
}

/// A part that a fault strikes is not acknowledged, and comes again; then the answer to the last request is lost.
pub(super) async fn part(line: Line, size: Size, fault: Fault, outcome: Outcome) {
    let Some(parts) = line.store.parts() else { return };
    let (bytes, facts) = (pattern(size.bytes), meta(None));
    let key = line.fixture.key("parts.bin");
    let upload = parts.begin(&key, &facts).await.expect("an upload");
    line.proxy.fail(fault);
    let stored = line.timed(put(&*parts, &upload, &bytes)).await;
    assert!(line.proxy.struck() > 0, "the fault has not happened");
    match &stored {
        Err(StoreError::Other(text))
            if text.contains("contentMD5 doesn't match") && line.fixture.lacks(Gap::ChecksumCode) => {}
        stored => outcome.check(stored),
    }
    line.proxy.heal();
    let receipt = put(&*parts, &upload, &bytes).await.expect("the part is stored");

    line.proxy.fail_times(1, Fault::Cut(Way::Answer, 0));
    let made = [(1, size.bytes as u64, receipt)];
    let id = parts.complete(&upload, &key, &facts, &made).await.expect("an object");
    assert!(line.proxy.struck() > 0, "the fault has not happened");
    let back = read(&*line.fixture.store, &id, 0..size.bytes as u64).await;
    assert!(back.expect("readable") == bytes, "what was acknowledged is right");
    line.fixture.store.delete(&id).await.expect("the object is removed");
    line.fixture.becomes_empty().await;
}
