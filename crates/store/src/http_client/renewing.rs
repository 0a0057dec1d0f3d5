//! Credentials that end: got once, shared by all requests, renewed before their end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::Failure;

/// A credential is not used in its last minutes: a long upload may begin with it.
const RENEW_BEFORE_END: Duration = Duration::from_secs(120);

/// What a provider granted.
pub(crate) struct Granted<T> {
    pub(crate) credential: T,
    /// `None`: it does not end, or the provider does not say when.
    pub(crate) valid_for: Option<Duration>,
}

struct Current<T> {
    credential: Arc<T>,
    renew_at: Option<Instant>,
}

/// The current credential.
pub(crate) struct Renewing<T> {
    /// Held while a new one is got: one request asks, the others wait for its answer.
    current: Mutex<Option<Current<T>>>,
}

impl<T> Default for Renewing<T> {
    fn default() -> Self {
        Self { current: Mutex::new(None) }
    }
}

impl<T> Renewing<T> {
    /// The current credential unless it is about to end or `refused`; otherwise the one that `grant` gets.
    pub(crate) async fn get<Granting>(
        &self,
        refused: Option<&Arc<T>>,
        grant: impl FnOnce() -> Granting,
    ) -> Result<Arc<T>, Failure>
    where
        Granting: Future<Output = Result<Granted<T>, Failure>>,
    {
        let mut current = self.current.lock().await;
        if let Some(known) = current.as_ref()
            && known.renew_at.is_none_or(|time| Instant::now() < time)
            && refused.is_none_or(|refused| !Arc::ptr_eq(refused, &known.credential))
        {
            return Ok(known.credential.clone());
        }
        let granted = grant().await?;
        let credential = Arc::new(granted.credential);
        let renew_at = granted.valid_for.map(|time| Instant::now() + time.saturating_sub(RENEW_BEFORE_END));
        *current = Some(Current { credential: credential.clone(), renew_at });
        Ok(credential)
    }
}
