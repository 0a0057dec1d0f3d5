//! Repeating what may be repeated, within a budget.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use crate::{StoreError, random};

const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A provider that asks for a longer pause than this is given up instead.
const LONGEST_WISH: Duration = Duration::from_secs(30);
/// The budget is shared by all requests of a store, so that a provider that fails is not asked five times as often.
const BUDGET: u32 = 500;
const RETRY_COST: u32 = 5;

/// Why an attempt failed, and how long the provider wants to be left alone.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: StoreError,
    pub(crate) retry_after: Option<Duration>,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, retry_after: None }
    }
}

/// The budget of one store: retries spend it, successes fill it again.
pub(crate) struct Retries {
    tokens: AtomicU32,
}

impl Default for Retries {
    fn default() -> Self {
        Self { tokens: AtomicU32::new(BUDGET) }
    }
}

impl Retries {
    /// Makes `attempt` until it succeeds, fails for a lasting reason, or the attempts or the budget are used up. Only for
    /// requests that have the same effect when they are repeated.
    pub(crate) async fn run<T, Attempt>(&self, mut attempt: impl FnMut() -> Attempt) -> Result<T, StoreError>
    where
        Attempt: Future<Output = Result<T, Failure>>,
    {
        for number in 1.. {
            let failure = match attempt().await {
                Ok(value) => {
                    self.refill();
                    return Ok(value);
                }
                Err(failure) => failure,
            };
            let passing = matches!(failure.error, StoreError::Unavailable(_) | StoreError::Throttled(_));
            let too_long = failure.retry_after.is_some_and(|wish| wish > LONGEST_WISH);
            if !passing || too_long || number >= ATTEMPTS || !self.spend() {
                return Err(failure.error);
            }
            tracing::debug!(error = %failure.error, number, "the request is repeated");
            tokio::time::sleep(pause(number, failure.retry_after)).await;
        }
        unreachable!("the last attempt returns")
    }

    fn spend(&self) -> bool {
        self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(RETRY_COST)).is_ok()
    }

    fn refill(&self) {
        let _ =
            self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| (left < BUDGET).then_some(left + 1));
    }
}

/// A random pause below a bound that grows with each attempt, but at least what the provider asked for.
fn pause(number: u32, wish: Option<Duration>) -> Duration {
    let bound = FIRST_PAUSE.saturating_mul(4_u32.saturating_pow(number - 1)).min(LONGEST_PAUSE);
    let mut byte = [0];
    random::fill(&mut byte);
    wish.unwrap_or_default() + bound.mul_f64(f64::from(byte[0]) / 255.0)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    async fn attempts(retries: &Retries, mut failure: impl FnMut(u32) -> Option<Failure>) -> (bool, u32) {
        let made = Cell::new(0);
        let result = retries
            .run(|| {
                made.set(made.get() + 1);
                let answer = failure(made.get()).map_or(Ok(()), Err);
                async { answer }
            })
            .await;
        (result.is_ok(), made.get())
    }

    fn unavailable() -> Failure {
        StoreError::Unavailable("503".to_owned()).into()
    }

    #[tokio::test(start_paused = true)]
    async fn passing_failures_are_repeated_and_lasting_ones_are_not() {
        let retries = Retries::default();
        assert_eq!(attempts(&retries, |number| (number < 3).then(unavailable)).await, (true, 3));
        assert_eq!(attempts(&retries, |_| Some(unavailable())).await, (false, ATTEMPTS));
        assert_eq!(attempts(&retries, |_| Some(StoreError::NotFound.into())).await, (false, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_providers_wish_is_respected_up_to_a_bound() {
        let retries = Retries::default();
        let throttled = |seconds| Failure {
            error: StoreError::Throttled("429".to_owned()),
            retry_after: Some(Duration::from_secs(seconds)),
        };
        let begin = tokio::time::Instant::now();
        assert_eq!(attempts(&retries, |number| (number == 1).then(|| throttled(7))).await, (true, 2));
        assert!(begin.elapsed() >= Duration::from_secs(7));
        assert_eq!(attempts(&retries, |_| Some(throttled(3600))).await, (false, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_keeps_failing_is_not_asked_more_often_for_it() {
        let retries = Retries::default();
        let mut made = 0;
        for _ in 0..200 {
            made += attempts(&retries, |_| Some(unavailable())).await.1;
        }
        assert_eq!(made, 200 + BUDGET / RETRY_COST);
    }
}
