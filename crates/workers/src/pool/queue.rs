//! The line of waiting jobs, and the budget of memory that the running ones share.

use std::{
    collections::VecDeque,
    io,
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    pool::{Done, Figures, Job, JobError, Settings, worker::Worker},
    sandbox::Sandbox,
};

type Outcome = Result<Done, JobError>;

/// What a supervisor is to do.
#[derive(Debug)]
pub(super) enum Turn {
    Job(Ticket),
    /// Nothing came for a while: it is time to look after the worker.
    Leisure,
    /// The pool stops.
    Stop,
}

/// A job in the hands of a supervisor; [`Queue::finish`] takes it back.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) job: Job,
    outcome: oneshot::Sender<Outcome>,
    begun: Instant,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    job: Job,
    outcome: oneshot::Sender<Outcome>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    next_number: u64,
    closed: bool,
    /// Sums; `queued` is taken from the line itself.
    figures: Figures,
    /// A moving average of how long jobs run, in seconds.
    average: f64,
    sandbox: Option<Sandbox>,
    /// The lines to the processes, by number of the supervisor.
    lines: Vec<Option<UnixStream>>,
}

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) settings: Settings,
    state: Mutex<State>,
    /// Told whenever the first job in the line may have become one that fits.
    changed: Condvar,
}

impl Queue {
    pub(super) fn new(settings: Settings) -> Self {
        let lines = (0..settings.workers.max(1)).map(|_| None).collect();
        Self { settings, state: Mutex::new(State { lines, ..State::default() }), changed: Condvar::new() }
    }

    /// Nothing panics while it holds the lock half way through a change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job at the end of the line.
    pub(super) fn join(self: &Arc<Self>, job: Job, outcome: oneshot::Sender<Outcome>) -> Result<Place, JobError> {
        let mut state = self.state();
        if state.closed {
            return Err(JobError::Stopped);
        }
        if state.waiting.len() >= self.settings.max_queued {
            drop(state);
            return Err(self.busy());
        }
        let number = state.next_number;
        state.next_number += 1;
        state.waiting.push_back(Waiting { number, job, outcome });
        drop(state);
        self.changed.notify_one();
        Ok(Place { queue: Arc::clone(self), number })
    }

    /// Notes that nobody had time for a job.
    pub(super) fn busy(&self) -> JobError {
        let mut state = self.state();
        state.figures.busy += 1;
        let ahead = (state.waiting.len() + 1) as f64 / state.lines.len() as f64;
        JobError::Busy { retry_after: Duration::from_secs((ahead * state.average).ceil().clamp(1.0, 60.0) as u64) }
    }

    /// Waits for the first job of the line to fit into the budget, and takes it. `patience`: how long it waits before the supervisor
    /// looks after its worker; `None`: there is none.
    ///
    /// Strictly in order: a heavy job is not overtaken by light ones, or it might wait for ever.
    pub(super) fn next(&self, patience: Option<Duration>) -> Turn {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut state = self.state();
        loop {
            if state.closed {
                return Turn::Stop;
            }
            let left = self.settings.memory.saturating_sub(state.figures.weight);
            if let Some(Waiting { job, outcome, .. }) = state.waiting.pop_front_if(|first| first.job.weight <= left) {
                state.figures.weight += job.weight;
                state.figures.running += 1;
                drop(state);
                // The one behind it may fit as well.
                self.changed.notify_one();
                return Turn::Job(Ticket { job, outcome, begun: Instant::now() });
            }
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Turn::Leisure,
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// Gives back what the job had, and tells what became of it.
    pub(super) fn finish(&self, ticket: Ticket, outcome: Outcome) {
        let mut state = self.state();
        // Whatever it looks like, the worker was stopped.
        let stopped = state.closed && !matches!(outcome, Ok(_) | Err(JobError::Refused(_) | JobError::TooLarge(_)));
        let outcome = if stopped { Err(JobError::Stopped) } else { outcome };
        let figures = &mut state.figures;
        figures.weight -= ticket.job.weight;
        figures.running -= 1;
        match &outcome {
            Ok(_) | Err(JobError::Refused(_) | JobError::TooLarge(_)) => figures.answered += 1,
            Err(JobError::Crashed(_)) => figures.crashed += 1,
            Err(JobError::TimedOut(_)) => figures.timed_out += 1,
            Err(_) => {}
        }
        state.average += (ticket.begun.elapsed().as_secs_f64() - state.average) / 8.0;
        drop(state);
        self.changed.notify_one();
        // Nobody waits for it if the future was dropped.
        let _ = ticket.outcome.send(outcome);
    }

    /// Starts a process for a supervisor.
    pub(super) fn start(&self, number: usize) -> io::Result<Worker> {
        let started = Worker::start(&self.settings).and_then(|worker| Ok((worker.line()?, worker)));
        let mut state = self.state();
        let (line, worker) = started.inspect_err(|error| {
            state.figures.start_failures += 1;
            tracing::error!(%error, "a worker cannot be started");
        })?;
        if state.closed {
            return Err(io::Error::other("the server is stopping"));
        }
        state.lines[number] = Some(line);
        state.figures.started += 1;
        if state.sandbox.replace(worker.sandbox()).is_none() && !worker.sandbox().is_complete() {
            tracing::warn!(sandbox = %worker.sandbox(), "this system cannot lock workers in completely");
        }
        Ok(worker)
    }

    /// Waits, unless the pool stops.
    pub(super) fn pause(&self, time: Duration) {
        let deadline = Instant::now() + time;
        let mut state = self.state();
        while !state.closed && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        // The pause may have swallowed what another supervisor was to be told.
        self.changed.notify_one();
    }

    /// Sends everybody home: who waits is told so, who works finds the line to its worker dead.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting.clear();
        for line in state.lines.iter().flatten() {
            // The worker may be gone by itself.
            let _ = line.shutdown(Shutdown::Both);
        }
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn unregister(&self, number: usize) {
        self.state().lines[number] = None;
    }

    pub(super) fn figures(&self) -> Figures {
        let state = self.state();
        Figures { queued: state.waiting.len(), ..state.figures }
    }

    pub(super) fn sandbox(&self) -> Option<Sandbox> {
        self.state().sandbox
    }
}

/// A place in the line, given up when dropped.
#[derive(Debug)]
pub(super) struct Place {
    queue: Arc<Queue>,
    number: u64,
}

impl Place {
    /// Takes the job out of the line; `false`: it is not there any more, because a supervisor has it.
    pub(super) fn leave(&self) -> bool {
        let mut state = self.queue.state();
        // The line is in order of the numbers.
        let Ok(index) = state.waiting.binary_search_by_key(&self.number, |waiting| waiting.number) else {
            return false;
        };
        let job = state.waiting.remove(index);
        drop(state);
        drop(job);
        // The one behind may fit where this one did not.
        self.queue.changed.notify_one();
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}
