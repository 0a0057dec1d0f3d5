//! Logs and figures.

use std::{fmt::Write, sync::atomic::AtomicI64, time::Duration};

use prometheus_client::{
    encoding::{
        EncodeLabelSet, EncodeLabelValue, LabelValueEncoder,
        text::{encode, encode_registry},
    },
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tracing_subscriber::{filter::LevelFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    config::{LogConfig, LogFormat},
    http::routes::Operation,
};

/// Starts logging to standard error. A second call does nothing.
pub fn init(config: &LogConfig) {
    let level = LevelFilter::from_level(config.level);
    let registry = tracing_subscriber::registry().with(level);
    let lines = fmt::layer().with_writer(std::io::stderr);
    // Libraries log requests with their URLs at debug level; only our own targets pass.
    let own = tracing_subscriber::filter::filter_fn(|metadata| metadata.target().starts_with("stowage"));
    let result = match config.format {
        LogFormat::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
            registry.with(own).with(lines.with_ansi(colours)).try_init()
        }
        LogFormat::Json => registry.with(own).with(lines.json().flatten_event(true)).try_init(),
    };
    if result.is_err() {
        tracing::debug!("logging was started before");
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: OperationLabel,
    status: u16,
}

/// The operation of the route, if one was found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct OperationLabel(Option<Operation>);

impl EncodeLabelValue for OperationLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        match self.0 {
            Some(operation) => write!(encoder, "{operation:?}"),
            None => encoder.write_str("none"),
        }
    }
}

/// Figures for `/metrics`.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Histogram,
    in_flight: Gauge<i64, AtomicI64>,
    connections: Gauge<i64, AtomicI64>,
    files_stored: Counter,
    bytes_stored: Counter,
    bytes_served: Counter,
    objects_collected: Counter,
    /// Contents whose provider sent something else than was stored.
    pub content_mismatches: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("stowage");
        let requests = Family::<RequestLabels, Counter>::default();
        registry.register("requests", "Requests answered, by operation and status", requests.clone());
        let seconds = Histogram::new([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0]);
        registry.register("request_seconds", "Time from request head to response head", seconds.clone());
        let in_flight = Gauge::default();
        registry.register("requests_in_flight", "Requests being answered", in_flight.clone());
        let connections = Gauge::default();
        registry.register("connections", "Open connections", connections.clone());
        let counter = |registry: &mut Registry, name, help| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let files_stored = counter(&mut registry, "files_stored", "Files stored or overwritten, durably");
        let bytes_stored = counter(&mut registry, "bytes_stored", "Bytes of those files");
        let bytes_served = counter(&mut registry, "bytes_served", "Bytes of file content handed to responses");
        let objects_collected =
            counter(&mut registry, "objects_collected", "Objects removed after their files were deleted or replaced");
        let content_mismatches = counter(
            &mut registry,
            "content_mismatches",
            "Reads cut off because the provider sent other bytes than were stored",
        );
        Self {
            registry,
            requests,
            seconds,
            in_flight,
            connections,
            files_stored,
            bytes_stored,
            bytes_served,
            objects_collected,
            content_mismatches,
        }
    }
}

/// Counts a request or a connection for as long as it lives.
pub struct Live(Gauge<i64, AtomicI64>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// OpenMetrics text, with the figures that others keep behind our own.
    pub fn encode(&self, others: impl FnOnce(&mut Registry)) -> String {
        let mut text = String::new();
        let mut registry = Registry::with_prefix("stowage");
        others(&mut registry);
        if let Err(error) = encode_registry(&mut text, &self.registry).and_then(|()| encode(&mut text, &registry)) {
            tracing::error!(%error, "the figures could not be written");
        }
        text
    }

    /// A request was answered.
    pub fn answered(&self, operation: Option<Operation>, status: u16, elapsed: Duration) {
        self.requests.get_or_create(&RequestLabels { operation: OperationLabel(operation), status }).inc();
        self.seconds.observe(elapsed.as_secs_f64());
    }

    /// A request began.
    pub fn request(&self) -> Live {
        self.in_flight.inc();
        Live(self.in_flight.clone())
    }

    /// A connection was accepted.
    pub fn connection(&self) -> Live {
        self.connections.inc();
        Live(self.connections.clone())
    }

    /// A file was stored durably.
    pub fn stored(&self, bytes: u64) {
        self.files_stored.inc();
        self.bytes_stored.inc_by(bytes);
    }

    /// File content went into a response.
    pub fn served(&self, bytes: u64) {
        self.bytes_served.inc_by(bytes);
    }

    /// Objects were removed.
    pub fn collected(&self, objects: u64) {
        self.objects_collected.inc_by(objects);
    }
}
