//! What workers and caches have done, for `/metrics`.

use prometheus_client::{
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::Transformer;

impl Transformer {
    /// The present figures, to be put into a registry.
    pub fn figures(&self) -> impl FnOnce(&mut Registry) {
        let (jobs, results, originals) = (self.engine.figures(), self.results.figures(), self.originals.figures());
        move |registry| {
            of_jobs(jobs, registry.sub_registry_with_prefix("image"));
            of_cache(results, registry.sub_registry_with_prefix("cache"));
            of_cache(originals, registry.sub_registry_with_prefix("originals"));
        }
    }
}

fn of_jobs(figures: stowage_workers::Figures, registry: &mut Registry) {
    let counters = [
        ("jobs_answered", "Jobs that a worker has answered, refusals included", figures.answered),
        ("jobs_busy", "Jobs that no worker had time for", figures.busy),
        ("jobs_crashed", "Jobs of which a worker died", figures.crashed),
        ("jobs_timed_out", "Jobs that ran into the time limit", figures.timed_out),
        ("workers_started", "Worker processes started", figures.started),
        ("worker_start_failures", "Worker processes that could not be started", figures.start_failures),
    ];
    let gauges = [
        ("jobs_queued", "Jobs that wait for a worker", figures.queued as u64),
        ("jobs_running", "Jobs that run", figures.running as u64),
        ("jobs_expected_bytes", "Memory that the running jobs are expected to need", figures.weight),
    ];
    register(registry, counters, gauges);
}

fn of_cache(figures: stowage_cache::Figures, registry: &mut Registry) {
    let counters = [
        ("hits", "Answers that were there", figures.memory_hits + figures.disk_hits),
        ("memory_hits", "Answers from memory", figures.memory_hits),
        ("misses", "Answers that had to be made", figures.misses),
        ("shared", "Requests that waited for what another one had made", figures.shared),
        ("stale", "Answers past their time", figures.stale),
        ("broken", "Entries found damaged", figures.broken),
        ("unwritten", "Entries that could not be written to disk", figures.unwritten),
        ("memory_evictions", "Entries that left memory for want of room", figures.memory_evictions),
        ("disk_evictions", "Entries that left the disk for want of room", figures.disk_evictions),
    ];
    let gauges = [
        ("memory_bytes", "Bytes in memory", figures.memory_bytes),
        ("disk_bytes", "Bytes on disk", figures.disk_bytes),
        ("memory_entries", "Entries in memory", figures.memory_entries),
        ("disk_entries", "Entries on disk", figures.disk_entries),
    ];
    register(registry, counters, gauges);
}

type Figure = (&'static str, &'static str, u64);

fn register(
    registry: &mut Registry,
    counters: impl IntoIterator<Item = Figure>,
    gauges: impl IntoIterator<Item = Figure>,
) {
    for (name, help, value) in counters {
        registry.register(name, help, ConstCounter::new(value));
    }
    for (name, help, value) in gauges {
        registry.register(name, help, ConstGauge::new(value));
    }
}
