//! A server, many uploads, and a plan of what goes wrong.

use std::{collections::BTreeSet, path::Path, time::Duration};

use futures_util::future::join_all;
use rusqlite::Connection;
use stowage_testkit::{FaultProxy, S3Server};
use tokio::time::sleep;

use super::{
    Random,
    upload::{Kind, Plan, Step, Upload},
    wire::Line,
};
use crate::{
    durability::objects_on_disk,
    hostile::{eventually, files_below},
    provider_faults,
    support::{App, Stowage, server},
};

const ROUNDS: usize = 60;

/// Rounds where parts are as large as a provider wants them.
const ROUNDS_AT_PROVIDER: usize = 20;

/// Most requests at the same time.
const CLIENTS: u64 = 4;

/// Uploads that are gone on with.
const OPEN: usize = 3;

/// Longest wait before a kill, microseconds.
const KILL_WITHIN: u64 = 25_000;

pub(super) struct World {
    random: Random,
    server: Stowage,
    app: App,
    uploads: Vec<Upload>,
    /// Where files and parts go, if not to the disk.
    bucket: Option<(S3Server, FaultProxy)>,
}

impl World {
    pub(super) async fn start(seed: u64) -> Self {
        let server = server();
        let app = server.app("chaos", &[]);
        Self { random: Random(seed), server, app, uploads: Vec::new(), bucket: None }
    }

    /// With a bucket that keeps parts itself.
    pub(super) async fn start_at_provider(seed: u64) -> Self {
        let line = provider_faults::Line::open().await;
        Self {
            random: Random(seed),
            uploads: Vec::new(),
            bucket: Some((line.s3, line.proxy)),
            server: line.server,
            app: line.app,
        }
    }

    pub(super) async fn run(mut self) {
        let rounds = if self.bucket.is_some() { ROUNDS_AT_PROVIDER } else { ROUNDS };
        for _ in 0..rounds {
            if self.uploads.len() < OPEN || self.random.below(5) == 0 {
                self.begin().await;
            }
            self.round().await;
        }
        // Settles what is in doubt.
        self.kill_and_restart();
        join_all(self.uploads.iter().map(|upload| upload.finish(&self.server))).await;
        let acknowledged: usize = self.uploads.iter().map(|upload| upload.acknowledged.get()).sum();
        assert!(acknowledged > rounds / 3, "only {acknowledged} writes were acknowledged: the load was no load");
        self.exactly_one_file_each().await;
        self.nothing_is_left().await;
    }

    async fn begin(&mut self) {
        const KIB: u64 = 1 << 10;
        let at_provider = self.bucket.is_some();
        let random = &mut self.random;
        let (kind, part, size) = match random.below(6) {
            0 if at_provider => (Kind::Tus, 8 << 20, (8 << 20) + random.below(1 << 20)),
            _ if at_provider => (Kind::Parts, 5 << 20, random.below(11 << 20)),
            0 => (Kind::Chunks, 8 << 20, random.below(1500 * KIB)),
            1 => (Kind::Chunks, 8 << 20, random.below(300 * KIB)),
            2 => (Kind::Parts, 100_000, random.below(400_000)),
            3 => (Kind::Parts, 1 << 20, random.below(3300 * KIB)),
            4 => (Kind::Mixed, 200 * KIB, 201 * KIB + random.below(600 * KIB)),
            _ => (Kind::Tus, 8 << 20, random.below(1000 * KIB)),
        };
        let filename = format!("chaos-{}.bin", self.uploads.len());
        let plan = Plan { kind, size: size as usize, part: part as usize, filename, at_provider, seed: random.next() };
        self.uploads.push(Upload::begin(self.server.address(), &self.app.key, plan).await);
    }

