//! A hundred kills at random moments under load.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt, future::join_all, stream};
use reqwest::{Client, RequestBuilder, multipart};
use serde_json::Value;
use tokio::time::sleep;

use super::{Sha, one_whole_object_per_row, sha256};
use crate::support::{App, Stowage, client, server, signed};

const KILLS: usize = 100;

/// Clients at work at the same time; one more reads.
const WRITERS: usize = 6;

/// Restarts between two looks at every file; the files of the last round are looked at after each.
const THOROUGH: usize = 25;

#[tokio::test]
async fn a_hundred_kills_lose_nothing_and_show_nothing_unfinished() {
    let seed = std::env::var("STOWAGE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20);
    announce(seed);
    let mut random = Random(seed);
    let mut server = server();
    let app = server.app("shop", &[]);
    let world = World::new(&app);
    for round in 1..=KILLS {
        let clients = (0..WRITERS).map(|writer| world.write(writer, server.url().to_owned(), Random(random.next())));
        let clients = clients.collect::<Vec<_>>();
        let reader = world.read(server.url().to_owned(), Random(random.next()));
        let moment = Duration::from_micros(random.below(150_000));
        tokio::join!(join_all(clients), reader, async {
            sleep(moment).await;
            server.kill();
        });
        server.kill_and_restart();
        let all = round % THOROUGH == 0 || round == KILLS;
        world.check(&server, all).await;
    }
    let (acknowledged, live) = world.figures();
    assert!(acknowledged > 5 * KILLS, "only {acknowledged} requests were acknowledged: the load was no load");
    assert!(live > KILLS, "only {live} files are left to look at");
    one_whole_object_per_row(server.data()).await;
    world.check(&server, true).await;
}

#[expect(clippy::print_stderr, reason = "a failure must be repeatable")]
fn announce(seed: u64) {
    eprintln!("STOWAGE_TEST_SEED={seed}");
}

/// SplitMix64: the same numbers on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Mostly small, some large; no two alike.
    fn content(&mut self) -> Vec<u8> {
        let size = match self.below(20) {
            0 => self.below(4 << 20),
            1..=4 => self.below(200 << 10),
            _ => self.below(6 << 10),
        };
        let mut content = self.next().to_le_bytes().to_vec();
        while (content.len() as u64) < size {
            content.extend(self.next().to_le_bytes());
        }
        content
    }
}

