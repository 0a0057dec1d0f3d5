//! Objects that come in parts: in any order, again, over restarts, and given up.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, future::join_all, stream};
use md5::{Digest, Md5};
use stowage_store::{
    BlobStore, ObjectId, PartStore, StoreError,
    parts::{PartContent, PartReceipt, PartUpload},
};

use super::{direct::direct, png};
use crate::common::{AN_HOUR, Fixture, Gap, meta, pattern, read};

/// The least that every provider takes for a part that is not the last one.
const PART: usize = 5 << 20;
const TAIL: usize = 1000;
const DISPOSITION: &str = "attachment; filename=\"a b.png\"";

/// Its bytes, cut as a client would cut them.
struct Pieces(Vec<Bytes>);

impl Pieces {
    fn new(seed: u8) -> Self {
        let mut whole = pattern(2 * PART + TAIL).to_vec();
        whole.iter_mut().for_each(|byte| *byte ^= seed);
        let whole = Bytes::from(whole);
        Self(vec![whole.slice(..PART), whole.slice(PART..2 * PART), whole.slice(2 * PART..)])
    }

    fn whole(&self) -> Bytes {
        self.0.concat().into()
    }

    /// Puts all of them at once, the last one first.
    async fn put(&self, parts: &dyn PartStore, upload: &PartUpload) -> Vec<(u32, u64, PartReceipt)> {
        let puts = self.0.iter().zip(1_u32..4).rev().map(|(piece, number)| async move {
            let receipt = put(parts, upload, number, piece).await.expect("the part is stored");
            (number, piece.len() as u64, receipt)
        });
        let mut receipts = join_all(puts).await;
        receipts.sort_by_key(|part| part.0);
        receipts
    }
}

fn content(bytes: &Bytes) -> PartContent {
    let chunks: Vec<_> = bytes.chunks(100_000).map(|chunk| Ok(bytes.slice_ref(chunk))).collect();
    stream::iter(chunks).boxed()
}

fn md5(bytes: &Bytes) -> [u8; 16] {
    Md5::digest(bytes).into()
}

async fn put(
    parts: &dyn PartStore,
    upload: &PartUpload,
    number: u32,
    bytes: &Bytes,
) -> Result<PartReceipt, StoreError> {
    // Senders may announce a checksum, or not.
    let announced = (number % 2 == 1).then(|| md5(bytes));
    parts.put(upload, number, bytes.len() as u64, announced, content(bytes)).await
}

/// The parts of a driver of its own, as after a restart; `None`: the driver has none, or its test server.
fn parts_of(fixture: &Fixture) -> Option<Arc<dyn PartStore>> {
    let parts = restarted(fixture)?.parts()?;
    (!fixture.lacks(Gap::Multipart)).then_some(parts)
}

fn restarted(fixture: &Fixture) -> Option<Arc<dyn BlobStore>> {
    let remote = fixture.remote.as_ref()?;
    let origin: Vec<_> = remote.endpoint.split('/').take(3).collect();
    Some((remote.connect)(&origin.join("/")))
}

/// What the catalogue keeps of an upload and its parts comes back as text.
fn remembered(upload: &PartUpload, parts: &[(u32, u64, PartReceipt)]) -> (PartUpload, Vec<(u32, u64, PartReceipt)>) {
    let receipt = |receipt: &PartReceipt| PartReceipt::from_catalogue(receipt.as_str().to_owned());
    let parts = parts.iter().map(|(number, size, text)| (*number, *size, receipt(text))).collect();
    (PartUpload::from_catalogue(upload.as_str().to_owned()), parts)
}

async fn assert_holds(fixture: &Fixture, id: &ObjectId, bytes: &Bytes) {
    let size = bytes.len() as u64;
    assert_eq!(fixture.store.stat(id).await.expect("the object is there").size, size);
    let back = read(&*fixture.store, id, 0..size).await.expect("readable");
    assert!(back == *bytes, "{id:?} holds other bytes");
}

async fn numbers(parts: &dyn PartStore, upload: &PartUpload) -> Vec<(u32, u64)> {
    let listed = parts.list(upload).await.expect("a list");
    listed.iter().map(|part| (part.number, part.size)).collect()
}