    /// Some requests at once, and sometimes the end of the server in the middle of them.
    async fn round(&mut self) {
        let open = self.uploads.len().saturating_sub(OPEN);
        let clients = 1 + self.random.below(CLIENTS);
        let mut steps = Vec::new();
        for _ in 0..clients {
            // Mostly the newest; now and then one that may be complete.
            let first = if self.random.below(5) == 0 { 0 } else { open };
            let index = first + self.random.below((self.uploads.len() - first) as u64) as usize;
            let kind = self.uploads[index].kind;
            let (step, line) = (Step::draw(kind, &mut self.random), Line::draw(&mut self.random));
            steps.push((index, step, line));
            // Two writers at once.
            if self.random.below(4) == 0 {
                steps.push((index, step, Line::draw(&mut self.random)));
            }
        }
        let killed = (self.random.below(8) == 0).then(|| Duration::from_micros(self.random.below(KILL_WITHIN)));
        let Self { server, uploads, .. } = self;
        let address = server.address().to_owned();
        let requests = steps.into_iter().map(|(index, step, line)| uploads[index].step(&address, step, line));
        let end = async {
            if let Some(moment) = killed {
                sleep(moment).await;
                server.kill();
            }
        };
        tokio::join!(join_all(requests), end);
        if killed.is_some() {
            self.kill_and_restart();
        }
    }

    fn kill_and_restart(&mut self) {
        self.server.kill();
        self.uploads.iter().for_each(Upload::die);
        self.server.kill_and_restart();
    }

    fn column(&self, query: &str) -> Vec<String> {
        let catalogue = catalogue(&self.server);
        let mut statement = catalogue.prepare(query).expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.map(|row| row.expect("a text")).collect()
    }

    async fn exactly_one_file_each(&self) {
        let mut files = 0;
        for upload in &self.uploads {
            let handles = self.column(&format!("SELECT handle FROM files WHERE filename = '{}'", upload.filename));
            assert!(upload.may_be(&handles), "{} became {handles:?}", upload.filename);
            files += handles.len();
            // Nobody was told of it, for it was cancelled at the same time; it is what was sent all the same.
            for handle in handles {
                upload.check(&self.server, &handle).await;
            }
        }
        assert_eq!(self.column("SELECT handle FROM files").len(), files, "there are files that nobody sent");
    }

    /// Once every upload has expired, the objects of the files are all that is there.
    async fn nothing_is_left(&mut self) {
        self.server.kill();
        catalogue(&self.server).execute("UPDATE uploads SET expires = 0", []).expect("an update");
        self.server.kill_and_restart();
        eventually("uploads are forgotten", async || {
            self.column("SELECT id FROM uploads UNION ALL SELECT upload FROM upload_parts").is_empty()
        })
        .await;
        let staging = self.server.data().join("uploads");
        eventually("staging files are removed", async || {
            std::fs::read_dir(&staging).expect("a directory").count() == 0
        })
        .await;
        if let Some((s3, _)) = &self.bucket {
            let files = self.column("SELECT object FROM files").len();
            eventually("objects without a row are removed", async || {
                files_below(&s3.root().join("bucket")).len() == files && parts_of(s3) == 0
            })
            .await;
            return;
        }
        let named = || self.column("SELECT object FROM files").into_iter().collect::<BTreeSet<_>>();
        eventually("objects without a row are swept", async || objects_on_disk(self.server.data()) == named()).await;
    }
}

pub(super) fn catalogue(server: &Stowage) -> Connection {
    let catalogue = Connection::open(server.data().join("catalogue.sqlite")).expect("the catalogue opens");
    catalogue.busy_timeout(Duration::from_secs(5)).expect("a timeout");
    catalogue
}

/// Parts that a provider keeps. An upload that was just begun there may stay: the server died before it had its name.
fn parts_of(s3: &S3Server) -> usize {
    let is_part = |name: &str| name.starts_with(".upload_id-");
    let files = files_below(s3.root());
    files.iter().filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_part)).count()
}

/// Staging files of a data directory.
pub(super) fn staged(data: &Path) -> usize {
    std::fs::read_dir(data.join("uploads")).expect("the directory is there").count()
}
