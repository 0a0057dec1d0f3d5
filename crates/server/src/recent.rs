//! What was looked up lately and is believed for a while.

use std::{
    hash::Hash,
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;

/// Values by key, each believed for the same time after it was inserted.
pub struct Recent<Key, Value> {
    entries: Cache<Key, (Instant, Value)>,
    life: Duration,
}

impl<Key: Eq + Hash, Value: Clone> Recent<Key, Value> {
    /// Keeps about `capacity` values.
    pub fn new(capacity: usize, life: Duration) -> Self {
        Self { entries: Cache::new(capacity), life }
    }

    /// The value, unless it is too old.
    pub fn get(&self, key: &Key) -> Option<Value> {
        let (since, value) = self.entries.get(key)?;
        (since.elapsed() < self.life).then_some(value)
    }

    /// Believes a value from now on.
    pub fn insert(&self, key: Key, value: Value) {
        self.entries.insert(key, (Instant::now(), value));
    }

    /// Forgets one value.
    pub fn forget(&self, key: &Key) {
        self.entries.remove(key);
    }

    /// Forgets all values.
    pub fn forget_all(&self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_forgotten_on_demand_and_with_time() {
        let recent = Recent::new(100, Duration::from_secs(3600));
        for number in 0..3 {
            recent.insert(number, "value");
        }
        recent.forget(&1);
        assert_eq!([0, 1, 2].map(|number| recent.get(&number).is_some()), [true, false, true]);
        recent.forget_all();
        assert_eq!(recent.get(&0), None);

        let recent = Recent::new(100, Duration::ZERO);
        recent.insert(0, "value");
        assert_eq!(recent.get(&0), None, "too old at once");
    }
}