/// What the clients know about a file: only its owner changes it, one request at a time.
#[derive(Debug)]
struct File {
    owner: usize,
    /// Contents that it may have: the last acknowledged one, and those that were sent after it without an answer.
    possible: BTreeSet<Sha>,
    /// Every content that was ever sent.
    ever: BTreeSet<Sha>,
    existence: Existence,
    /// Not looked at since it was last touched.
    touched: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Existence {
    Live,
    /// A delete was sent and not answered.
    Doubtful,
    Gone,
}

/// The clients' knowledge; they all run on the test's one thread.
struct World {
    http: Client,
    key: String,
    may: String,
    files: RefCell<BTreeMap<String, File>>,
    acknowledged: RefCell<usize>,
}

impl World {
    fn new(app: &App) -> Self {
        let may = signed(app, r#"{"expiry":4102444800,"call":["write","remove"]}"#);
        Self { http: client(), key: app.key.clone(), may, files: RefCell::default(), acknowledged: RefCell::default() }
    }

    fn figures(&self) -> (usize, usize) {
        let live = self.files.borrow().values().filter(|file| file.existence == Existence::Live).count();
        (*self.acknowledged.borrow(), live)
    }

    /// Stores, overwrites and deletes until the server is gone.
    async fn write(&self, owner: usize, url: String, mut random: Random) {
        loop {
            let own: Vec<String> = self.names(|file| file.owner == owner && file.existence == Existence::Live);
            let chosen = (!own.is_empty()).then(|| own[random.below(own.len() as u64) as usize].clone());
            let answered = match (random.below(10), chosen) {
                (0..=1, Some(handle)) => self.overwrite(&url, &handle, &mut random).await,
                (2..=3, Some(handle)) => self.delete(&url, &handle).await,
                _ => self.store(owner, &url, &mut random).await,
            };
            if answered.is_none() {
                return;
            }
            *self.acknowledged.borrow_mut() += 1;
        }
    }

    async fn store(&self, owner: usize, url: &str, random: &mut Random) -> Option<()> {
        let content = random.content();
        let sha = sha256(&content);
        let request = self.http.post(format!("{url}/api/store/S3?key={}", self.key));
        let stored = acknowledged(with_body(request, content, random)).await?;
        let stored: Value = serde_json::from_str(&stored).expect("JSON");
        let handle = stored["handle"].as_str().expect("a handle").to_owned();
        let contents = BTreeSet::from([sha]);
        let file =
            File { owner, possible: contents.clone(), ever: contents, existence: Existence::Live, touched: true };
        assert!(self.files.borrow_mut().insert(handle, file).is_none(), "a handle was given twice");
        Some(())
    }

    async fn overwrite(&self, url: &str, handle: &str, random: &mut Random) -> Option<()> {
        let content = random.content();
        let sha = sha256(&content);
        self.change(handle, |file| {
            file.possible.insert(sha);
            file.ever.insert(sha);
        });
        let request = self.http.post(format!("{url}/api/file/{handle}?{}", self.may));
        acknowledged(with_body(request, content, random)).await?;
        self.change(handle, |file| file.possible = BTreeSet::from([sha]));
        Some(())
    }

    async fn delete(&self, url: &str, handle: &str) -> Option<()> {
        self.change(handle, |file| file.existence = Existence::Doubtful);
        acknowledged(self.http.delete(format!("{url}/api/file/{handle}?{}", self.may))).await?;
        self.change(handle, |file| file.existence = Existence::Gone);
        Some(())
    }

    fn change(&self, handle: &str, change: impl FnOnce(&mut File)) {
        let mut files = self.files.borrow_mut();
        let file = files.get_mut(handle).expect("a known file");
        change(file);
        file.touched = true;
    }

    fn names(&self, wanted: impl Fn(&File) -> bool) -> Vec<String> {
        self.files.borrow().iter().filter(|(_, file)| wanted(file)).map(|(handle, _)| handle.clone()).collect()
    }

    /// Reads while others write: a file is always one of its contents, whole, and never two of them mixed.
    async fn read(&self, url: String, mut random: Random) {
        loop {
            let known = self.names(|file| file.existence == Existence::Live);
            if known.is_empty() {
                if self.http.get(format!("{url}/healthz")).send().await.is_err() {
                    return;
                }
                continue;
            }
            let handle = &known[random.below(known.len() as u64) as usize];
            let Some(content) = content_of(&self.http, &url, handle).await else { return };
            let files = self.files.borrow();
            let file = &files[handle];
            match content {
                Some(content) => {
                    assert!(file.ever.contains(&sha256(&content)), "{handle} has a content that nobody sent")
                }
                None => assert_ne!(file.existence, Existence::Live, "{handle} was there and is gone"),
            }
        }
    }

    /// Looks at the files after a restart; what was in doubt is settled by what is there.
    async fn check(&self, server: &Stowage, all: bool) {
        let handles = self.names(|file| all || file.touched);
        stream::iter(handles).for_each_concurrent(8, |handle| self.check_file(server.url(), handle)).await;
    }

    async fn check_file(&self, url: &str, handle: String) {
        let content = content_of(&self.http, url, &handle).await.expect("the server answers");
        let metadata = format!("{url}/{handle}/metadata?size=true&sha256=true");
        let metadata = self.http.get(metadata).send().await.expect("the server answers");
        assert_eq!(metadata.status() == 404, content.is_none(), "{handle}: metadata and content disagree");
        let metadata: Value = metadata.json().await.expect("JSON");
        let found = content.map(|content| (content.len(), sha256(&content)));
        if let Some((size, sha)) = found {
            assert_eq!((&metadata["size"], &metadata["sha256"]), (&size.into(), &hex::encode(sha).into()), "{handle}");
        }
        self.settle(&handle, found.map(|(_, sha)| sha));
    }

    fn settle(&self, handle: &str, found: Option<Sha>) {
        let mut files = self.files.borrow_mut();
        let file = files.get_mut(handle).expect("a known file");
        file.touched = false;
        match found {
            None => {
                assert_ne!(file.existence, Existence::Live, "{handle} was acknowledged and is lost");
                file.existence = Existence::Gone;
            }
            Some(sha) => {
                assert_ne!(file.existence, Existence::Gone, "{handle} was deleted and is back");
                assert!(file.possible.contains(&sha), "{handle} is not what was acknowledged: {file:?}");
                file.existence = Existence::Live;
                file.possible = BTreeSet::from([sha]);
            }
        }
    }
}

/// As raw bytes, in chunks of unknown total, or as a form.
fn with_body(request: RequestBuilder, content: Vec<u8>, random: &mut Random) -> RequestBuilder {
    match random.below(4) {
        0 => request
            .multipart(multipart::Form::new().part("fileUpload", multipart::Part::bytes(content).file_name("a.bin"))),
        1 => {
            let chunks: Vec<std::io::Result<Vec<u8>>> =
                content.chunks(10_000).map(|chunk| Ok(chunk.to_vec())).collect();
            request.body(reqwest::Body::wrap_stream(stream::iter(chunks)))
        }
        _ => request.body(content),
    }
}

/// The whole text of a 200; nothing when the server died before it was complete.
async fn acknowledged(request: RequestBuilder) -> Option<String> {
    let response = request.send().await.ok()?;
    let status = response.status();
    let text = response.text().await.ok()?;
    assert_eq!(status, 200, "{text}");
    Some(text)
}

/// The content, or that there is none; nothing when the server died before it was complete.
async fn content_of(http: &Client, url: &str, handle: &str) -> Option<Option<Vec<u8>>> {
    let response = http.get(format!("{url}/{handle}")).send().await.ok()?;
    let status = response.status().as_u16();
    assert!(matches!(status, 200 | 404), "{handle}: {status}");
    let content = response.bytes().await.ok()?;
    Some((status == 200).then(|| content.to_vec()))
}
