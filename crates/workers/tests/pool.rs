//! The pool from outside: good jobs, evil jobs, and what the one have of the other.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    process::{Pid, PidfdFlags, Signal},
};
use stowage_workers::{Figures, Job, JobError, Pool, Settings, Source, probe};

const PROGRAM: &str = env!("CARGO_BIN_EXE_stowage-test-worker");

fn settings(workers: usize) -> Settings {
    Settings { program: PROGRAM.into(), workers, queue_timeout: Duration::from_secs(60), ..Settings::default() }
}

fn pool(settings: Settings) -> Arc<Pool> {
    Arc::new(Pool::new(settings).expect("threads start"))
}

fn job(head: impl Into<String>) -> Job {
    Job { head: head.into().into_bytes(), ..Job::default() }
}

fn echo(bytes: &[u8]) -> Job {
    Job { sources: vec![Source::from_bytes(bytes).expect("memory")], ..job("echo") }
}

async fn answer(pool: &Pool, head: impl Into<String>) -> Result<String, JobError> {
    pool.run(job(head)).await.map(|done| String::from_utf8(done.answer).expect("text"))
}

fn spawned(pool: &Arc<Pool>, job: Job) -> tokio::task::JoinHandle<Result<Vec<u8>, JobError>> {
    let pool = Arc::clone(pool);
    tokio::spawn(async move { pool.run(job).await.map(|done| done.answer) })
}

/// Looks until it is so.
async fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it never comes true");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn until_figures(pool: &Pool, condition: impl Fn(Figures) -> bool) {
    until(|| condition(pool.figures())).await;
}

/// The letter of the kernel for what a process does: `R`uns, `S`leeps; `None` if it does not exist.
fn state(process: &str) -> Option<char> {
    let line = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    line.rsplit(") ").next()?.chars().next()
}

#[tokio::test]
async fn a_job_reads_its_sources_and_gives_a_result() {
    let pool = pool(settings(1));
    assert_eq!((pool.figures(), pool.sandbox()), (Figures::default(), None), "nothing is started before the first job");
    let file = tempfile::tempfile().expect("a file");
    std::io::Write::write_all(&mut &file, b"0123456789").expect("room");
    let part = Source { file: Arc::new(file), offset: 2, length: 3 };
    let memory = Source::from_bytes(b" from memory").expect("memory");
    let sources = vec![part, memory];
    let done = pool.run(Job { sources: sources.clone(), weight: 5, ..job("echo said") }).await.expect("an echo");
    assert_eq!((done.answer.as_slice(), done.length), (&b"said"[..], 15));
    assert_eq!(done.bytes().expect("memory"), b"234 from memory");

    let large: Vec<u8> = (0..40_000_000_u32).map(|number| number as u8).collect();
    let done = pool.run(echo(&large)).await.expect("an echo");
    assert!(done.bytes().expect("memory") == large, "40 MB come back as they went");
    assert!(std::os::unix::fs::FileExt::write_at(&done.result, b"x", 0).is_err(), "a result is sealed");
    let many = Job { sources: vec![sources[0].clone(); 252], ..job("echo") };
    assert_eq!(pool.run(many).await.expect("an echo").length, 252 * 3);
    let nothing = pool.run(job("echo")).await.expect("an echo");
    assert_eq!((nothing.length, nothing.bytes().expect("memory")), (0, Vec::new()));
    let figures = pool.figures();
    assert_eq!((figures.answered, figures.started, figures.running, figures.weight), (4, 1, 0, 0));
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let pool = pool(settings(1));
    assert_eq!(answer(&pool, "refuse because").await, Err(JobError::Refused(b"because".to_vec())));
    assert_eq!(answer(&pool, "make 300000000").await, Err(JobError::TooLarge("result")));
    assert_eq!(answer(&pool, "threads").await.as_deref(), Ok("6"), "a worker may have threads");
    let figures = pool.figures();
    assert_eq!((figures.answered, figures.started, figures.crashed), (3, 1, 0));
}

