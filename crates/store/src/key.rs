//! Object keys (spec 01 §3) and the names of objects inside a store.

use stowage_core::{
    filename::FileName, handle::random_alphanumeric, location::ContainerName, storage_path::StoragePath,
};

use crate::random;

/// Characters of the random piece of a generated key (spec 01 §3): 119 bits, so that no generated key is written twice.
const RANDOM_PIECE: usize = 20;

/// Container and key of an object, as reported to clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectKey {
    container: ContainerName,
    key: String,
    exact: bool,
}

impl ObjectKey {
    /// Applies the key rule: no path → `<20 random>_<filename>`; folder → path + that; otherwise the path exactly.
    pub fn build(container: ContainerName, path: Option<&StoragePath>, filename: &FileName) -> Self {
        let exact = path.is_some_and(|path| !path.is_folder());
        let mut key = path.map_or_else(String::new, |path| path.as_str().to_owned());
        if !exact {
            key += &random_alphanumeric(RANDOM_PIECE, random::fill);
            key.push('_');
            key += filename.as_str();
        }
        Self { container, key, exact }
    }

    /// Names an existing object again (overwrite keeps the key).
    pub fn existing(container: ContainerName, key: String) -> Self {
        Self { container, key, exact: true }
    }

    /// Takes a key back that was built earlier and kept.
    pub fn restore(container: ContainerName, key: String, exact: bool) -> Self {
        Self { container, key, exact }
    }

    /// Bucket or container.
    pub fn container(&self) -> &ContainerName {
        &self.container
    }

    /// Key inside the container, no leading slash.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether the caller chose the whole key, so that it may be written more than once.
    pub fn is_exact(&self) -> bool {
        self.exact
    }
}

/// Names the bytes of one object inside its store; opaque to everyone but the driver; kept in the catalogue row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectId(String);

impl ObjectId {
    /// Takes an id back from the catalogue.
    pub fn from_catalogue(text: String) -> Self {
        Self(text)
    }

    /// The text to keep.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn build(path: &str, filename: &str) -> ObjectKey {
        ObjectKey::build(
            ContainerName::parse("files").expect("a good container name"),
            StoragePath::parse(path).expect("a good path").as_ref(),
            &FileName::parse(filename).expect("a good file name"),
        )
    }

    fn assert_random_piece(text: &str) {
        assert_eq!(text.len(), RANDOM_PIECE, "{text}");
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{text}");
    }

    #[test]
    fn without_a_path_the_key_is_a_random_piece_and_the_file_name() {
        let key = build("", "cat photo.jpg");
        let (random, name) = key.key().split_once('_').expect("an underscore");
        assert_random_piece(random);
        assert_eq!(name, "cat photo.jpg");
        assert!(!key.is_exact());
        assert_eq!(key.container().as_str(), "files");
    }

    #[test]
    fn a_folder_is_put_before_the_generated_name() {
        let key = build("/my files/2026/", "ünï.png");
        let rest = key.key().strip_prefix("my files/2026/").expect("the folder");
        let (random, name) = rest.split_once('_').expect("an underscore");
        assert_random_piece(random);
        assert_eq!(name, "ünï.png");
        assert!(!key.is_exact());
    }

    #[test]
    fn an_exact_path_is_the_key_and_the_file_name_is_ignored() {
        let key = build("/myfiles/1234.png", "other.jpg");
        assert_eq!(key.key(), "myfiles/1234.png");
        assert!(key.is_exact());
    }

    #[test]
    fn two_generated_keys_differ() {
        assert_ne!(build("", "a").key(), build("", "a").key());
    }

    #[test]
    fn an_existing_key_is_named_again_as_it_was() {
        let container = ContainerName::parse("files").expect("a good container name");
        let key = ObjectKey::existing(container, "abc_cat.jpg".to_owned());
        assert_eq!(key.key(), "abc_cat.jpg");
        assert!(key.is_exact());
    }

    proptest! {
        #[test]
        fn no_input_makes_a_key_that_leaves_its_container(
            path in "[a/.\\\\%2eEfF5cC é]{0,24}",
            filename in "[a/.\\\\%2e é\u{7f}]{0,24}",
        ) {
            let container = ContainerName::parse("files").expect("a good container name");
            if let (Ok(path), Ok(filename)) = (StoragePath::parse(&path), FileName::parse(&filename)) {
                let key = ObjectKey::build(container, path.as_ref(), &filename);
                for segment in key.key().split('/') {
                    prop_assert!(!matches!(segment, "" | "." | ".."), "{:?}", key.key());
                }
                prop_assert!(!key.key().contains('\\'));
                prop_assert!(!key.key().chars().any(char::is_control));
            }
        }
    }
}
