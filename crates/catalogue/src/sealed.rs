//! Sealing of secrets: ChaCha20-Poly1305 with a random nonce, bound to the row that holds the value.

use std::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::{
    error::{CatalogueError, Result},
    master_key::MasterKey,
    random::draw,
    types::{AppId, StoreId},
};

/// Where a sealed value lives. It is authenticated with the value, so that swapping values between rows is noticed.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    MasterKeyCheck,
    AppSecret(AppId),
    StoreConfig(StoreId),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MasterKeyCheck => formatter.write_str("master-key-check"),
            Self::AppSecret(id) => write!(formatter, "app-secret:{id}"),
            Self::StoreConfig(id) => write!(formatter, "store-config:{id}"),
        }
    }
}

/// Seals and opens values; the sealed form is nonce, ciphertext, tag.
pub(crate) struct Sealer(LessSafeKey);

impl Sealer {
    pub(crate) fn new(key: &MasterKey) -> Result<Self> {
        UnboundKey::new(&CHACHA20_POLY1305, key.bytes())
            .map(|key| Self(LessSafeKey::new(key)))
            .map_err(CatalogueError::internal)
    }

    pub(crate) fn seal(&self, place: Place, plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        draw(|fill| fill(&mut nonce))?;
        let mut text = plain.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.to_string()), &mut text)
            .map_err(CatalogueError::internal)?;
        Ok([nonce.as_slice(), &text].concat())
    }

    /// Fails with `WrongMasterKey` when the value was sealed under another key or for another place.
    pub(crate) fn open(&self, place: Place, sealed: &[u8]) -> Result<Vec<u8>> {
        let (nonce, text) = sealed.split_first_chunk().ok_or(CatalogueError::WrongMasterKey)?;
        let mut text = text.to_vec();
        let plain = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place.to_string()), &mut text)
            .map_err(|_| CatalogueError::WrongMasterKey)?;
        Ok(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(digit: &str) -> Sealer {
        let key = MasterKey::parse(&digit.repeat(64)).expect("key");
        Sealer::new(&key).expect("sealer")
    }

    #[test]
    fn opens_only_at_its_place_under_its_key() {
        let place = Place::AppSecret(1);
        let sealed = sealer("a").seal(place, b"secret").expect("seal");
        assert_eq!(sealer("a").open(place, &sealed).expect("open"), b"secret");
        for place in [Place::AppSecret(2), Place::StoreConfig(1), Place::MasterKeyCheck] {
            assert!(sealer("a").open(place, &sealed).is_err(), "{place}");
        }
        assert!(sealer("b").open(place, &sealed).is_err());
    }

    #[test]
    fn refuses_changed_and_short_values() {
        let place = Place::StoreConfig(9);
        let sealed = sealer("a").seal(place, b"secret").expect("seal");
        for length in 0..sealed.len() {
            assert!(sealer("a").open(place, &sealed[..length]).is_err());
        }
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(sealer("a").open(place, &changed).is_err());
        }
    }

    #[test]
    fn equal_texts_are_sealed_differently() {
        let seal = || sealer("a").seal(Place::AppSecret(1), b"secret").expect("seal");
        assert_ne!(seal(), seal());
    }
}