pub(super) async fn parts_in_any_order_make_an_object_over_restarts(fixture: Fixture) {
    let Some(first) = parts_of(&fixture) else { return };
    for path in ["parts.png", "ünïcode/日本語 +&%25?#'.txt"] {
        let (key, facts) = (fixture.key(path), png(DISPOSITION));
        let upload = first.begin(&key, &facts).await.expect("an upload");
        assert!(first.list(&upload).await.expect("a list").is_empty());
        let pieces = Pieces::new(0);
        let receipts = pieces.put(&*first, &upload).await;

        let second = parts_of(&fixture).expect("parts");
        let (upload, receipts) = remembered(&upload, &receipts);
        let listed = second.list(&upload).await.expect("a list");
        let listed: Vec<_> = listed.into_iter().map(|part| (part.number, part.size, part.receipt)).collect();
        if fixture.lacks(Gap::PartRecords) {
            assert_eq!(listed.len(), receipts.len());
        } else {
            assert_eq!(listed, receipts);
        }
        let id = fixture.store.planned_id(&key).expect("an id");
        assert!(matches!(fixture.store.stat(&id).await, Err(StoreError::NotFound)), "not visible before its end");

        for _ in 0..2 {
            let third = parts_of(&fixture).expect("parts");
            assert_eq!(third.complete(&upload, &key, &facts, &receipts).await.expect("an object"), id);
            assert_holds(&fixture, &id, &pieces.whole()).await;
        }
        second.abort(&upload).await.expect("nothing to throw away");
        assert_holds(&fixture, &id, &pieces.whole()).await;

        if fixture.store.capabilities().presign && !fixture.lacks(Gap::DirectHeaders) {
            let copy = fixture.store.copy(&id, &fixture.key("copy"), &facts).await.expect("a copy");
            for id in [&id, &copy] {
                let request = fixture.store.presign_get(id, AN_HOUR).await.expect("a request");
                let answer = direct(reqwest::Method::GET, &request, Bytes::new()).await;
                let colour = format!("{}colour", fixture.metadata_prefix);
                for (name, value) in
                    [("content-type", "image/png"), ("content-disposition", DISPOSITION), (&*colour, "dark blue")]
                {
                    assert_eq!(answer.headers()[name], value, "{id:?}");
                }
            }
            fixture.store.delete(&copy).await.expect("the copy is removed");
        }
        fixture.store.delete(&id).await.expect("the object is removed");
    }
    fixture.becomes_empty().await;
}

pub(super) async fn a_part_that_comes_again_replaces_the_first(fixture: Fixture) {
    let Some(parts) = parts_of(&fixture) else { return };
    let (key, facts) = (fixture.key("again.bin"), meta(None));
    let upload = parts.begin(&key, &facts).await.expect("an upload");
    let (old, new) = (Pieces::new(1), Pieces::new(2));
    old.put(&*parts, &upload).await;
    let receipts = new.put(&*parts, &upload).await;
    put(&*parts, &upload, 4, &pattern(10)).await.expect("a part that the object is made without");
    assert_eq!(numbers(&*parts, &upload).await, [(1, PART as u64), (2, PART as u64), (3, TAIL as u64), (4, 10)]);
    let id = parts.complete(&upload, &key, &facts, &receipts).await.expect("an object");
    assert_holds(&fixture, &id, &new.whole()).await;
    fixture.store.delete(&id).await.expect("the object is removed");
    if !fixture.lacks(Gap::PartRecords) {
        fixture.becomes_empty().await;
    }
}

