//! Any history of calls, against the simplest model: what was put last, unless it was purged or is past its time.

use std::{collections::HashMap, time::Duration};

use proptest::prelude::*;
use stowage_cache::{Cache, Freshness, Id, Made, Owner, Settings, Tag};

use crate::support::{Bench, Refused, content, id, made};

#[derive(Clone, Debug)]
enum Step {
    Put { id: Id, size: usize, tags: Vec<u8>, lives: Option<u64> },
    Get(Id),
    GetOrMake { id: Id, size: usize, tags: Vec<u8> },
    Remove(Id),
    PurgeTag(u8),
    PurgeOwner(i64),
    Pass(u64),
    Restart { wait: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ids = || (0..3i64, 0..8u32).prop_map(|(owner, number)| id(owner, number));
    let sizes = || prop_oneof![0..200usize, 900..1_100usize, 1..40_000usize];
    let tags = || prop::collection::vec(0..4u8, 0..3);
    let step = prop_oneof![
        6 => (ids(), sizes(), tags(), prop::option::of(1..50u64))
            .prop_map(|(id, size, tags, lives)| Step::Put { id, size, tags, lives }),
        6 => ids().prop_map(Step::Get),
        4 => (ids(), sizes(), tags()).prop_map(|(id, size, tags)| Step::GetOrMake { id, size, tags }),
        1 => ids().prop_map(Step::Remove),
        1 => (0..4u8).prop_map(Step::PurgeTag),
        1 => (0..3i64).prop_map(Step::PurgeOwner),
        1 => (1..30u64).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(|wait| Step::Restart { wait }),
    ];
    prop::collection::vec(step, 1..60)
}

fn tag(number: u8) -> Tag {
    Tag::new(&format!("tag:{number}"))
}

/// What an entry has to be if it is there.
struct Known {
    content: Vec<u8>,
    tags: Vec<u8>,
    until: Option<u64>,
}

struct Run {
    bench: Bench,
    settings: Settings,
    cache: Option<Cache<Refused>>,
    known: HashMap<Id, Known>,
    loading: bool,
    now: u64,
    puts: u32,
}

impl Run {
    fn cache(&self) -> &Cache<Refused> {
        self.cache.as_ref().expect("open")
    }

    fn body(&mut self, size: usize) -> Vec<u8> {
        self.puts += 1;
        self.puts.to_le_bytes().into_iter().cycle().take(size).collect()
    }

    fn expected(&self, id: Id) -> Option<&[u8]> {
        let known = self.known.get(&id)?;
        known.until.is_none_or(|until| self.now < until).then_some(known.content.as_slice())
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Put { id, size, tags, lives } => {
                let content = self.body(size);
                let freshness =
                    lives.map_or(Freshness::FOREVER, |lives| Freshness::fresh_for(Duration::from_secs(lives)));
                let given: Vec<Tag> = tags.iter().map(|number| tag(*number)).collect();
                let result = Made { freshness, ..made(content.clone()) };
                self.cache().put(id, &given, result).await.expect("a result");
                self.known.insert(id, Known { content, tags, until: lives.map(|lives| self.now + lives) });
            }
            Step::Get(id) => {
                if let Some(entry) = self.cache().get(id).await {
                    assert_eq!(Some(content(&entry).as_slice()), self.expected(id));
                }
            }
            Step::GetOrMake { id, size, tags } => {
                let fresh = self.body(size);
                let given: Vec<Tag> = tags.iter().map(|number| tag(*number)).collect();
                let result = made(fresh.clone());
                let make = || async move { Ok(result) };
                let (entry, outcome) = self.cache().get_or_make(id, &given, make).await.expect("a result");
                if outcome == stowage_cache::Outcome::Made {
                    self.known.insert(id, Known { content: fresh, tags, until: None });
                }
                assert_eq!(Some(content(&entry).as_slice()), self.expected(id));
            }
            Step::Remove(id) => {
                self.cache().remove(id).await;
                self.known.remove(&id);
            }
            Step::PurgeTag(number) => {
                self.cache().purge_tag(tag(number)).await;
                self.known.retain(|_, known| !known.tags.contains(&number));
            }
            Step::PurgeOwner(owner) => {
                self.cache().purge_owner(Owner(owner)).await;
                self.known.retain(|id, _| id.owner != Owner(owner));
            }
            Step::Pass(seconds) => {
                self.bench.pass(seconds);
                self.now += seconds;
            }
            Step::Restart { wait } => {
                // A purge reaches the files of earlier runs only when they are loaded.
                self.cache().loaded().await;
                self.cache = None;
                self.cache = Some(self.bench.open(self.settings.clone()));
                self.loading = !wait;
                if wait {
                    self.cache().loaded().await;
                }
            }
        }
    }

    /// The figures are within the bounds, and are those of the files.
    fn check(&self) {
        let figures = self.cache().figures();
        assert!(figures.disk_bytes <= self.settings.disk_bytes && figures.memory_bytes <= self.settings.memory_bytes);
        assert!(self.bench.drafts().is_empty());
        let files = self.bench.files();
        let blocks = files.iter().map(|path| path.metadata().map_or(0, |metadata| metadata.len().div_ceil(4096)));
        assert!(blocks.sum::<u64>() * 4096 <= self.settings.disk_bytes);
        if !self.loading {
            assert_eq!(figures.disk_entries, files.len() as u64);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_history_gives_what_was_put_last_or_nothing(
        steps in steps(), disk_blocks in 0..40u64, memory_bytes in 0..8_000u64, owner_share in 0.0..1.0f64,
    ) {
        let disk_bytes = disk_blocks * 4096;
        let settings = Settings { disk_bytes, disk_entries: 20, memory_bytes, memory_body: 1_000, owner_share };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let bench = Bench::new();
            let cache = Some(bench.open(settings.clone()));
            let mut run = Run { bench, settings, cache, known: HashMap::new(), loading: false, now: 0, puts: 0 };
            for step in steps {
                run.step(step).await;
                run.check();
            }
            run.cache().loaded().await;
            run.loading = false;
            run.check();
            for owner in 0..3 {
                run.cache().purge_owner(Owner(owner)).await;
            }
            let figures = run.cache().figures();
            assert_eq!((figures.disk_bytes, figures.memory_bytes, run.bench.files().len()), (0, 0, 0));
        });
    }
}
