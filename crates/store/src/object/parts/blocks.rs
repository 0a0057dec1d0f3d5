//! Azure's blocks: put under ids of our own, and made an object by a list of ids. Nothing begins an upload and nothing
//! ends it: blocks that no list names go when the object is written, or a week after the last one came.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, Method};
use sha2::{Digest, Sha256};

use super::{
    Part, PartProtocol,
    wire::{Ask, Wire, insert},
    xml,
};
use crate::{
    ObjectMeta, PresignedRequest, StoreError,
    http_client::encode_path,
    parts::{ListedPart, PartContent, PartReceipt, PartRules, Place},
};

/// Since version 2019-12-12 of the service.
const LARGEST: u64 = 4000 << 20;
const MOST: u32 = 50_000;
const VERSION: &str = "2022-11-02";
/// Bytes of a block id that tell the upload, so that two uploads to one key do not mix.
const OF_UPLOAD: usize = 6;

pub(in super::super) struct Blocks {
    wire: Wire,
    endpoint: String,
    /// Headers that make an object of blocks.
    headers_of: fn(&ObjectMeta) -> Vec<(String, String)>,
}

impl Blocks {
    pub(in super::super) fn new(
        wire: Wire,
        endpoint: String,
        headers_of: fn(&ObjectMeta) -> Vec<(String, String)>,
    ) -> Self {
        Self { wire, endpoint, headers_of }
    }

    fn url(&self, place: &Place, query: &str) -> String {
        format!("{}/{}/{}{query}", self.endpoint, place.container, encode_path(&place.key))
    }

    async fn ask(&self, place: &Place, mut ask: Ask) -> Result<Vec<u8>, StoreError> {
        ask.headers.extend(version()?);
        Ok(self.wire.ask(&place.container, &ask).await?.body)
    }
}

#[async_trait::async_trait]
impl PartProtocol for Blocks {
    /// A presigned block would answer its sender with nothing that tells us what arrived.
    fn rules(&self) -> PartRules {
        PartRules { smallest: 1, largest: LARGEST, count: MOST, presign: false }
    }

    async fn begin(&self, place: &Place, meta: &ObjectMeta) -> Result<String, StoreError> {
        // What cannot be kept is refused now, and not after all parts have come.
        headers(&(self.headers_of)(meta))?;
        // The container, too.
        self.list(place).await?;
        Ok(String::new())
    }

    async fn put(&self, place: &Place, part: Part, content: PartContent) -> Result<PartReceipt, StoreError> {
        if part.length == 0 {
            // Azure knows no empty block, and the object needs none.
            drop(crate::parts::checked(content, 0, part.md5).await?);
            return Ok(PartReceipt::from_catalogue(String::new()));
        }
        let block = BASE64_STANDARD.encode(block_id(place, part.number));
        let url = self.url(place, &format!("?comp=block&blockid={}", encode_path(&block).replace('/', "%2F")));
        self.wire.put(&place.container, &url, version()?, part, content).await?;
        Ok(PartReceipt::from_catalogue(block))
    }

    async fn list(&self, place: &Place) -> Result<Vec<ListedPart>, StoreError> {
        let url = self.url(place, "?comp=blocklist&blocklisttype=uncommitted");
        let document = match self.ask(place, Ask::new(Method::GET, url)).await {
            Err(StoreError::NotFound) => return Ok(Vec::new()),
            document => document?,
        };
        let mut blocks = xml::read::<xml::Uncommitted>(&document)?.uncommitted_blocks.block;
        blocks.sort_by_cached_key(|block| BASE64_STANDARD.decode(&block.name).ok());
        // Of several with one number the last one counts: their ids grow.
        let newest: BTreeMap<u32, ListedPart> = blocks
            .into_iter()
            .filter_map(|block| {
                let number = number_of(place, &block.name)?;
                let receipt = PartReceipt::from_catalogue(block.name);
                Some((number, ListedPart { number, size: block.size, receipt }))
            })
            .collect();
        Ok(newest.into_values().collect())
    }

    /// Azure takes the list again while the blocks are in the object.
    async fn complete(
        &self,
        place: &Place,
        meta: &ObjectMeta,
        parts: &[(u32, u64, PartReceipt)],
    ) -> Result<(), StoreError> {
        let latest = parts.iter().filter(|(_, length, _)| *length > 0).map(|(_, _, block)| block.as_str().to_owned());
        let mut ask = Ask::new(Method::PUT, self.url(place, "?comp=blocklist"));
        ask.headers = headers(&(self.headers_of)(meta))?;
        ask.body = xml::write(&xml::BlockList { latest: latest.collect() })?.into();
        self.ask(place, ask).await.map(drop)
    }

    async fn abort(&self, _place: &Place) -> Result<(), StoreError> {
        Ok(())
    }

    async fn presign(&self, _: &Place, _: Part, _: Duration) -> Result<PresignedRequest, StoreError> {
        Err(StoreError::Unsupported("Azure storage takes no parts but through this server".to_owned()))
    }
}

fn version() -> Result<HeaderMap, StoreError> {
    headers(&[("x-ms-version".to_owned(), VERSION.to_owned())])
}

fn headers(named: &[(String, String)]) -> Result<HeaderMap, StoreError> {
    let mut headers = HeaderMap::new();
    for (name, value) in named {
        insert(&mut headers, name, value)?;
    }
    Ok(headers)
}

/// Upload, number, time: a part that comes again gets another id, so that a broken one cannot take the place of a good
/// one. 16 bytes, as opendal's ids: Azure wants all ids of an object equally long.
fn block_id(place: &Place, number: u32) -> Vec<u8> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut id = of_upload(place);
    // The numbers end at 50,000, the nanoseconds in 2554.
    id.extend((number as u16).to_be_bytes());
    id.extend((now.as_nanos() as u64).to_be_bytes());
    id
}

fn of_upload(place: &Place) -> Vec<u8> {
    Sha256::digest(&place.name)[..OF_UPLOAD].to_vec()
}

/// The number of a part, if the block belongs to the upload.
fn number_of(place: &Place, block: &str) -> Option<u32> {
    let id = BASE64_STANDARD.decode(block).ok()?;
    let number = id.strip_prefix(of_upload(place).as_slice())?.get(..2)?;
    Some(u16::from_be_bytes(number.try_into().ok()?).into())
}
