//! Every network driver behind its guard, with a proxy on the way that breaks the conversation: whatever happens, an
//! object that is acknowledged is right, an error has its kind, and a hanging provider costs one time limit.

mod parts;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use stowage_store::{
    BlobStore, ObjectId, ObjectKey, StoreError,
    guard::{GuardLimits, Guarded},
};
use stowage_testkit::{Fault, FaultProxy, Way};
use tokio::task::{Id, JoinSet};

use crate::common::{Backend, Fixture, Gap, meta, pattern, put_as, read, write};
use parts::part;

const SMALL: usize = 10_000;
/// Two parts.
const LARGE: usize = (8 << 20) + (64 << 10);
/// Bytes of a request or an answer that lie inside the bytes of the object.
const IN_SMALL: u64 = 5_000;
const IN_LARGE: u64 = 4 << 20;

/// Longer than all repetitions together.
const PATIENT: Duration = Duration::from_secs(40);
const SHORT: Duration = Duration::from_secs(3);
/// What a busy machine may take beside the time limit; the drivers' own limits are far longer.
const SLACK: Duration = Duration::from_secs(6);

/// An object's length, and where faults strike in it.
#[derive(Clone, Copy, Debug)]
struct Size {
    bytes: usize,
    inside: u64,
}

const SIZES: [Size; 2] = [Size { bytes: SMALL, inside: IN_SMALL }, Size { bytes: LARGE, inside: IN_LARGE }];

/// What must come of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Unavailable,
    Throttled,
    Corrupt,
    /// Repetitions that go on where they were cut off may succeed.
    DoneOrUnavailable,
}

impl Outcome {
    fn of<T>(result: &Result<T, StoreError>) -> Option<Self> {
        match result {
            Ok(_) => Some(Self::Done),
            Err(StoreError::Unavailable(_)) => Some(Self::Unavailable),
            Err(StoreError::Throttled(_)) => Some(Self::Throttled),
            Err(StoreError::Corrupt(_)) => Some(Self::Corrupt),
            Err(_) => None,
        }
    }

    #[track_caller]
    fn check<T: std::fmt::Debug>(self, result: &Result<T, StoreError>) {
        let found = Outcome::of(result);
        let good = match self {
            Self::DoneOrUnavailable => matches!(found, Some(Self::Done | Self::Unavailable)),
            expected => found == Some(expected),
        };
        assert!(good, "{self:?} was expected, not {:?}", result.as_ref().map(|_| "success"));
    }
}

/// A driver behind a proxy, and the same place without it.
struct Line {
    fixture: Fixture,
    proxy: FaultProxy,
    /// Through the proxy, without the guard.
    driver: Arc<dyn BlobStore>,
    store: Guarded,
    limit: Duration,
}

impl Line {
    /// A line that works, with tokens got.
    async fn open(fixture: Fixture, limit: Duration) -> Self {
        let remote = fixture.remote.as_ref().expect("a driver with a network");
        let proxy = FaultProxy::start(&remote.endpoint).await;
        let limits = GuardLimits { answer: limit, write: limit, failures: u32::MAX, pause: Duration::ZERO };
        let driver = (remote.connect)(&proxy.url());
        let store = Guarded::new(driver.clone(), limits);
        let stat = store.stat(&fixture.missing).await;
        assert!(matches!(stat, Err(StoreError::NotFound)), "{stat:?}");
        Self { fixture, proxy, driver, store, limit }
    }

    /// Stores as the server does: what fails is given up.
    async fn put(&self, key: &ObjectKey, bytes: &Bytes) -> Result<ObjectId, StoreError> {
        let mut writer = self.store.create(key, &meta(Some(bytes.len() as u64))).await?;
        if let Err(error) = write(&mut *writer, bytes).await {
            writer.abort().await;
            return Err(error);
        }
        writer.commit().await
    }

    /// One question, which takes the time limit at most.
    async fn timed<T>(&self, question: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let answer = question.await;
        assert!(begun.elapsed() < self.limit + SLACK, "it took {:?}", begun.elapsed());
        answer
    }
}

/// `fault` for so many requests while an object is stored.
async fn upload(line: Line, size: Size, times: u64, fault: Fault, outcome: Outcome) {
    let bytes = pattern(size.bytes);
    let key = line.fixture.key("object.bin");
    let id = line.store.planned_id(&key).expect("remote drivers know it");
    line.proxy.fail_times(times, fault);
    let stored = line.timed(line.put(&key, &bytes)).await;
    assert!(line.proxy.struck() > 0, "the fault has not happened");
    match &stored {
        Err(StoreError::Other(text))
            if text.contains("contentMD5 doesn't match") && line.fixture.lacks(Gap::ChecksumCode) => {}
        stored => outcome.check(stored),
    }
    line.proxy.heal();

    let direct = &*line.fixture.store;
    let visible = read(direct, &id, 0..size.bytes as u64).await;
    if stored.is_ok() {
        assert!(visible.expect("what was acknowledged is there") == bytes, "what was acknowledged is right");
        return;
    }
    // The provider may have the object although its answer was lost; then it is the right one.
    match &visible {
        Ok(found) => {
            assert!(matches!(fault, Fault::Cut(Way::Answer, _) | Fault::Stall(Way::Answer, _)) && *found == bytes)
        }
        Err(error) => assert!(matches!(error, StoreError::NotFound), "{error:?}"),
    }
    // The server's collector removes what an intent names.
    line.driver.delete(&id).await.expect("the provider works again");
    let stat = direct.stat(&id).await;
    assert!(matches!(stat, Err(StoreError::NotFound)), "{stat:?}");
    let listed: Vec<_> = line.fixture.list("").await;
    assert!(listed.is_empty(), "{listed:?}");

    put_as(&*line.driver, &key, &meta(None), &bytes).await.expect("the same upload succeeds later");
    let back = read(direct, &id, 0..size.bytes as u64).await;
    assert!(back.expect("readable") == bytes);
}

