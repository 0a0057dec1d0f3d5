//! What the tests of the pool run as worker: it does what the head of a job says, be it good or evil.

use std::{
    fs::File,
    hint::black_box,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::{fd::AsFd, unix::net::UnixStream},
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use rustix::{
    process::{Pid, Signal},
    time::ClockId,
};
use stowage_workers::{
    Job, Pool, Settings,
    child::{self, Output},
};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => child::serve(prepare, |found, head, sources| work(found, head, sources)),
        Some("liar") => lie().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Some("server") => serve().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Some(_) => ExitCode::from(3),
    }
}

/// The open descriptors, the one that lists them included, and the environment.
fn prepare() -> String {
    let numbers = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort();
    format!("{numbers:?} {:?}", std::env::vars_os().collect::<Vec<_>>())
}

fn work(found: &str, head: &[u8], sources: &[&[u8]]) -> Result<Output, Vec<u8>> {
    let head = std::str::from_utf8(head).map_err(|_| b"not text".to_vec())?;
    let (task, argument) = head.split_once(' ').unwrap_or((head, ""));
    let number = || argument.parse::<u64>().map_err(|_| b"not a number".to_vec());
    match task {
        "echo" => Ok(Output { answer: argument.into(), bytes: sources.concat() }),
        "found" => Ok(text(found)),
        "refuse" => Err(argument.into()),
        "pid" => Ok(text(std::process::id())),
        "times" => {
            let begun = now();
            thread::sleep(Duration::from_millis(number()?));
            Ok(text(format!("{begun} {}", now())))
        }
        "threads" => {
            let sum: u64 = thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|number| scope.spawn(move || number)).collect();
                threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
            });
            Ok(text(sum))
        }
        "make" => Ok(Output { answer: Vec::new(), bytes: vec![7; number()? as usize] }),
        "spin" => loop {
            black_box(0);
        },
        "abort" => std::process::abort(),
        "exit" => std::process::exit(5),
        "panic" => panic!("{argument}"),
        "overflow" => Ok(text(overflow(1))),
        "hoard" => Ok(text(black_box(vec![1u8; number()? as usize]).len())),
        "ask" => {
            let mut bytes = Vec::<u8>::new();
            bytes.try_reserve(number()? as usize).map_err(|_| b"no memory".to_vec()).map(|()| text("memory"))
        }
        evil => attempt(evil, argument).map_or_else(|error| Err(error.to_string().into()), |()| Ok(text("done"))),
    }
}

/// What a stranger who has taken over a worker would try.
fn attempt(evil: &str, argument: &str) -> io::Result<()> {
    match evil {
        "open" => File::open(argument).map(drop),
        "create" => File::create(argument).map(drop),
        "stat" => std::fs::metadata(argument).map(drop),
        "list" => std::fs::read_dir(argument).map(drop),
        "connect" => TcpStream::connect(argument).map(drop),
        "listen" => TcpListener::bind(argument).map(drop),
        "socketpair" => UnixStream::pair().map(drop),
        "exec" => Command::new(argument).status().map(drop),
        "descriptor" => rustix::io::dup(io::stdin().as_fd()).map(drop).map_err(io::Error::from),
        "kill" => {
            let process = argument.parse().ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
            Ok(rustix::process::kill_process(process, Signal::KILL)?)
        }
        "unlimit" => {
            let all = rustix::process::Rlimit { current: None, maximum: None };
            Ok(rustix::process::setrlimit(rustix::process::Resource::As, all)?)
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn text(text: impl ToString) -> Output {
    Output { answer: text.to_string().into_bytes(), bytes: Vec::new() }
}

/// Nanoseconds of a clock that all processes share.
fn now() -> i64 {
    let time = rustix::time::clock_gettime(ClockId::Monotonic);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

#[expect(unconditional_recursion, reason = "overflowing the stack is its task")]
fn overflow(depth: u64) -> u64 {
    black_box([depth; 64])[0] + overflow(black_box(depth) + 1)
}

/// A worker that says it has made a terabyte.
fn lie() -> io::Result<()> {
    let mut socket = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.read_exact(&mut [0; 16])?;
    socket.write_all(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3])?;
    socket.read_exact(&mut [0; 8])?;
    socket.write_all(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0])?;
    socket.read_to_end(&mut Vec::new()).map(drop)
}

/// A server with one worker; prints its process and what it has found, and has it spin until somebody kills the server.
#[tokio::main(flavor = "current_thread")]
async fn serve() -> io::Result<()> {
    let pool = Pool::new(Settings { workers: 1, ..Settings::default() })?;
    for head in ["pid", "found"] {
        let done = pool.run(Job { head: head.into(), ..Job::default() }).await.map_err(io::Error::other)?;
        io::stdout().write_all(&[&done.answer[..], b"\n"].concat())?;
    }
    pool.run(Job { head: b"spin".to_vec(), ..Job::default() }).await.map(drop).map_err(io::Error::other)
}
