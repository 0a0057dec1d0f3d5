//! Measures durable file commits per second: `commit_rate [SECONDS [TASKS [DIRECTORY]]]` (5 s, 32 tasks, a temporary directory).

use std::{
    collections::BTreeMap,
    error::Error,
    io::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

use stowage_catalogue::{AppId, Catalogue, CatalogueError, FileRow, MasterKey, StoreId};
use stowage_core::{
    app::AppSettings,
    handle::Handle,
    location::{Access, Location},
};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let tasks: u64 = arguments.next().map_or(Ok(32), |text| text.parse())?;
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(parent)?;

    let key = MasterKey::load_or_create(&directory.path().join("master.key"))?;
    let catalogue = Catalogue::open(&directory.path().join("catalogue.db"), key)?;
    let app = catalogue.create_app("bench", AppSettings::default()).await?;
    let store = catalogue.stores(app.id).await?[0].id;

    let before = catalogue.statistics();
    let started = Instant::now();
    let deadline = started + Duration::from_secs(seconds);
    let mut running = JoinSet::new();
    for _ in 0..tasks {
        running.spawn(commit_until(deadline, catalogue.clone(), app.id, store));
    }
    for outcome in running.join_all().await {
        outcome?;
    }
    let elapsed = started.elapsed().as_secs_f64();
    let after = catalogue.statistics();
    let commits = (after.commits - before.commits) as f64;
    let batches = (after.batches - before.batches) as f64;
    writeln!(
        std::io::stdout(),
        "{tasks} tasks: {:.0} durable commits/s, {:.1} commits per transaction",
        commits / elapsed,
        commits / batches
    )?;
    Ok(())
}

async fn commit_until(
    deadline: Instant,
    catalogue: Catalogue,
    app: AppId,
    store: StoreId,
) -> Result<(), CatalogueError> {
    while Instant::now() < deadline {
        catalogue.commit_file(new_file(app, store), None).await?;
    }
    Ok(())
}

fn new_file(app: AppId, store: StoreId) -> FileRow {
    let handle = Handle::random(|bytes| {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    });
    FileRow {
        handle,
        app,
        store,
        location: Location::S3,
        container: "local".to_owned(),
        region: None,
        key: format!("{handle}_photo.jpg"),
        object: format!("{handle}_photo.jpg"),
        filename: "photo.jpg".to_owned(),
        mimetype: "image/jpeg".to_owned(),
        size: 4096,
        etag: [0; 32],
        sha256: Some([0; 32]),
        digests: BTreeMap::new(),
        dimensions: None,
        uploaded: 0,
        modified: 0,
        version: 1,
        source_url: None,
        alt: None,
        access: Access::Private,
        tags: BTreeMap::new(),
    }
}