/// `fault` for so many requests while an object is read.
async fn download(line: Line, size: Size, times: u64, fault: Fault, outcome: Outcome) {
    let bytes = pattern(size.bytes);
    let id = line.fixture.put_at("object.bin", &bytes).await;
    line.proxy.fail_times(times, fault);
    let back = line.timed(read(&line.store, &id, 0..size.bytes as u64)).await;
    assert!(line.proxy.struck() > 0, "the fault has not happened");
    outcome.check(&back);
    if let Ok(back) = back {
        assert!(back == bytes, "what is complete is right");
    }
}

/// `fault` for so many requests while it is asked for an object.
async fn question(line: Line, times: u64, fault: Fault, outcome: Outcome) {
    let id = line.fixture.put_at("object.bin", &pattern(SMALL)).await;
    line.proxy.fail_times(times, fault);
    let stat = line.timed(line.store.stat(&id)).await;
    assert!(line.proxy.struck() > 0, "the fault has not happened");
    outcome.check(&stat);
    assert!(stat.is_err() || stat.is_ok_and(|stat| stat.size == SMALL as u64));
}

/// `fault` for so many requests while an object is removed.
async fn removal(line: Line, times: u64, fault: Fault, outcome: Outcome) {
    let id = line.fixture.put_at("object.bin", &pattern(SMALL)).await;
    line.proxy.fail_times(times, fault);
    let deleted = line.timed(line.store.delete(&id)).await;
    assert!(line.proxy.struck() > 0, "the fault has not happened");
    outcome.check(&deleted);
    line.proxy.heal();
    if deleted.is_ok() {
        let gone = line.fixture.store.stat(&id).await;
        assert!(matches!(gone, Err(StoreError::NotFound)), "{gone:?}");
    }
    line.driver.delete(&id).await.expect("the removal succeeds later");
    line.fixture.becomes_empty().await;
}

/// The bytes of an object have no checksum that comes with a range of them, so that a bit that is changed on the way
/// back is noticed by no driver: it is TLS that guards them. What is right is the length.
async fn a_bit_that_changes_on_the_way_back(line: Line) {
    let bytes = pattern(SMALL);
    let id = line.fixture.put_at("object.bin", &bytes).await;
    line.proxy.fail(Fault::Flip(Way::Answer, IN_SMALL));
    let back = read(&line.store, &id, 0..SMALL as u64).await.expect("nothing tells of it");
    assert!(line.proxy.struck() > 0, "the fault has not happened");
    let different = back.iter().zip(&bytes).filter(|(one, other)| one != other).count();
    assert_eq!((back.len(), different), (SMALL, 1));
}