#[tokio::test]
async fn what_cannot_be_sent_is_too_large() {
    let pool = pool(Settings { memory: 10, ..settings(1) });
    let sources = vec![Source::from_bytes(b"").expect("memory"); 253];
    for job in [Job { weight: 11, ..job("echo") }, Job { sources, ..job("echo") }, job("x".repeat((1 << 20) + 1))] {
        assert!(matches!(pool.run(job).await, Err(JobError::TooLarge(_))));
    }
    assert_eq!(answer(&pool, "x".repeat(1 << 20)).await, Err(JobError::Refused(b"unsupported".to_vec())));
}

#[tokio::test]
async fn workers_are_locked_in() {
    let pool = pool(settings(1));
    let secret = tempfile::NamedTempFile::new().expect("a file");
    let path = secret.path().display();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    for evil in [
        format!("open {path}"),
        format!("create {path}2"),
        format!("stat {path}"),
        "open /etc/passwd".to_owned(),
        "open /proc/self/environ".to_owned(),
        "list /".to_owned(),
        format!("connect {address}"),
        "listen 127.0.0.1:0".to_owned(),
        "socketpair".to_owned(),
        "exec /bin/true".to_owned(),
        "descriptor".to_owned(),
        format!("kill {}", std::process::id()),
        "unlimit".to_owned(),
    ] {
        let Err(JobError::Refused(cause)) = answer(&pool, &evil).await else { panic!("{evil} is possible") };
        let cause = String::from_utf8_lossy(&cause).into_owned();
        assert!(cause.contains("not permitted"), "{evil}: {cause}");
    }
    assert_eq!(pool.figures().started, 1, "all of it happened to one worker, which is well");
    let sandbox = pool.sandbox().expect("a worker has started");
    assert!(sandbox.seccomp, "{sandbox}");
    assert_eq!(probe(&settings(1)).expect("a worker starts"), sandbox);
}

#[tokio::test]
async fn a_crash_is_the_end_of_one_job() {
    let pool = pool(settings(2));
    let crashes = ["abort", "exit", "overflow", "hoard 4000000000", "panic of fear"];
    let mut jobs = Vec::new();
    for number in 0..50_u32 {
        let crash = crashes.get(number as usize / 10).filter(|_| number % 10 == 3);
        jobs.push((number, crash, spawned(&pool, job(crash.map_or(format!("echo {number}"), ToString::to_string)))));
    }
    for (number, crash, outcome) in jobs {
        match (crash, outcome.await.expect("no panic here")) {
            (None, outcome) => assert_eq!(outcome, Ok(number.to_string().into_bytes())),
            (Some(crash), Err(JobError::Crashed(cause))) => {
                let expected = match *crash {
                    "exit" => "exit status: 5",
                    "panic of fear" => "panicked: of fear",
                    _ => "signal: 6",
                };
                assert!(cause.starts_with(expected), "{crash}: {cause}");
            }
            (Some(crash), outcome) => panic!("{crash}: {outcome:?}"),
        }
    }
    assert_eq!(answer(&pool, "ask 4000000000").await, Err(JobError::Refused(b"no memory".to_vec())));
    let figures = pool.figures();
    assert_eq!((figures.answered, figures.crashed), (46, 5));
}

#[tokio::test]
async fn a_job_without_end_is_ended() {
    let pool = pool(Settings { time_limit: Duration::from_millis(300), ..settings(1) });
    let process = answer(&pool, "pid").await.expect("a process");
    assert_eq!(answer(&pool, "spin").await, Err(JobError::TimedOut(Duration::from_millis(300))));
    assert_eq!(state(&process), None, "the process is dead and buried");
    assert_ne!(answer(&pool, "pid").await.expect("another process"), process);
    assert_eq!(pool.figures().timed_out, 1);
}

