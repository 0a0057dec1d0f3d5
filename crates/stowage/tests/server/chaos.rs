//! Uploads that survive anything (threats C1–C13): random operations of many clients over all protocols, broken lines, and a server
//! that is killed at any moment.
//!
//! The operations are drawn from a seed. `STOWAGE_CHAOS_SEEDS=17` replays one, `STOWAGE_CHAOS_SEEDS=0..500` runs many.

mod client;
mod clock;
mod disk;
mod model;
mod provider;
mod steps;
mod upload;
mod wire;
mod world;

use std::ops::Range;

use self::world::World;
pub(crate) use crate::durability::Random;

/// Those that are asked for, or those that are run every time.
fn seeds(always: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var("STOWAGE_CHAOS_SEEDS") else { return always };
    let number = |text: &str| text.parse::<u64>().expect("STOWAGE_CHAOS_SEEDS is a number or a range such as 0..500");
    match text.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => number(&text)..number(&text) + 1,
    }
}

#[tokio::test]
async fn every_acknowledged_byte_is_in_the_one_file_of_its_upload() {
    for seed in seeds(0..6) {
        announce(seed);
        World::start(seed).await.run().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_byte_is_in_the_one_file_at_a_provider() {
    for seed in seeds(0..2) {
        announce(seed);
        World::start_at_provider(seed).await.run().await;
    }
}

#[expect(clippy::print_stderr, reason = "a failure must be repeatable")]
fn announce(seed: u64) {
    eprintln!("STOWAGE_CHAOS_SEEDS={seed}");
}
