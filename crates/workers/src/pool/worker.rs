//! One process, seen from the server.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{io::Errno, net::RecvFlags};

use crate::{
    pool::{Done, Job, JobError, Settings, seal},
    protocol::{Answer, Range, Setup, Status, send_request},
    sandbox::Sandbox,
};

/// Longest start of a process: what is prepared may be read from a slow disk.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How a line breaks when the process at its end dies.
const HANG_UPS: [io::ErrorKind; 3] =
    [io::ErrorKind::UnexpectedEof, io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];

/// Why a worker is of no use any more.
#[derive(Debug)]
pub(super) enum Lost {
    TimedOut,
    /// With the words of the panic.
    Panicked(String),
    /// The line to it broke, or it sent what makes no sense.
    Broken(io::Error),
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Broken(error),
        }
    }
}

/// A process that is ready for a job. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    socket: UnixStream,
    sandbox: Sandbox,
    jobs: u64,
}

impl Worker {
    pub(super) fn start(settings: &Settings) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        let child = Command::new(&settings.program)
            .args(&settings.arguments)
            .env_clear()
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            // Signals that a terminal sends to the server are not for its workers.
            .process_group(0)
            .spawn()?;
        // From here on, whatever goes wrong drops the worker and so ends the child.
        let sandbox = Sandbox { landlock: false, seccomp: false };
        let mut worker = Self { child, socket, sandbox, jobs: 0 };
        Setup { address_space: settings.address_space, max_result: settings.max_result }.send(&mut worker.socket)?;
        let ready = Answer::receive(&mut Until { socket: &worker.socket, deadline: Instant::now() + START_LIMIT })?;
        worker.sandbox = ready.text.first().map_or(sandbox, |byte| Sandbox::from_byte(*byte));
        Ok(worker)
    }

    pub(super) fn sandbox(&self) -> Sandbox {
        self.sandbox
    }

    /// Jobs answered so far.
    pub(super) fn jobs(&self) -> u64 {
        self.jobs
    }

    /// Another handle of the line to the process: shutting it down ends the job that runs.
    pub(super) fn line(&self) -> io::Result<UnixStream> {
        self.socket.try_clone()
    }

    /// Whether the process has survived its leisure.
    pub(super) fn is_alive(&self) -> bool {
        // Its end of the line closes with it.
        let mut byte = [0];
        matches!(rustix::net::recv(&self.socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT), Err(Errno::AGAIN))
    }

    /// Resident memory in bytes; 0 if the system does not say.
    pub(super) fn memory(&self) -> u64 {
        let pages = |text: String| text.split(' ').nth(1)?.parse::<u64>().ok();
        let resident = fs::read_to_string(format!("/proc/{}/statm", self.child.id())).ok().and_then(pages);
        resident.unwrap_or(0) * rustix::param::page_size() as u64
    }

    /// Has the job done; the inner `Err` is an answer too.
    pub(super) fn run(&mut self, job: &Job, result: File, deadline: Instant) -> Result<Result<Done, JobError>, Lost> {
        let ranges: Vec<_> =
            job.sources.iter().map(|source| Range { offset: source.offset, length: source.length }).collect();
        let sources = job.sources.iter().map(|source| source.file.as_fd());
        let descriptors: Vec<_> = sources.chain([result.as_fd()]).collect();
        self.socket.set_write_timeout(Some(remaining(deadline)?))?;
        send_request(&self.socket, &job.head, &ranges, &descriptors)?;
        let answer = Answer::receive(&mut Until { socket: &self.socket, deadline })?;
        self.jobs += 1;
        match answer.status {
            Status::Done => {
                seal(&result)?;
                // The worker may have been taken over: what it says must be what is there.
                if answer.length != result.metadata()?.len() {
                    return Err(Lost::Broken(io::ErrorKind::InvalidData.into()));
                }
                Ok(Ok(Done { answer: answer.text, result, length: answer.length }))
            }
            Status::Refused => Ok(Err(JobError::Refused(answer.text))),
            Status::TooLarge => Ok(Err(JobError::TooLarge("result"))),
            Status::Panicked => Err(Lost::Panicked(String::from_utf8_lossy(&answer.text).into_owned())),
        }
    }

    /// Ends the process and tells what it died of.
    pub(super) fn end(mut self, lost: &Lost) -> String {
        // Killing what is dead already does not change what it died of.
        let _ = self.child.kill();
        let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        match lost {
            Lost::Panicked(words) => format!("panicked: {words}"),
            Lost::Broken(error) if !HANG_UPS.contains(&error.kind()) => error.to_string(),
            Lost::Broken(_) | Lost::TimedOut => status,
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail if the process has been waited for already, which is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads that end at a moment, however many there are.
struct Until<'a> {
    socket: &'a UnixStream,
    deadline: Instant,
}

impl io::Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(remaining(self.deadline)?))?;
        self.socket.read(buffer)
    }
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    let remaining = deadline.saturating_duration_since(Instant::now());
    // Zero would mean for ever.
    if remaining < Duration::from_micros(1) { Err(io::ErrorKind::TimedOut.into()) } else { Ok(remaining) }
}
