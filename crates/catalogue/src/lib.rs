//! The catalogue: apps, stores and files in SQLite, one writer thread with group commit (`synchronous=FULL`).
//!
//! Invariant: a row that was acknowledged survives any crash; nothing here touches stored bytes or HTTP.

mod apps;
mod connection;
mod error;
mod files;
mod garbage;
mod master_key;
mod moves;
mod random;
mod readers;
mod schema;
mod sealed;
mod stores;
mod types;
mod uploads;
mod writer;

use std::{
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rusqlite::Connection;
use stowage_core::{
    app::AppSettings,
    handle::{ApiKey, AppSecret, Handle},
};

pub use error::CatalogueError;
pub use master_key::MasterKey;
pub use types::{
    App, AppId, Claimant, Derived, FileMove, FileRow, Garbage, MoveOutcome, NewContent, NewStore, OldObject,
    Statistics, StoreId, StoreRow, StoreUsage, UploadChange, UploadRow,
};

use error::Result;
use readers::Readers;
use sealed::Sealer;
use writer::Writer;

/// The catalogue; cheap to clone. All methods may be called from any tokio task.
#[derive(Clone)]
pub struct Catalogue {
    writer: Arc<Writer>,
    readers: Arc<Readers>,
    sealer: Arc<Sealer>,
}

impl Catalogue {
    /// Opens or creates the database file (mode 0600), runs migrations (forward only, safe beside another process), starts the writer thread and the readers.
    ///
    /// Errors: `WrongMasterKey`; `Internal` if a newer program wrote the file. The writer thread ends, its queue done, after the last clone is dropped.
    pub fn open(file: &Path, master_key: MasterKey) -> Result<Self, CatalogueError> {
        let sealer = Sealer::new(&master_key)?;
        let connection = connection::open_writer(file)?;
        schema::prepare(&connection, &sealer)?;
        Ok(Self {
            writer: Arc::new(Writer::start(connection)?),
            readers: Arc::new(Readers::open(file)?),
            sealer: Arc::new(sealer),
        })
    }
    /// Adds one to the start counter and returns it (first start: 1).
    pub async fn next_generation(&self) -> Result<u64, CatalogueError> {
        self.writer.submit(schema::next_generation).await
    }
    /// A cheap write-free liveness check.
    pub async fn check(&self) -> Result<(), CatalogueError> {
        self.writer.check()?;
        self.read(|connection, _| schema::check(connection)).await
    }

    /// How many changes were committed, in how many batches, since this catalogue was opened.
    pub fn statistics(&self) -> Statistics {
        self.writer.statistics()
    }

    /// Creates an app with a drawn key and secret, plus its built-in local stores for `S3` and `local`.
    ///
    /// The name is trimmed. Errors: `InvalidName`, `NameTaken`.
    pub async fn create_app(&self, name: &str, settings: AppSettings) -> Result<App, CatalogueError> {
        let sealer = Arc::clone(&self.sealer);
        let name = name.to_owned();
        let created = now_ms();
        self.writer.submit(move |connection| apps::create(connection, &sealer, &name, settings, created)).await
    }
    /// All apps by name.
    pub async fn apps(&self) -> Result<Vec<App>, CatalogueError> {
        self.read(apps::all).await
    }
    /// By public key.
    pub async fn app_by_key(&self, key: &ApiKey) -> Result<Option<App>, CatalogueError> {
        self.look_up(|connection| apps::by_key(connection, &self.sealer, key))
    }
    /// By id.
    pub async fn app(&self, id: AppId) -> Result<Option<App>, CatalogueError> {
        self.look_up(|connection| apps::by_id(connection, &self.sealer, id))
    }
    /// By name or API key (CLI).
    pub async fn find_app(&self, name_or_key: &str) -> Result<Option<App>, CatalogueError> {
        let text = name_or_key.to_owned();
        self.read(move |connection, sealer| apps::by_name_or_key(connection, sealer, &text)).await
    }
    /// Replaces the settings; `NotFound` for an unknown app.
    pub async fn set_app(&self, id: AppId, settings: AppSettings) -> Result<(), CatalogueError> {
        self.writer.submit(move |connection| apps::set(connection, id, &settings)).await
    }
    /// Draws a new secret; the old one is void at once. `NotFound` for an unknown app.
    pub async fn rotate_secret(&self, id: AppId) -> Result<AppSecret, CatalogueError> {
        let sealer = Arc::clone(&self.sealer);
        self.writer.submit(move |connection| apps::rotate_secret(connection, &sealer, id)).await
    }
    /// Removes an app. With files left: `NotEmpty` unless `force`, which deletes their rows and hands the objects to garbage. `NotFound` for an unknown app.
    pub async fn delete_app(&self, id: AppId, force: bool) -> Result<(), CatalogueError> {
        self.writer.submit(move |connection| apps::delete(connection, id, force)).await
    }

    /// Adds a store, or replaces the one of the same name. A replaced store that files still use keeps serving them (the old row stays, no
    /// longer current); an equal one is kept and its id returned. If the new store has a location, it serves it from now on, and the one that
    /// did goes on under its name alone. Errors: `InvalidName`, `NotFound` for an unknown app.
    pub async fn put_store(&self, app: AppId, store: NewStore) -> Result<StoreId, CatalogueError> {
        let sealer = Arc::clone(&self.sealer);
        self.writer.submit(move |connection| stores::put(connection, &sealer, app, &store)).await
    }
    /// Gives a store other settings in place: files that it holds are reached with them too (changed credentials, an added container).
    /// `NotFound` for an unknown store.
    pub async fn reconfigure_store(&self, id: StoreId, config: serde_json::Value) -> Result<(), CatalogueError> {
        let sealer = Arc::clone(&self.sealer);
        self.writer.submit(move |connection| stores::reconfigure(connection, &sealer, id, &config)).await
    }
    /// Current stores of an app.
    pub async fn stores(&self, app: AppId) -> Result<Vec<StoreRow>, CatalogueError> {
        self.read(move |connection, sealer| stores::current(connection, sealer, app)).await
    }
    /// One store, current or not.
    pub async fn store(&self, id: StoreId) -> Result<Option<StoreRow>, CatalogueError> {
        self.read(move |connection, sealer| stores::by_id(connection, sealer, id)).await
    }
    /// All stores of an app that have or had this name, the oldest first: a replaced or removed store keeps its files.
    pub async fn stores_ever_named(&self, app: AppId, name: &str) -> Result<Vec<StoreRow>, CatalogueError> {
        let name = name.to_owned();
        self.read(move |connection, sealer| stores::ever_named(connection, sealer, app, &name)).await
    }
    /// Takes a store out of use for new files; those it holds stay readable. False if the app has none of this name.
    pub async fn remove_store(&self, app: AppId, name: &str) -> Result<bool, CatalogueError> {
        let name = name.to_owned();
        self.writer.submit(move |connection| stores::remove(connection, app, &name)).await
    }

    /// Commits a new file: durable when it returns. If other live rows have the same (store, container, key), they are pointed at the new content too
    /// (an exact key overwrites, spec 01 §3) and their old object becomes garbage when it differs. `intent` is removed in the same transaction.
    /// `NotFound` if the app is gone or does not own the store.
    pub async fn commit_file(&self, file: FileRow, intent: Option<i64>) -> Result<(), CatalogueError> {
        self.writer.submit(move |connection| files::commit(connection, &file, intent)).await
    }
    /// A live file.
    pub async fn file(&self, handle: &Handle) -> Result<Option<FileRow>, CatalogueError> {
        self.look_up(|connection| files::by_handle(connection, handle))
    }
    /// Points a file (and every live row of the same object key) at new content, version + 1; the old object becomes garbage when it differs.
    /// `seen` is the row that said where to write the content: a file that was moved to another store meanwhile comes back from there.
    /// Returns the new row. `NotFound` if it was deleted meanwhile.
    pub async fn replace_content(
        &self,
        seen: &FileRow,
        content: NewContent,
        intent: Option<i64>,
    ) -> Result<FileRow, CatalogueError> {
        let seen = seen.clone();
        self.writer.submit(move |connection| files::replace_content(connection, &seen, &content, intent)).await
    }
    /// Forgets a handle; its object becomes garbage unless `keep_object` or another live row uses it. False if unknown.
    pub async fn delete_file(&self, handle: &Handle, keep_object: bool) -> Result<bool, CatalogueError> {
        let handle = *handle;
        self.writer.submit(move |connection| files::delete(connection, &handle, keep_object)).await
    }
    /// Remembers derived facts if the row still has `version`: adds digests, replaces the others unless `None`.
    pub async fn remember(&self, handle: &Handle, version: i64, derived: Derived) -> Result<(), CatalogueError> {
        let handle = *handle;
        self.writer.submit(move |connection| files::remember(connection, &handle, version, &derived)).await
    }
    /// At most `limit` files of a store in the order of their handles, from the one after `after` on.
    pub async fn files_of_store(
        &self,
        store: StoreId,
        after: Option<Handle>,
        limit: usize,
    ) -> Result<Vec<FileRow>, CatalogueError> {
        self.read(move |connection, _| moves::page(connection, store, after.as_ref(), limit)).await
    }
    /// How much a store holds.
    pub async fn store_usage(&self, store: StoreId) -> Result<StoreUsage, CatalogueError> {
        self.read(move |connection, _| moves::usage(connection, store)).await
    }
    /// Whether [`move_file`](Self::move_file) would succeed now; changes nothing.
    pub async fn check_move(&self, wanted: &FileMove) -> Result<MoveOutcome, CatalogueError> {
        let wanted = wanted.clone();
        self.read(move |connection, _| moves::check(connection, &wanted)).await
    }
    /// Switches a file, and all live files of its key, to its durable copy `object`, redeeming the intent, in one transaction; content and
    /// version stay. Unless the outcome is `Done` nothing is changed, and the copy belongs to nobody.
    pub async fn move_file(&self, wanted: FileMove, object: &str) -> Result<MoveOutcome, CatalogueError> {
        let object = object.to_owned();
        self.writer.submit(move |connection| moves::switch(connection, &wanted, &object)).await
    }

    /// Notes an upload that begins; its parts are ignored. `NotFound` if the app is gone or does not own the store.
    pub async fn create_upload(&self, upload: UploadRow) -> Result<(), CatalogueError> {
        self.writer.submit(move |connection| uploads::create(connection, &upload)).await
    }
    /// An upload with its parts, ended or not.
    pub async fn upload(&self, id: &str) -> Result<Option<UploadRow>, CatalogueError> {
        let id = id.to_owned();
        self.read(move |connection, _| uploads::by_id(connection, &id)).await
    }
    /// Notes what has arrived; durable when it returns. `NotFound` if the upload is gone or has ended.
    pub async fn change_upload(&self, id: &str, change: UploadChange) -> Result<(), CatalogueError> {
        let id = id.to_owned();
        self.writer.submit(move |connection| uploads::change(connection, &id, &change)).await
    }
    /// Commits the file of an upload as [`commit_file`](Self::commit_file) does, and ends the upload with it in one transaction; its id is
    /// remembered until `expires` (unix ms). `NotFound` if the upload is gone or has ended, or the app is gone.
    pub async fn complete_upload(
        &self,
        id: &str,
        file: FileRow,
        intent: Option<i64>,
        expires: i64,
    ) -> Result<(), CatalogueError> {
        let id = id.to_owned();
        self.writer.submit(move |connection| uploads::complete(connection, &id, &file, intent, expires)).await
    }
    /// Forgets an upload, ended or not. Its bytes are the caller's to remove.
    pub async fn delete_upload(&self, id: &str) -> Result<(), CatalogueError> {
        let id = id.to_owned();
        self.writer.submit(move |connection| uploads::delete(connection, &id)).await
    }
    /// At most `limit` uploads, ended or not, that expired by `now_ms`, without their parts.
    pub async fn expired_uploads(&self, now_ms: i64, limit: usize) -> Result<Vec<UploadRow>, CatalogueError> {
        self.read(move |connection, _| uploads::expired(connection, now_ms, limit)).await
    }
    /// For each id: is there an upload of it that has not ended? Same order as asked.
    pub async fn uploads_open(&self, ids: Vec<String>) -> Result<Vec<bool>, CatalogueError> {
        self.read(move |connection, _| uploads::open(connection, &ids)).await
    }
    /// How many uploads of an app have not ended.
    pub async fn count_open_uploads(&self, app: AppId) -> Result<u64, CatalogueError> {
        self.read(move |connection, _| uploads::count_open(connection, app)).await
    }

    /// For each object name of built-in local stores: does any live row or garbage row use it? Same order as asked. Blocking variant for the sweep thread.
    pub fn objects_known(&self, objects: &[String]) -> Result<Vec<bool>, CatalogueError> {
        self.readers.with(|connection| garbage::local_objects_known(connection, objects))
    }

    /// Notes, durably, that an object is about to be written to a remote store, so that a crash leaves a trace. Returns the intent's id; `NotFound` for an unknown store.
    /// `region`: as in [`FileRow::region`]. The intent is also the server's claim to the object: `Claimed` while a command moves a file to it.
    pub async fn add_intent(&self, store: StoreId, object: &str, region: Option<&str>) -> Result<i64, CatalogueError> {
        let (object, region) = (object.to_owned(), region.map(str::to_owned));
        self.writer
            .submit(move |connection| {
                garbage::add_intent(connection, Claimant::Server, store, &object, region.as_deref())
            })
            .await
    }
    /// As [`add_intent`](Self::add_intent), for a command that moves files: `Claimed` while anybody else writes or removes the object.
    pub async fn add_move_intent(&self, store: StoreId, object: &str) -> Result<i64, CatalogueError> {
        let object = object.to_owned();
        self.writer
            .submit(move |connection| garbage::add_intent(connection, Claimant::Mover, store, &object, None))
            .await
    }
    /// Drops an intent whose write was abandoned and cleaned up.
    pub async fn drop_intent(&self, id: i64) -> Result<(), CatalogueError> {
        self.writer.submit(move |connection| garbage::drop_intent(connection, id)).await
    }
    /// Drops an intent whose object was or may have been written in vain: the object becomes garbage, due at `due` (unix ms), unless a live file uses it.
    pub async fn give_up_intent(&self, id: i64, due: i64) -> Result<(), CatalogueError> {
        self.writer.submit(move |connection| garbage::give_up_intent(connection, id, due)).await
    }
    /// Turns the intents of a claimant who does not live any more whose object no live row uses into garbage, and drops the rest.
    /// Returns how many became garbage.
    pub async fn recover_intents(&self, claimant: Claimant) -> Result<u64, CatalogueError> {
        self.writer.submit(move |connection| garbage::recover_intents(connection, claimant)).await
    }
    /// Oldest garbage that is due, at most `limit`: never an object that a live file uses or an open intent names.
    pub async fn due_garbage(&self, now_ms: i64, limit: usize) -> Result<Vec<Garbage>, CatalogueError> {
        self.read(move |connection, _| garbage::due(connection, now_ms, limit)).await
    }
    /// Claims the object of a garbage row for the server to remove it; drop the intent if that fails. `None`: somebody writes the object
    /// again, or has done so since the row was listed.
    pub async fn claim_garbage(&self, id: i64) -> Result<Option<i64>, CatalogueError> {
        self.writer.submit(move |connection| garbage::claim(connection, id)).await
    }
    /// The object is gone, and so is the claim to it.
    pub async fn finish_claimed_garbage(&self, id: i64, intent: i64) -> Result<(), CatalogueError> {
        self.writer.submit(move |connection| garbage::finish_claimed(connection, id, intent)).await
    }
    /// The object is gone.
    pub async fn finish_garbage(&self, ids: Vec<i64>) -> Result<(), CatalogueError> {
        self.writer.submit(move |connection| garbage::finish(connection, &ids)).await
    }
    /// Removal failed; try again at `retry_at` (unix ms).
    pub async fn delay_garbage(&self, id: i64, retry_at: i64) -> Result<(), CatalogueError> {
        self.writer.submit(move |connection| garbage::delay(connection, id, retry_at)).await
    }

    /// Reads off the async threads.
    async fn read<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection, &Sealer) -> Result<T> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        let sealer = Arc::clone(&self.sealer);
        tokio::task::spawn_blocking(move || readers.with(|connection| work(connection, &sealer)))
            .await
            .map_err(CatalogueError::internal)?
    }

    /// Reads one row by an index on the calling thread: measured 2.5 to 5 times the rate of `spawn_blocking`.
    fn look_up<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.readers.with(work)
    }
}

fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.map_or(0, |elapsed| elapsed.as_millis() as i64)
}
