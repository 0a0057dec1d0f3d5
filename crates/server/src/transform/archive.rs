//! `zip`: all sources in one archive (spec 11 §9).

mod names;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    os::unix::fs::FileExt,
    sync::Arc,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use sha2::{Digest, Sha256};
use stowage_cache::{Freshness, Made, MadeBody, Meta};
use stowage_core::media_type::MediaType;
use stowage_workers::Source;
use tokio::task::spawn_blocking;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{Input, Job};
use crate::{http::ApiError, state::Server};

/// Sources that are opened before it is their turn.
const AHEAD: usize = 4;

/// Bytes that are read of a source at once.
const CHUNK: usize = 128 << 10;

/// From that length on an entry is written with 64-bit lengths; what does not compress at all becomes a little longer.
const LARGE: u64 = 0xffff_0000;

/// Writes the archive into a file of the cache, one source after the other: whatever is wrong with one of them is known before a
/// byte is sent, and memory does not grow with the sources.
pub(super) async fn make(server: &Arc<Server>, job: &Job, freshness: Freshness) -> Result<Made, ApiError> {
    let limit = server.config.images.max_archive_bytes;
    let mut left = limit;
    let mut draft = server.transformer.results.draft().await.map_err(ApiError::internal)?;
    let file = draft.file().try_clone().map_err(ApiError::internal)?;
    let mut archive = Archive { zip: ZipWriter::new(BufWriter::new(file)), content: Sha256::new() };
    let names = names::distinct(job.sources.iter().map(Input::filename));
    let loads = job.sources.iter().zip(names).map(|(input, name)| {
        let (input, server, owner) = (input.clone(), server.clone(), job.owner);
        async move {
            let most = if input.is_elsewhere() { server.config.images.max_bytes } else { limit };
            let source = input.load(&server, owner, freshness, most).await?;
            Ok::<_, ApiError>((name, input.media_type(), source))
        }
    });
    // Collected first, because a closure over references is no part of a future that moves between threads.
    let loads: Vec<_> = loads.collect();
    let mut sources = stream::iter(loads).buffered(AHEAD);
    while let Some((name, media_type, source)) = sources.try_next().await? {
        left = left.checked_sub(source.length).ok_or_else(|| too_large(limit))?;
        let add = move || archive.add(&name, media_type.as_ref(), &source).map(|()| archive);
        archive = spawn_blocking(add).await.map_err(ApiError::internal)?.map_err(failed)?;
    }
    let etag = spawn_blocking(move || archive.finish()).await.map_err(ApiError::internal)?.map_err(failed)?;
    let meta = Meta { media_type: "application/zip".to_owned(), etag: Some(etag), ..Meta::default() };
    Ok(Made { meta, body: MadeBody::File(draft), freshness })
}

/// An archive that is being written. Everything here blocks.
struct Archive {
    zip: ZipWriter<BufWriter<File>>,
    /// Of all names and contents.
    content: Sha256,
}

impl Archive {
    fn add(&mut self, name: &str, media_type: Option<&MediaType>, source: &Source) -> io::Result<()> {
        let is_small_already = media_type.is_some_and(|media_type| is_compressed(media_type.as_str()));
        let method = if is_small_already { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options = SimpleFileOptions::default().compression_method(method).large_file(source.length >= LARGE);
        self.zip.start_file(name, options)?;
        for text in [name.len() as u64, source.length] {
            self.content.update(text.to_le_bytes());
        }
        self.content.update(name);
        let mut buffer = vec![0; CHUNK];
        let mut position = 0;
        while position < source.length {
            let wanted = CHUNK.min(usize::try_from(source.length - position).unwrap_or(CHUNK));
            let chunk = &mut buffer[..wanted];
            source.file.read_exact_at(chunk, source.offset + position)?;
            self.content.update(&*chunk);
            self.zip.write_all(chunk)?;
            position += wanted as u64;
        }
        Ok(())
    }

    /// Writes the directory, and gives the entity tag.
    fn finish(self) -> io::Result<String> {
        let mut written = self.zip.finish()?;
        written.flush()?;
        Ok(hex::encode(&self.content.finalize()[..16]))
    }
}

/// Whether compressing files of a type once more is a waste of time.
fn is_compressed(media_type: &str) -> bool {
    const TYPES: &[&str] = &[
        "application/epub+zip",
        "application/gzip",
        "application/java-archive",
        "application/vnd.rar",
        "application/x-7z-compressed",
        "application/x-bzip2",
        "application/x-xz",
        "application/zip",
        "application/zstd",
        "font/woff",
        "font/woff2",
    ];
    const PLAIN: &[&str] = &["audio/wav", "audio/x-wav", "audio/midi", "image/bmp", "image/svg+xml", "image/tiff"];
    let kind = media_type.split('/').next().unwrap_or_default();
    TYPES.contains(&media_type)
        || media_type.starts_with("application/vnd.openxmlformats-officedocument.")
        || (matches!(kind, "image" | "audio" | "video") && !PLAIN.contains(&media_type))
}

fn failed(error: io::Error) -> ApiError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "storage_full", "there is no room for the archive")
                .because(error)
        }
        _ => ApiError::internal(error),
    }
}

fn too_large(limit: u64) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "archive_too_large",
        format!("Output size limit exceeded: the sources of an archive have at most {limit} bytes together"),
    )
}