pub(super) async fn a_wrong_part_is_refused_and_the_good_one_stays(fixture: Fixture) {
    let Some(parts) = parts_of(&fixture) else { return };
    let (key, facts) = (fixture.key("wrong.bin"), meta(None));
    let upload = parts.begin(&key, &facts).await.expect("an upload");
    let good = pattern(TAIL);
    let receipt = put(&*parts, &upload, 1, &good).await.expect("the part is stored");

    let other = good.slice(1..);
    let gone = || Err(StoreError::Other("the client is gone".to_owned()));
    let cut = stream::iter([Ok(good.slice(..10)), gone()]).boxed();
    for (length, announced, wrong, cause) in [
        (TAIL - 1, Some(md5(&good)), content(&other), "MD5"),
        (TAIL, None, content(&other), "shorter"),
        (TAIL - 2, None, content(&other), "longer"),
        (0, None, content(&other), "longer"),
        (TAIL, None, cut, "gone"),
    ] {
        let refused = parts.put(&upload, 1, length as u64, announced, wrong).await.expect_err(cause);
        assert!(refused.to_string().contains(cause), "{cause}: {refused}");
    }
    let rules = parts.rules();
    for (number, length) in [(0, 1), (rules.count + 1, 1), (1, rules.largest + 1)] {
        let refused = parts.put(&upload, number, length, None, content(&good)).await;
        assert!(matches!(refused, Err(StoreError::Unsupported(_))), "{number} {length}: {refused:?}");
    }
    let other_key = fixture.key("other.bin");
    let made = [(1, TAIL as u64, receipt)];
    assert!(parts.complete(&upload, &other_key, &facts, &made).await.is_err(), "the upload of another key");

    assert_eq!(numbers(&*parts, &upload).await, [(1, TAIL as u64)]);
    let id = parts.complete(&upload, &key, &facts, &made).await.expect("an object");
    assert_holds(&fixture, &id, &good).await;
}

pub(super) async fn an_empty_part_makes_an_empty_object(fixture: Fixture) {
    let Some(parts) = parts_of(&fixture) else { return };
    let (key, facts) = (fixture.key("empty.bin"), meta(None));
    let upload = parts.begin(&key, &facts).await.expect("an upload");
    let receipt = put(&*parts, &upload, 1, &Bytes::new()).await.expect("the part is stored");
    for _ in 0..2 {
        let id = parts.complete(&upload, &key, &facts, &[(1, 0, receipt.clone())]).await.expect("an object");
        assert_eq!(fixture.store.stat(&id).await.expect("there").size, 0);
    }
}

pub(super) async fn an_aborted_upload_leaves_nothing(fixture: Fixture) {
    let Some(parts) = parts_of(&fixture) else { return };
    let (key, facts) = (fixture.key("given up.bin"), meta(None));
    let upload = parts.begin(&key, &facts).await.expect("an upload");
    let receipts = Pieces::new(0).put(&*parts, &upload).await;
    for _ in 0..2 {
        parts.abort(&upload).await.expect("thrown away");
    }
    parts.abort(&PartUpload::from_catalogue("nonsense".to_owned())).await.expect("an unknown upload is success");
    fixture.becomes_empty().await;
    if fixture.lacks(Gap::PartAbort) {
        return;
    }
    match parts.list(&upload).await {
        Ok(listed) => assert!(listed.is_empty(), "{listed:?}"),
        Err(error) => assert!(matches!(error, StoreError::NotFound), "{error:?}"),
    }
    assert_gone(&fixture, &parts.complete(&upload, &key, &facts, &receipts).await);
}

fn assert_gone(fixture: &Fixture, late: &Result<ObjectId, StoreError>) {
    let told = matches!(late, Err(StoreError::NotFound)) || (late.is_err() && fixture.lacks(Gap::PartsGone));
    assert!(told, "{late:?}");
}

pub(super) async fn uploads_to_one_key_do_not_mix(fixture: Fixture) {
    let Some(parts) = parts_of(&fixture) else { return };
    let (key, facts) = (fixture.key("same.bin"), meta(None));
    let (one, two) = (Pieces::new(1), Pieces::new(2));
    let first = parts.begin(&key, &facts).await.expect("an upload");
    let second = parts.begin(&key, &facts).await.expect("an upload");
    let (of_first, of_second) = tokio::join!(one.put(&*parts, &first), two.put(&*parts, &second));
    // What comes and goes under the key meanwhile leaves the parts alone.
    let id = fixture.store.planned_id(&key).expect("an id");
    fixture.store.delete(&id).await.expect("nothing to remove");
    fixture.store.delete(&id).await.expect("nothing to remove");

    assert_eq!(parts.complete(&first, &key, &facts, &of_first).await.expect("an object"), id);
    assert_holds(&fixture, &id, &one.whole()).await;
    match parts.complete(&second, &key, &facts, &of_second).await {
        Ok(_) => {
            assert_holds(&fixture, &id, &two.whole()).await;
            assert_gone(&fixture, &parts.complete(&first, &key, &facts, &of_first).await);
            parts.abort(&first).await.expect("thrown away");
            assert_holds(&fixture, &id, &two.whole()).await;
        }
        // Azure throws the parts of the others away; that is told, and does no harm.
        Err(error) => {
            assert!(matches!(error, StoreError::NotFound), "{error:?}");
            assert_holds(&fixture, &id, &one.whole()).await;
        }
    }
    parts.abort(&second).await.expect("thrown away");
    fixture.store.delete(&id).await.expect("the object is removed");
    fixture.becomes_empty().await;
}