#[tokio::test]
async fn a_worker_that_is_killed_is_replaced() {
    let mut pool = pool(settings(1));
    let process = answer(&pool, "pid").await.expect("a process");
    until(|| state(&process) == Some('S')).await;
    let running = spawned(&pool, job("spin"));
    until(|| state(&process) == Some('R')).await;
    kill(&process);
    let Err(JobError::Crashed(cause)) = running.await.expect("no panic") else { panic!("the job cannot end") };
    assert!(cause.starts_with("signal: 9"), "{cause}");

    let second = answer(&pool, "pid").await.expect("a process");
    kill(&second);
    until(|| matches!(state(&second), Some('Z') | None)).await;
    let third = answer(&pool, "pid").await.expect("what dies in its leisure costs no job");
    kill(&third);
    until(|| state(&third).is_none()).await;
    assert_eq!(pool.figures().started, 3, "it is buried although no job comes");
    Arc::get_mut(&mut pool).expect("nobody else has it").stop();
    for process in [process, second, third] {
        assert_eq!(state(&process), None, "nothing is left of {process}, no zombie either");
    }
    assert_eq!(answer(&pool, "pid").await, Err(JobError::Stopped));
}

fn kill(process: &str) {
    let process = Pid::from_raw(process.parse().expect("a number")).expect("not zero");
    rustix::process::kill_process(process, Signal::KILL).expect("it lives");
}

#[tokio::test]
async fn all_of_many_jobs_are_answered() {
    let pool = pool(Settings { jobs_per_worker: 30, ..settings(3) });
    let echo = |number: usize| {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move {
            let bytes = vec![number as u8; number * 500];
            let done = pool.run(echo(&bytes)).await.expect("an answer");
            assert_eq!(done.bytes().expect("memory"), bytes);
        })
    };
    for job in (0..200).map(echo).collect::<Vec<_>>() {
        job.await.expect("an answer");
    }
    assert!(pool.figures().started >= 6, "workers are replaced in time: {:?}", pool.figures());
}

#[tokio::test]
async fn jobs_are_done_in_order() {
    let pool = pool(settings(1));
    let jobs: Vec<_> = (0..20).map(|_| job("times 1")).collect();
    let times = in_order(&pool, jobs).await;
    assert!(times.is_sorted(), "{times:?}");
}

async fn in_order(pool: &Arc<Pool>, jobs: Vec<Job>) -> Vec<(i64, i64)> {
    let mut waiting = Vec::new();
    for job in jobs {
        let before = pool.figures();
        waiting.push(spawned(pool, job));
        until_figures(pool, |now| now.queued + now.running + now.answered as usize > sum(before)).await;
    }
    let mut times = Vec::new();
    for outcome in waiting {
        let text = String::from_utf8(outcome.await.expect("no panic").expect("times")).expect("text");
        let (begun, ended) = text.split_once(' ').expect("two times");
        times.push((begun.parse().expect("a number"), ended.parse().expect("a number")));
    }
    times
}

fn sum(figures: Figures) -> usize {
    figures.queued + figures.running + figures.answered as usize
}

