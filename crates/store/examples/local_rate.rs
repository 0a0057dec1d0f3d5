//! Measures the local store: durable 4 KiB stores per second by 32 tasks, and the rate of 1 GiB streams with commit.
//!
//! `cargo run --release -p stowage-store --example local_rate [DIRECTORY]`

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use stowage_core::{
    filename::FileName,
    location::{Access, ContainerName},
    media_type::MediaType,
};
use stowage_store::{BlobStore, ObjectId, ObjectKey, ObjectMeta, StoreError, local::LocalStore};

const SMALL: usize = 4 << 10;
const TASKS: usize = 32;
const SMALL_TIME: Duration = Duration::from_secs(3);
/// About what the HTTP server hands over at once.
const CHUNK: usize = 64 << 10;
const LARGE: usize = 1 << 30;
const ROUNDS: usize = 3;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let directory = tempfile::tempdir_in(Path::new(&parent))?;
    let store = LocalStore::open(directory.path(), 1)?;
    let mut output = std::io::stdout();

    let rate = small_rate(&store).await?;
    writeln!(output, "4 KiB, {TASKS} tasks: {rate:.0} durable stores/s")?;
    for _ in 0..ROUNDS {
        let (total, commit) = large_time(&store).await?;
        let rate = (LARGE >> 20) as f64 / total.as_secs_f64();
        writeln!(output, "1 GiB: {rate:.0} MiB/s, of {total:.2?} the commit took {commit:.2?}")?;
    }
    Ok(())
}

async fn small_rate(store: &LocalStore) -> Result<f64, Failure> {
    let start = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut count = 0_u32;
                while start.elapsed() < SMALL_TIME {
                    put(&store, SMALL, SMALL).await?;
                    count += 1;
                }
                Ok::<u32, Failure>(count)
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await??;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

async fn large_time(store: &LocalStore) -> Result<(Duration, Duration), Failure> {
    let start = Instant::now();
    let (id, commit) = put(store, LARGE, CHUNK).await?;
    let total = start.elapsed();
    store.delete(&id).await?;
    Ok((total, commit))
}

/// Stores `length` bytes in pieces of `chunk`; also gives the time of the commit alone.
async fn put(store: &LocalStore, length: usize, chunk: usize) -> Result<(ObjectId, Duration), Failure> {
    let (key, meta) = description()?;
    let mut writer = store.create(&key, &meta).await?;
    for _ in 0..length / chunk {
        writer.write(Bytes::from(vec![7; chunk])).await?;
    }
    let start = Instant::now();
    let id: Result<ObjectId, StoreError> = writer.commit().await;
    Ok((id?, start.elapsed()))
}

fn description() -> Result<(ObjectKey, ObjectMeta), Failure> {
    let key = ObjectKey::build(ContainerName::parse("local")?, None, &FileName::parse("rate")?);
    let meta = ObjectMeta {
        media_type: MediaType::octet_stream(),
        access: Access::Private,
        length: None,
        disposition: None,
        user_metadata: Vec::new(),
    };
    Ok((key, meta))
}
