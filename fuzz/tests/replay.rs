//! Replays every corpus on stable: each file as it is, and cut off after every byte.

use std::{fs, path::Path};

#[test]
fn every_corpus_passes_its_target() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in stowage_fuzz::TARGETS {
        let mut replayed = 0;
        for entry in fs::read_dir(corpora.join(name)).expect(name) {
            let path = entry.expect("a directory entry").path();
            let data = fs::read(&path).expect("a readable seed");
            for length in 0..=data.len() {
                target(&data[..length]);
            }
            replayed += 1;
        }
        assert!(replayed > 0, "the corpus of `{name}` is empty");
    }
}