/// All faults at once, each on a line of its own.
async fn every_fault<Kind: Backend>() {
    use Outcome::{Corrupt, Done, DoneOrUnavailable, Throttled, Unavailable};
    const ALWAYS: u64 = u64::MAX;
    let Some(backend) = Kind::start().await else { return };
    let cases = &mut Cases::default();
    macro_rules! case {
        ($limit:expr, $behaviour:ident $(, $argument:expr)*) => {{
            let fixture = backend.fixture().await;
            let name = format!(concat!(stringify!($behaviour), " {:?}"), ($($argument,)*));
            cases.start(name, async move { $behaviour(Line::open(fixture, $limit).await $(, $argument)*).await });
        }};
    }
    let multipart = !backend.fixture().await.lacks(Gap::Multipart);
    let sizes = || SIZES.into_iter().filter(|size| multipart || size.bytes == SMALL);

    // First and by themselves, as nothing else should take their short time.
    for size in sizes() {
        case!(SHORT, upload, size, ALWAYS, Fault::Stall(Way::Request, size.inside), Unavailable);
        case!(SHORT, upload, size, ALWAYS, Fault::Stall(Way::Answer, 0), Unavailable);
        case!(SHORT, download, size, ALWAYS, Fault::Stall(Way::Answer, size.inside), Unavailable);
    }
    case!(SHORT, question, ALWAYS, Fault::Stall(Way::Answer, 0), Unavailable);
    case!(SHORT, removal, ALWAYS, Fault::Stall(Way::Answer, 0), Unavailable);
    if multipart {
        case!(SHORT, part, SIZES[1], Fault::Stall(Way::Request, IN_LARGE), Unavailable);
        case!(SHORT, part, SIZES[1], Fault::Stall(Way::Answer, 0), Unavailable);
    }
    cases.finish().await;

    for size in sizes() {
        let at = size.inside;
        case!(PATIENT, upload, size, ALWAYS, Fault::Cut(Way::Request, at), Unavailable);
        case!(PATIENT, upload, size, 1, Fault::Cut(Way::Request, at), Done);
        case!(PATIENT, upload, size, 2, Fault::Reset(Way::Request, at), Done);
        case!(PATIENT, upload, size, ALWAYS, Fault::Flip(Way::Request, at), Corrupt);
        case!(PATIENT, upload, size, ALWAYS, Fault::Cut(Way::Answer, 0), Unavailable);
        case!(PATIENT, upload, size, 1, Fault::Reset(Way::Answer, 0), Done);
        case!(PATIENT, upload, size, 2, Fault::Status(503), Done);
        case!(PATIENT, upload, size, ALWAYS, Fault::Slow(Duration::from_millis(1)), Done);

        case!(PATIENT, download, size, ALWAYS, Fault::Cut(Way::Answer, at), DoneOrUnavailable);
        case!(PATIENT, download, size, 1, Fault::Reset(Way::Answer, at), DoneOrUnavailable);
        case!(PATIENT, download, size, 2, Fault::Status(503), Done);
        case!(PATIENT, download, size, ALWAYS, Fault::Slow(Duration::from_millis(1)), Done);
    }
    case!(PATIENT, upload, SIZES[0], ALWAYS, Fault::Status(503), Unavailable);
    case!(PATIENT, upload, SIZES[0], ALWAYS, Fault::Status(429), Throttled);
    for (times, fault, outcome) in [
        (ALWAYS, Fault::Cut(Way::Request, 10), Unavailable),
        (ALWAYS, Fault::Cut(Way::Answer, 10), Unavailable),
        (1, Fault::Reset(Way::Answer, 0), Done),
        (2, Fault::Status(503), Done),
        (ALWAYS, Fault::Status(503), Unavailable),
        (ALWAYS, Fault::Status(429), Throttled),
    ] {
        case!(PATIENT, question, times, fault, outcome);
        case!(PATIENT, removal, times, fault, outcome);
    }
    for (fault, outcome) in [
        (Fault::Cut(Way::Request, IN_SMALL), Unavailable),
        (Fault::Reset(Way::Answer, 0), Unavailable),
        (Fault::Flip(Way::Request, IN_SMALL), Corrupt),
        (Fault::Status(503), Unavailable),
        (Fault::Status(429), Throttled),
        (Fault::Slow(Duration::from_millis(1)), Done),
    ] {
        if multipart {
            case!(PATIENT, part, SIZES[0], fault, outcome);
        }
    }
    case!(PATIENT, a_bit_that_changes_on_the_way_back);
    cases.finish().await;
}

/// Cases that run at once.
#[derive(Default)]
struct Cases {
    running: JoinSet<()>,
    names: HashMap<Id, String>,
}

impl Cases {
    fn start(&mut self, name: String, case: impl Future<Output = ()> + Send + 'static) {
        self.names.insert(self.running.spawn(case).id(), name);
    }

    /// Waits for all, and tells each one that failed.
    async fn finish(&mut self) {
        let mut failed = Vec::new();
        while let Some(ended) = self.running.join_next_with_id().await {
            if let Err(error) = ended {
                failed.push(format!("{}: {error}", self.names[&error.id()]));
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }
}

macro_rules! drivers {
    ($($driver:ident: $backend:path),* $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $driver() {
            every_fault::<$backend>().await;
        })*
    };
}

drivers! {
    s3: crate::common::S3,
    moto: crate::moto::SecondS3,
    azure: crate::azure::Azure,
    gcs: crate::gcs::Gcs,
    swift: crate::swift::Swift,
    dropbox: crate::dropbox::Dropbox,
}

/// A writer that has only gathered bytes has no word from its provider, and closes no circuit.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_fail_open_the_circuit() {
    let fixture = crate::common::S3.fixture().await;
    let remote = fixture.remote.as_ref().expect("a driver with a network");
    let proxy = FaultProxy::start(&remote.endpoint).await;
    let pause = Duration::from_millis(500);
    let limits = GuardLimits { answer: SHORT, write: Duration::from_millis(100), failures: 3, pause };
    let store: Arc<dyn BlobStore> = Arc::new(Guarded::new((remote.connect)(&proxy.url()), limits));
    proxy.fail(Fault::Stall(Way::Request, 0));
    for _ in 0..3 {
        let stored = put_as(&*store, &fixture.key(""), &meta(None), &pattern(10)).await;
        assert!(matches!(stored, Err(StoreError::Unavailable(_))), "{stored:?}");
    }
    let asked = proxy.struck();
    let refused = put_as(&*store, &fixture.key(""), &meta(None), &pattern(10)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(proxy.struck(), asked, "an open circuit asks nothing");
    proxy.heal();
    let recovers = async {
        while put_as(&*store, &fixture.key(""), &meta(None), &pattern(10)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SLACK, recovers).await.expect("the circuit closes again");
}