pub(super) async fn anybody_may_put_a_presigned_part(fixture: Fixture) {
    let Some(parts) = parts_of(&fixture) else { return };
    let (key, facts) = (fixture.key("direct.bin"), meta(None));
    let upload = parts.begin(&key, &facts).await.expect("an upload");
    let bytes = pattern(TAIL);
    let presigned = parts.presign(&upload, 1, TAIL as u64, Some(md5(&bytes)), AN_HOUR).await;
    if !parts.rules().presign {
        assert!(matches!(presigned, Err(StoreError::Unsupported(_))), "{presigned:?}");
        return;
    }
    let request = presigned.expect("a request");
    if !fixture.lacks(Gap::Signatures) {
        let mut changed = bytes.to_vec();
        changed[0] ^= 1;
        let changed = if fixture.lacks(Gap::PartRecords) { Bytes::new() } else { changed.into() };
        for other in [changed, bytes.slice(1..), [&bytes[..], b"more"].concat().into()] {
            let refused = direct(reqwest::Method::PUT, &request, other).await;
            assert!(refused.status().is_client_error(), "other bytes: {}", refused.status());
        }
        for (from, to) in [("partNumber=1", "partNumber=2"), ("/00000001?", "/00000002?")] {
            let other = stowage_store::PresignedRequest { url: request.url.replace(from, to), ..request.clone() };
            if other != request {
                let refused = direct(reqwest::Method::PUT, &other, bytes.clone()).await;
                assert!(refused.status().is_client_error(), "another part: {}", refused.status());
            }
        }
        assert!(numbers(&*parts, &upload).await.is_empty());
    }
    let answer = direct(reqwest::Method::PUT, &request, bytes.clone()).await;
    assert!(answer.status().is_success(), "{}", answer.status());
    let etag = answer.headers()["etag"].to_str().expect("text").trim_matches('"').to_owned();
    assert_eq!(etag, hex::encode(md5(&bytes)));

    let listed = parts.list(&upload).await.expect("a list");
    assert_eq!((listed.len(), listed[0].number, listed[0].size), (1, 1, TAIL as u64));
    if !fixture.lacks(Gap::PartRecords) {
        assert_eq!(listed[0].receipt.as_str(), etag, "the sender's ETag is the receipt");
    }
    let made = [(1, TAIL as u64, PartReceipt::from_catalogue(etag))];
    let id = parts.complete(&upload, &key, &facts, &made).await.expect("an object");
    assert_holds(&fixture, &id, &bytes).await;
}

pub(super) async fn a_missing_part_makes_no_object(fixture: Fixture) {
    let Some(parts) = parts_of(&fixture) else { return };
    let (key, facts) = (fixture.key("missing part.bin"), meta(None));
    let upload = parts.begin(&key, &facts).await.expect("an upload");
    let receipt = put(&*parts, &upload, 1, &pattern(PART)).await.expect("the part is stored");
    let mut unknown = receipt.as_str().to_owned();
    unknown.replace_range(..8, "AAAAAAAA");
    let made = [(1, PART as u64, receipt), (2, PART as u64, PartReceipt::from_catalogue(unknown))];
    if fixture.lacks(Gap::PartRecords) {
        return;
    }
    let result = parts.complete(&upload, &key, &facts, &made).await;
    assert!(matches!(result, Err(StoreError::NotFound)), "{result:?}");
    let id = parts.complete(&upload, &key, &facts, &made[..1]).await.expect("the good part is still there");
    assert_holds(&fixture, &id, &pattern(PART)).await;
}
