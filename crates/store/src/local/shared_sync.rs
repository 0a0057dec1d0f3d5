//! One sync for all who wait for it.

use std::{
    io,
    sync::{Condvar, Mutex, PoisonError},
};

/// Lets concurrent callers share a sync: one that begins after a caller came serves that caller.
#[derive(Default)]
pub struct SharedSync {
    state: Mutex<State>,
    ended: Condvar,
}

/// Syncs are counted from 1.
#[derive(Default)]
struct State {
    running: bool,
    begun: u64,
    done: u64,
    /// The last one that failed, and why.
    failed: Option<(u64, Option<i32>)>,
}

impl SharedSync {
    /// Returns once a whole `sync`, of this caller or of another, has run since the call. Blocking.
    pub fn run(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = state.begun + 1;
        while state.running {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
            if state.done >= needed {
                return state.outcome(needed);
            }
        }
        state.running = true;
        state.begun += 1;
        let number = state.begun;
        drop(state);
        let outcome = sync();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running = false;
        state.done = number;
        if let Err(error) = &outcome {
            state.failed = Some((number, error.raw_os_error()));
        }
        drop(state);
        self.ended.notify_all();
        outcome
    }
}

impl State {
    /// The kernel reports a failed write once only, so a later success proves nothing.
    fn outcome(&self, needed: u64) -> io::Result<()> {
        match self.failed {
            Some((number, code)) if number >= needed => {
                Err(code.map_or_else(|| io::Error::other("a shared sync failed"), io::Error::from_raw_os_error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            atomic::{AtomicU32, Ordering},
            mpsc,
        },
        thread,
    };

    use super::*;

    /// Runs one sync that waits, lets `callers` more come meanwhile, and returns their outcomes and how many syncs they ran.
    fn run_beside(callers: usize, sync: fn() -> io::Result<()>) -> (Vec<io::Result<()>>, u32) {
        let shared = SharedSync::default();
        let runs = AtomicU32::new(0);
        let (begun, has_begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let first = scope.spawn(|| {
                shared.run(move || {
                    begun.send(()).expect("the test waits");
                    released.recv().map_err(io::Error::other)
                })
            });
            has_begun.recv().expect("the first sync begins");
            let others: Vec<_> = (0..callers)
                .map(|_| {
                    scope.spawn(|| {
                        shared.run(|| {
                            runs.fetch_add(1, Ordering::Relaxed);
                            sync()
                        })
                    })
                })
                .collect();
            release.send(()).expect("the first sync waits");
            first.join().expect("no panic").expect("the first sync succeeds");
            let outcomes = others.into_iter().map(|other| other.join().expect("no panic")).collect();
            (outcomes, runs.load(Ordering::Relaxed))
        })
    }

    #[test]
    fn nobody_is_served_by_a_sync_that_had_begun_before() {
        let (outcomes, runs) = run_beside(1, || Ok(()));
        assert!(outcomes.iter().all(Result::is_ok));
        assert_eq!(runs, 1);
    }

    #[test]
    fn those_who_wait_share_syncs_and_their_failures() {
        let (outcomes, runs) = run_beside(16, || Err(io::ErrorKind::StorageFull.into()));
        assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
        assert!((1..=16).contains(&runs), "{runs}");
    }
}
