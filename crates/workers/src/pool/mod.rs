//! The server's side: who waits, who works, and what becomes of a job.

mod queue;
mod worker;

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::fs::{MemfdFlags, SealFlags};
use tokio::sync::oneshot;

use crate::{
    protocol::{MAX_SOURCES, MAX_TEXT},
    sandbox::Sandbox,
};
use queue::{Queue, Ticket, Turn};
use worker::{Lost, Worker};

/// How a pool works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program of a worker, which calls [`crate::child::serve`]; default `/proc/self/exe`.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Processes at once, at least 1; default one per core.
    pub workers: usize,
    /// What the weights of all running jobs may add up to, in bytes; default 1 GiB.
    pub memory: u64,
    /// Address space of one process, in bytes; default 2 GiB.
    pub address_space: u64,
    /// Largest result, in bytes; default 256 MiB.
    pub max_result: u64,
    /// Longest run of a job; default 60 s.
    pub time_limit: Duration,
    /// Longest wait for a worker; default 10 s.
    pub queue_timeout: Duration,
    /// Most jobs that wait; default 1000.
    pub max_queued: usize,
    /// A process is replaced after so many jobs; default 1000.
    pub jobs_per_worker: u64,
    /// A process whose resident memory is larger after a job, in bytes, is replaced; default 256 MiB.
    pub max_idle_memory: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            program: "/proc/self/exe".into(),
            arguments: Vec::new(),
            workers: thread::available_parallelism().map_or(1, usize::from),
            memory: 1 << 30,
            address_space: 2 << 30,
            max_result: 256 << 20,
            time_limit: Duration::from_secs(60),
            queue_timeout: Duration::from_secs(10),
            max_queued: 1000,
            jobs_per_worker: 1000,
            max_idle_memory: 256 << 20,
        }
    }
}

/// A part of a file that a job reads.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file. A worker that a stranger has taken over can use whatever the descriptor can: open it for reading only.
    pub file: Arc<File>,
    /// Where the part begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

impl Source {
    /// Bytes that lie in no file.
    ///
    /// # Errors
    /// If the system has no memory or descriptor left.
    pub fn from_bytes(bytes: &[u8]) -> io::Result<Self> {
        let mut file = memory_file()?;
        file.write_all(bytes)?;
        seal(&file)?;
        Ok(Self { file: Arc::new(file), offset: 0, length: bytes.len() as u64 })
    }
}

/// A job.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// What is to be done, in the words of the handler; at most 1 MiB.
    pub head: Vec<u8>,
    /// What it is done with; at most 252.
    pub sources: Vec<Source>,
    /// The memory that it is expected to need, in bytes.
    pub weight: u64,
}

/// A job that is done.
#[derive(Debug)]
pub struct Done {
    /// What the handler says of the result.
    pub answer: Vec<u8>,
    /// The result, in memory; nobody can change it any more.
    pub result: File,
    /// Its length in bytes.
    pub length: u64,
}

impl Done {
    /// All of the result.
    ///
    /// # Errors
    /// If the system cannot read memory.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.length).map_err(io::Error::other)?];
        self.result.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// The handler says no, in its own words.
    #[error("the worker refused the job")]
    Refused(Vec<u8>),
    /// Too many jobs wait, or this one has waited for too long.
    #[error("all workers are busy")]
    Busy {
        /// When it is worth another try.
        retry_after: Duration,
    },
    /// The job needs more than a job may have; the text says of what: `memory`, `sources` or `result`.
    #[error("the job is too large: {0}")]
    TooLarge(&'static str),
    /// The job ran into the time limit; its worker was killed.
    #[error("the job was not done within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The worker died of the job; the text says how.
    #[error("the worker crashed ({0})")]
    Crashed(String),
    /// No worker can be started, or the system lacks what a job needs; the text says why.
    #[error("no worker can be started ({0})")]
    Unavailable(String),
    /// The pool stops.
    #[error("the server is stopping")]
    Stopped,
}

/// What has happened in a pool so far, and what happens now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Jobs that a worker has answered, refused ones included.
    pub answered: u64,
    /// Jobs that no worker had time for.
    pub busy: u64,
    /// Jobs of which a worker died.
    pub crashed: u64,
    /// Jobs that ran into the time limit.
    pub timed_out: u64,
    /// Processes started.
    pub started: u64,
    /// Processes that could not be started.
    pub start_failures: u64,
    /// Jobs that wait now.
    pub queued: usize,
    /// Jobs that run now.
    pub running: usize,
    /// The weight of the jobs that run now, in bytes.
    pub weight: u64,
}

