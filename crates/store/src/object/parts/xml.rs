//! The documents of the providers about parts.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::StoreError;

/// `<Error>`, also in an answer that began as a success.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Failed {
    code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Begun {
    pub(super) upload_id: String,
}

/// A page of the parts of an upload.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page {
    #[serde(default)]
    pub(super) part: Vec<PageEntry>,
    #[serde(default)]
    pub(super) is_truncated: bool,
    #[serde(default)]
    pub(super) next_part_number_marker: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PageEntry {
    pub(super) part_number: u32,
    /// Of services that tell none, nothing.
    #[serde(rename = "ETag", default)]
    pub(super) etag: String,
    pub(super) size: u64,
}

#[derive(Serialize)]
#[serde(rename = "CompleteMultipartUpload", rename_all = "PascalCase")]
pub(super) struct Complete {
    pub(super) part: Vec<CompletePart>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CompletePart {
    pub(super) part_number: u32,
    #[serde(rename = "ETag")]
    pub(super) etag: String,
}

/// Azure's list of the blocks of an object, in their order.
#[derive(Serialize)]
#[serde(rename = "BlockList", rename_all = "PascalCase")]
pub(super) struct BlockList {
    pub(super) latest: Vec<String>,
}

/// Azure's list of what is not yet in an object.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Uncommitted {
    #[serde(default)]
    pub(super) uncommitted_blocks: Blocks,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Blocks {
    #[serde(default)]
    pub(super) block: Vec<Block>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Block {
    pub(super) name: String,
    pub(super) size: u64,
}

/// The provider's own name for a failure, if the document tells of one.
pub(super) fn error_code(document: &[u8]) -> Option<String> {
    quick_xml::de::from_reader::<_, Failed>(document).ok()?.code
}

pub(super) fn read<T: DeserializeOwned>(document: &[u8]) -> Result<T, StoreError> {
    quick_xml::de::from_reader(document).map_err(|error| StoreError::Other(format!("unexpected answer: {error}")))
}

pub(super) fn write<T: Serialize>(document: &T) -> Result<String, StoreError> {
    quick_xml::se::to_string(document).map_err(|error| StoreError::Other(format!("the list of parts: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_known_by_their_code() {
        let failed = b"<?xml version=\"1.0\"?>\n <Error><Code>InternalError</Code><Message>a &amp; b</Message></Error>";
        assert_eq!(error_code(failed).as_deref(), Some("InternalError"));
        for other in [&b""[..], b"no XML", b"<Begun><UploadId>x</UploadId></Begun>", b"<Error><Code>"] {
            assert_eq!(error_code(other), None, "{other:?}");
        }
    }

    #[test]
    fn documents_are_written_and_read() {
        let part = vec![CompletePart { part_number: 2, etag: "\"a<b\"".to_owned() }];
        let text = write(&Complete { part }).expect("a document");
        assert!(text.starts_with("<CompleteMultipartUpload><Part><PartNumber>2</PartNumber><ETag>"), "{text}");
        assert!(text.contains("a&lt;b"), "{text}");
        let text = write(&BlockList { latest: vec!["YQ==".to_owned(), "Yg==".to_owned()] }).expect("a document");
        assert_eq!(text, "<BlockList><Latest>YQ==</Latest><Latest>Yg==</Latest></BlockList>");
        let page: Page = read(
            b"<ListPartsResult xmlns=\"x\"><Part><ETag>&quot;e&quot;</ETag><PartNumber>7</PartNumber><Size>3</Size>\
              <LastModified>now</LastModified></Part><IsTruncated>false</IsTruncated></ListPartsResult>",
        )
        .expect("a page");
        assert_eq!((page.part[0].part_number, page.part[0].size, page.part[0].etag.as_str()), (7, 3, "\"e\""));
        for empty in ["<BlockList><UncommittedBlocks/></BlockList>", "<BlockList><CommittedBlocks/></BlockList>"] {
            let list: Uncommitted = read(empty.as_bytes()).expect("a list");
            assert!(list.uncommitted_blocks.block.is_empty());
        }
    }
}
