//! `stowage store migrate`: which files are moved, and what is told about it.

mod content;
mod mover;

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use stowage_catalogue::{App, Catalogue, Claimant, StoreRow, StoreUsage};
use stowage_core::handle::Handle;
use stowage_server::{claims::recover_if_dead, config::Config, lock_moves, open_local_store};
use stowage_store::local::LocalStore;

use super::{find_store, no_store, provider_of, unusable};
use crate::{failure::Failure, installation::find_app, output};
use mover::{Mover, Outcome};

/// Files asked for at once.
const PAGE: usize = 256;

/// Files copied at the same time.
const PARALLEL: usize = 4;

/// Looks at the whole store: the later ones find what was stored or overwritten during the earlier.
const PASSES: usize = 3;

/// Handles named in the last line.
const NAMED: usize = 20;

/// Move the files of a store to another one, verified, also beside a running server
///
/// Each object is copied, its SHA-256 and size are compared with what was stored, and only then the file is switched to the copy; its handle, key
/// and URL stay. Files of earlier stores named FROM, which were replaced or removed, are moved too: so S3 S3 moves what is left in them.
/// An interrupted run is taken up where it stopped by running the command again.
#[derive(Debug, clap::Args)]
pub(super) struct MigrateArguments {
    /// Name or API key of the application
    app: String,
    /// Name of the store whose files are moved
    from: String,
    /// Name of the store that they are moved to
    to: String,
    /// Tell what would be moved, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave the objects in FROM, where nothing refers to them any more
    #[arg(long)]
    keep_source: bool,
}

pub(super) async fn run(config: &Config, catalogue: &Catalogue, arguments: MigrateArguments) -> Result<(), Failure> {
    let app = find_app(catalogue, &arguments.app).await?;
    let to = find_store(catalogue, &app, &arguments.to).await?;
    let sources = sources(catalogue, &app, &arguments.from, &to).await?;
    let mut total = StoreUsage::default();
    for source in &sources {
        let usage = catalogue.store_usage(source.id).await?;
        total = StoreUsage { files: total.files + usage.files, bytes: total.bytes + usage.bytes };
    }
    let StoreUsage { files, bytes } = total;
    let MigrateArguments { from, to: to_name, .. } = &arguments;
    if arguments.dry_run {
        return output::line(format_args!("would move {files} files with {bytes} bytes from `{from}` to `{to_name}`"));
    }

    let _lock = lock_moves(&config.data).await?;
    // What an interrupted run claimed, and what a server did that does not run any more.
    catalogue.recover_intents(Claimant::Mover).await?;
    recover_if_dead(&config.data, catalogue, Claimant::Server).await?;
    let local = open_local_store(config)?;
    let bar = progress(total);
    let mut report = Report::default();
    for source in sources {
        let mover = mover(catalogue, source, &to, &local, arguments.keep_source).await?;
        move_all(catalogue, &mover, &bar, &mut report).await?;
    }
    bar.finish_and_clear();
    for (handle, reason) in &report.failed {
        output::line(format_args!("not moved: {handle}: {reason}"))?;
    }
    let Report { files, bytes, failed } = report;
    output::line(format_args!("moved {files} files with {bytes} bytes from `{from}` to `{to_name}`"))?;
    if failed.is_empty() { Ok(()) } else { Err(incomplete(&failed)) }
}

/// Every store that has or had the name, except the one to move to.
async fn sources(catalogue: &Catalogue, app: &App, from: &str, to: &StoreRow) -> Result<Vec<StoreRow>, Failure> {
    let mut named = catalogue.stores_ever_named(app.id, from).await?;
    if named.is_empty() {
        return Err(no_store(app, from));
    }
    named.retain(|store| store.id != to.id);
    if named.is_empty() {
        return Err(Failure::Other(format!("`{from}` is the store to move to, and there was no other of this name")));
    }
    Ok(named)
}

async fn mover(
    catalogue: &Catalogue,
    from: StoreRow,
    to: &StoreRow,
    local: &LocalStore,
    keep_source: bool,
) -> Result<Mover, Failure> {
    let source = provider_of(&from)?.open(from.config.clone(), local).map_err(unusable)?;
    let target = provider_of(to)?.open(to.config.clone(), local).map_err(unusable)?;
    Mover::new(catalogue.clone(), (from, source), (to.clone(), target), keep_source).await
}

/// What was done.
#[derive(Default)]
struct Report {
    files: u64,
    bytes: u64,
    failed: Vec<(Handle, String)>,
}

async fn move_all(catalogue: &Catalogue, mover: &Mover, bar: &ProgressBar, report: &mut Report) -> Result<(), Failure> {
    for _ in 0..PASSES {
        let hopeless: HashSet<Handle> = report.failed.iter().map(|(handle, _)| *handle).collect();
        let mut moved = 0;
        let mut after = None;
        loop {
            let mut page = catalogue.files_of_store(mover.source(), after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.handle);
            page.retain(|file| !hopeless.contains(&file.handle));
            let mut outcomes = stream::iter(page)
                .map(async |file| (file.handle, mover.move_file(file, bar).await))
                .buffer_unordered(PARALLEL);
            while let Some((handle, outcome)) = outcomes.next().await {
                match outcome? {
                    Outcome::Moved { files, bytes } => {
                        moved += files;
                        report.bytes += bytes;
                        bar.set_message(format!("{} files", report.files + moved));
                    }
                    Outcome::Gone => {}
                    Outcome::Failed(reason) => report.failed.push((handle, reason)),
                }
            }
        }
        report.files += moved;
        if moved == 0 {
            break;
        }
    }
    Ok(())
}

fn incomplete(failed: &[(Handle, String)]) -> Failure {
    let mut handles: Vec<String> = failed.iter().take(NAMED).map(|(handle, _)| handle.to_string()).collect();
    if failed.len() > NAMED {
        handles.push("…".to_owned());
    }
    Failure::Other(format!("{} files could not be moved and stay where they are: {}", failed.len(), handles.join(", ")))
}

/// Draws on standard error, and only when that is a terminal.
fn progress(total: StoreUsage) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    ProgressBar::new(total.bytes)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message("0 files")
}