/// Processes that do jobs. Dropping it kills them.
///
/// Processes are started when the first jobs come, and replaced at once when they are lost. Each has a thread of the server, because
/// the kernel ties the life of a child to the thread that started it.
#[derive(Debug)]
pub struct Pool {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// A pool without processes yet.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn new(settings: Settings) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(settings));
        let mut pool = Self { queue: Arc::clone(&queue), threads: Vec::new() };
        for number in 0..queue.settings.workers.max(1) {
            let queue = Arc::clone(&queue);
            let thread = thread::Builder::new().name(format!("worker-{number}"));
            pool.threads.push(thread.spawn(move || supervise(&queue, number))?);
        }
        Ok(pool)
    }

    /// Waits for a worker, first come, first served, and for what it makes of the job.
    ///
    /// A future that is dropped takes a waiting job back. A job that runs already goes on to its end, which is never far away;
    /// killing its worker would cost the next job more.
    ///
    /// # Errors
    /// See [`JobError`].
    pub async fn run(&self, job: Job) -> Result<Done, JobError> {
        if job.head.len() > MAX_TEXT || job.sources.len() > MAX_SOURCES {
            return Err(JobError::TooLarge("sources"));
        }
        if job.weight > self.queue.settings.memory {
            return Err(JobError::TooLarge("memory"));
        }
        let (outcome, mut receiver) = oneshot::channel();
        let place = self.queue.join(job, outcome)?;
        let in_time = tokio::time::timeout(self.queue.settings.queue_timeout, &mut receiver).await;
        let outcome = match in_time {
            Ok(outcome) => outcome,
            Err(_) if place.leave() => return Err(self.queue.busy()),
            Err(_) => receiver.await,
        };
        outcome.unwrap_or(Err(JobError::Stopped))
    }

    /// Figures for the operator.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.queue.figures()
    }

    /// What holds in the workers; `None` before the first has started.
    #[must_use]
    pub fn sandbox(&self) -> Option<Sandbox> {
        self.queue.sandbox()
    }

    /// Kills the processes and waits for their end. Jobs end with [`JobError::Stopped`].
    pub fn stop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A supervisor that panicked has said so already; its process died with its thread.
            let _ = thread.join();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts one worker as a pool would, and tells what holds in it.
///
/// # Errors
/// If it does not start.
pub fn probe(settings: &Settings) -> io::Result<Sandbox> {
    let worker = Worker::start(settings)?;
    Ok(worker.sandbox())
}

/// The life of a supervising thread: jobs one by one, and a process for them.
fn supervise(queue: &Queue, number: usize) {
    const FIRST_PAUSE: Duration = Duration::from_millis(100);
    const LONGEST_PAUSE: Duration = Duration::from_secs(5);
    const LEISURE: Duration = Duration::from_secs(1);
    let mut worker: Option<Worker> = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let turn = queue.next(worker.is_some().then_some(LEISURE));
        // One that died in its leisure was killed from outside, which is not the fault of this job. Dropping it buries it.
        let live = worker.take().filter(Worker::is_alive);
        let ticket = match turn {
            Turn::Job(ticket) => ticket,
            Turn::Leisure => {
                worker = live;
                continue;
            }
            Turn::Stop => break,
        };
        match live.map_or_else(|| queue.start(number), Ok) {
            Ok(live) => {
                pause = FIRST_PAUSE;
                worker = work(queue, live, ticket).or_else(|| queue.start(number).ok());
            }
            Err(error) => {
                queue.finish(ticket, Err(JobError::Unavailable(error.to_string())));
                queue.pause(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    queue.unregister(number);
}

/// Does one job; the worker if it is good for another.
fn work(queue: &Queue, mut worker: Worker, ticket: Ticket) -> Option<Worker> {
    let settings = &queue.settings;
    let result = match memory_file() {
        Ok(result) => result,
        Err(error) => {
            queue.finish(ticket, Err(JobError::Unavailable(error.to_string())));
            return Some(worker);
        }
    };
    match worker.run(&ticket.job, result, Instant::now() + settings.time_limit) {
        Ok(outcome) => {
            queue.finish(ticket, outcome);
            let fresh = worker.jobs() < settings.jobs_per_worker && worker.memory() <= settings.max_idle_memory;
            fresh.then_some(worker)
        }
        Err(lost) => {
            let cause = worker.end(&lost);
            let error = match lost {
                Lost::TimedOut => JobError::TimedOut(settings.time_limit),
                Lost::Panicked(_) | Lost::Broken(_) => JobError::Crashed(cause),
            };
            tracing::warn!(%error, "a worker was lost");
            queue.finish(ticket, Err(error));
            None
        }
    }
}

fn memory_file() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(rustix::fs::memfd_create(c"stowage-picture", flags)?.into())
}

/// Nobody changes the file after this, whoever holds it.
fn seal(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fcntl_add_seals(file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?)
}