#[tokio::test]
async fn running_jobs_share_the_budget() {
    let pool = pool(Settings { memory: 100, ..settings(4) });
    let weights = [60, 30, 10, 50, 50, 100, 1, 99, 20, 80, 40, 40, 40, 70, 30, 100];
    let jobs = weights.iter().map(|weight| Job { weight: *weight, ..job("times 5") }).collect();
    let times = in_order(&pool, jobs).await;
    for (begun, _) in &times {
        let at_once = times.iter().zip(weights).filter(|((other, ended), _)| other <= begun && begun < ended);
        let weight: u64 = at_once.map(|(_, weight)| weight).sum();
        assert!(weight <= 100, "{weight} at once: {times:?}");
    }

    let light = || Job { weight: 50, ..job("spin") };
    let spinning = [spawned(&pool, light()), spawned(&pool, light())];
    until_figures(&pool, |now| now.running == 2).await;
    let heavy = spawned(&pool, Job { weight: 1, ..job("echo") });
    until_figures(&pool, |now| now.queued == 1).await;
    assert_eq!(pool.figures().weight, 100, "two of four workers have nothing to do, for want of memory");
    heavy.abort();
    assert!(heavy.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(pool.figures().queued, 0, "a job that nobody waits for leaves the line");
    drop(spinning);
}

#[tokio::test]
async fn waiting_has_an_end() {
    let mut settings = settings(1);
    settings.queue_timeout = Duration::from_millis(50);
    settings.time_limit = Duration::from_secs(5);
    settings.max_queued = 2;
    let pool = pool(settings);
    let running = spawned(&pool, job("spin"));
    until_figures(&pool, |now| now.running == 1).await;
    let Err(JobError::Busy { retry_after }) = pool.run(job("echo")).await else { panic!("nobody is free") };
    assert!((1..=60).contains(&retry_after.as_secs()), "{retry_after:?}");
    assert_eq!(pool.figures().queued, 0);
    let outcomes = tokio::join!(pool.run(job("echo")), pool.run(job("echo")), async {
        let begun = Instant::now();
        let refused = pool.run(job("echo")).await.expect_err("no place is left in the line");
        assert!(begun.elapsed() < Duration::from_millis(50), "at once");
        refused
    });
    assert!(matches!(outcomes, (Err(JobError::Busy { .. }), Err(JobError::Busy { .. }), JobError::Busy { .. })));
    assert_eq!(running.await.expect("no panic"), Err(JobError::TimedOut(Duration::from_secs(5))), "it may take longer");
    assert_eq!((pool.figures().busy, answer(&pool, "echo").await.as_deref()), (4, Ok("")));
}

#[tokio::test]
async fn what_a_worker_says_is_checked() {
    let pool = pool(Settings { arguments: vec!["liar".into()], ..settings(1) });
    for _ in 0..3 {
        assert!(matches!(pool.run(job("echo")).await, Err(JobError::Crashed(_))));
    }
}

#[tokio::test]
async fn a_worker_that_does_not_start_is_said_so() {
    for settings in [
        Settings { arguments: vec!["broken".into()], ..settings(1) },
        Settings { program: "/nowhere".into(), ..settings(1) },
    ] {
        assert!(probe(&settings).is_err());
        let pool = pool(settings);
        assert!(matches!(pool.run(job("echo")).await, Err(JobError::Unavailable(_))));
        assert!(matches!(pool.run(job("echo")).await, Err(JobError::Unavailable(_))), "after a pause");
        assert_eq!((pool.figures().start_failures, pool.figures().started), (2, 0));
    }
}

#[tokio::test]
async fn a_pool_that_stops_leaves_nothing() {
    let mut pool = pool(settings(1));
    let process = answer(&pool, "pid").await.expect("a process");
    until(|| state(&process) == Some('S')).await;
    let nobody_waits = spawned(&pool, job("spin"));
    until(|| state(&process) == Some('R')).await;
    nobody_waits.abort();
    assert!(nobody_waits.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!((pool.figures().running, state(&process)), (1, Some('R')), "a job that runs goes on");
    Arc::get_mut(&mut pool).expect("nobody else has it").stop();
    assert_eq!((pool.figures().running, state(&process)), (0, None));
}

#[tokio::test]
async fn workers_inherit_nothing_and_die_with_the_server() {
    // A shell, because it can leave a descriptor open for what it executes.
    let mut server = Command::new("/bin/sh")
        .args(["-c", "exec 9</etc/passwd; exec \"$0\" server", PROGRAM])
        .env("SECRET", "word")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(server.stdout.take().expect("a pipe")).lines();
    let mut line = || lines.next().expect("two lines").expect("text");
    let (process, found) = (line(), line());
    assert_eq!(found, r#"["0", "1", "2", "3", "4"] []"#, "standard streams, the socket, and what lists them");
    // Not one that waits for a job, which would see the end of the socket.
    until(|| state(&process) == Some('R')).await;
    let worker = Pid::from_raw(process.parse().expect("a number")).expect("not zero");
    let worker = rustix::process::pidfd_open(worker, PidfdFlags::empty()).expect("it lives");
    server.kill().expect("it lives");
    server.wait().expect("it is ours");
    let limit = Timespec { tv_sec: 60, tv_nsec: 0 };
    let ended = rustix::event::poll(&mut [PollFd::new(&worker, PollFlags::IN)], Some(&limit));
    assert_eq!(ended, Ok(1), "the worker lives on");
}
