//! Names of local objects: `<2 hex>/<generation>-<24 lower-case alphanumerics>`, the path below `objects/`.

use std::{fmt, num::ParseIntError};

use stowage_core::handle::random_alphanumeric;

use crate::random;

/// Lower-casing 24 characters of base 62 leaves 122 bits.
const RANDOM_PIECE: usize = 24;

/// A name that is safe to use as a path: it was drawn here or fits the grammar to the last byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ObjectName {
    pub(super) shard: u8,
    pub(super) generation: u64,
    /// Name inside the shard directory.
    pub(super) file: String,
}

impl ObjectName {
    pub(super) fn random(shard: u8, generation: u64) -> Self {
        let piece = random_alphanumeric(RANDOM_PIECE, random::fill).to_ascii_lowercase();
        Self { shard, generation, file: format!("{generation}-{piece}") }
    }

    /// Reads an id of the catalogue; `None` for anything that this store never wrote.
    pub(super) fn parse(id: &str) -> Option<Self> {
        let (shard, file) = id.split_once('/')?;
        Self::in_shard(parse_shard(shard)?, file)
    }

    /// Reads the name of a file found in a shard directory.
    pub(super) fn in_shard(shard: u8, file: &str) -> Option<Self> {
        let (generation, piece) = file.split_once('-')?;
        let random =
            piece.len() == RANDOM_PIECE && piece.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
        random.then_some(())?;
        Some(Self { shard, generation: parse_canonical(generation).ok()??, file: file.to_owned() })
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", shard_name(self.shard), self.file)
    }
}

/// Directory name of a shard.
pub(super) fn shard_name(shard: u8) -> String {
    format!("{shard:02x}")
}

/// Reads the name of a shard directory.
pub(super) fn parse_shard(name: &str) -> Option<u8> {
    let shard = u8::from_str_radix(name, 16).ok()?;
    (shard_name(shard) == name).then_some(shard)
}

/// A number in the one way this store writes it: no sign, no leading zero.
fn parse_canonical(text: &str) -> Result<Option<u64>, ParseIntError> {
    let number: u64 = text.parse()?;
    Ok((number.to_string() == text).then_some(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PIECE: &str = "abcdefghijklmnopqrstuvwx";

    #[test]
    fn a_drawn_name_reads_back() {
        for generation in [0, 7, u64::MAX] {
            let name = ObjectName::random(0xa5, generation);
            assert_eq!(ObjectName::parse(&name.to_string()), Some(name));
        }
    }

    #[test]
    fn hostile_and_malformed_ids_are_not_names() {
        for id in [
            String::new(),
            "..".to_owned(),
            "../../../etc/passwd".to_owned(),
            "/etc/passwd".to_owned(),
            format!("AB/1-{PIECE}"),
            format!("+a/1-{PIECE}"),
            format!("a/1-{PIECE}"),
            format!("abc/1-{PIECE}"),
            format!("../1-{PIECE}"),
            format!("ab/01-{PIECE}"),
            format!("ab/+1-{PIECE}"),
            format!("ab/-{PIECE}"),
            format!("ab/18446744073709551616-{PIECE}"),
            format!("ab/1-{PIECE}x"),
            format!("ab/1-{PIECE}\0"),
            format!("ab/1-{PIECE}\n"),
            format!("ab/1-{}", &PIECE[1..]),
            format!("ab/1-../{}", &PIECE[3..]),
            format!("ab/1-{}", PIECE.to_uppercase()),
            format!("ab/../ab/1-{PIECE}"),
            format!("ab//1-{PIECE}"),
            format!("ab/1-é{}", &PIECE[2..]),
        ] {
            assert_eq!(ObjectName::parse(&id), None, "{id:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_reads_as_a_name_is_a_plain_path_of_two_segments(id in "[0-9a-f/.-]{0,8}[a-z0-9./-]{20,28}") {
            if let Some(name) = ObjectName::parse(&id) {
                prop_assert_eq!(name.to_string(), id.clone());
                prop_assert_eq!(id.matches('/').count(), 1);
                prop_assert!(!id.contains('.'));
            }
        }
    }
}
