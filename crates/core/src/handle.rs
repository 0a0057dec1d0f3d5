//! Public identifiers: file handles, API keys, application secrets (spec 00 §2).

use crate::text::{impl_text, impl_text_deserialize};
use std::{fmt, str::FromStr};
use subtle::ConstantTimeEq;

/// The alphabet of new identifiers.
pub const ALPHANUMERIC: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The alphabet of new application secrets.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

const HANDLE_LENGTH: usize = 20;
const SECRET_LENGTH: usize = 26;
const MAX_API_KEY_BYTES: usize = 64;

fn is_identifier_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Public identifier of one stored file: exactly 20 characters of `[A-Za-z0-9_-]`; new ones are alphanumeric.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle([u8; HANDLE_LENGTH]);

/// The text is not 20 characters of `[A-Za-z0-9_-]`.
#[derive(Debug, thiserror::Error)]
#[error("a file handle has 20 characters of A-Z, a-z, 0-9, `-` and `_`")]
pub struct InvalidHandle;

impl Handle {
    /// Reads a handle from user text.
    pub fn parse(text: &str) -> Result<Self, InvalidHandle> {
        let bytes: [u8; HANDLE_LENGTH] = text.as_bytes().try_into().map_err(|_| InvalidHandle)?;
        if bytes.into_iter().all(is_identifier_byte) { Ok(Self(bytes)) } else { Err(InvalidHandle) }
    }
    /// Draws a new handle; `fill` supplies random bytes.
    pub fn random(fill: impl FnMut(&mut [u8])) -> Self {
        let mut handle = [0; HANDLE_LENGTH];
        fill_alphanumeric(&mut handle, fill);
        Self(handle)
    }
    /// The 20 characters.
    pub fn as_str(&self) -> &str {
        // Every constructor admits ASCII only, so the fallback is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl_text!(Handle);
impl_text_deserialize!(Handle, Handle::parse);

impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Handle({})", self.as_str())
    }
}

impl FromStr for Handle {
    type Err = InvalidHandle;
    fn from_str(text: &str) -> Result<Self, InvalidHandle> {
        Self::parse(text)
    }
}

/// `length` uniformly drawn characters of [`ALPHANUMERIC`] (rejection sampling, no modulo bias).
pub fn random_alphanumeric(length: usize, fill: impl FnMut(&mut [u8])) -> String {
    let mut characters = vec![0; length];
    fill_alphanumeric(&mut characters, fill);
    characters.into_iter().map(char::from).collect()
}

fn fill_alphanumeric(target: &mut [u8], mut fill: impl FnMut(&mut [u8])) {
    // The largest multiple of 62 that fits a byte; higher draws would favour the first characters.
    const ACCEPTED: u8 = 248;
    let mut slots = target.iter_mut();
    let mut open = slots.next();
    while open.is_some() {
        let mut drawn = [0; 32];
        fill(&mut drawn);
        for byte in drawn.into_iter().filter(|byte| *byte < ACCEPTED) {
            let Some(slot) = open else { return };
            *slot = ALPHANUMERIC[usize::from(byte) % ALPHANUMERIC.len()];
            open = slots.next();
        }
    }
}

/// Public identifier of an application: opaque; new ones are `A` + 20 alphanumerics + `z`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiKey(String);

impl ApiKey {
    /// Any 1..=64 characters of `[A-Za-z0-9_-]`; `None` otherwise.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=MAX_API_KEY_BYTES).contains(&text.len()) && text.bytes().all(is_identifier_byte);
        fits.then(|| Self(text.to_owned()))
    }
    /// Draws a new key.
    pub fn random(fill: impl FnMut(&mut [u8])) -> Self {
        Self(format!("A{}z", random_alphanumeric(20, fill)))
    }
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl_text!(ApiKey);

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiKey({})", self.0)
    }
}

/// Private string of an application: keys the HMAC of policies and is the password of HTTP Basic user `app`.
/// Debug never shows it; comparison is constant-time.
#[derive(Clone)]
pub struct AppSecret(String);

impl AppSecret {
    /// Takes a secret as it was stored or typed.
    pub fn new(text: String) -> Self {
        Self(text)
    }
    /// Draws 26 upper-case base32 characters.
    pub fn random(mut fill: impl FnMut(&mut [u8])) -> Self {
        let mut drawn = [0; SECRET_LENGTH];
        fill(&mut drawn);
        let character = |byte: u8| char::from(BASE32[usize::from(byte) % BASE32.len()]);
        Self(drawn.into_iter().map(character).collect())
    }
    /// The secret text, for signing and for showing it to its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }
    /// Constant-time comparison with what a client sent.
    pub fn matches(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl fmt::Debug for AppSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AppSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up, wrapping: every byte value comes by.
    fn counter() -> impl FnMut(&mut [u8]) {
        let mut next = 0_u8;
        move |target| {
            for byte in target {
                *byte = next;
                next = next.wrapping_add(1);
            }
        }
    }

    #[test]
    fn handle_takes_exactly_twenty_word_characters() {
        for good in ["7xSJALUhSlCDCNujt5Ku", "____________________", "--------------------"] {
            assert_eq!(Handle::parse(good).expect(good).as_str(), good);
        }
        for bad in [
            "",
            "7xSJALUhSlCDCNujt5K",
            "7xSJALUhSlCDCNujt5Kuu",
            "7xSJALUhSlCDCNujt5K/",
            "7xSJALUhSlCDCNujt5é",
            "7xSJALUhSlCDCNujt5K\n",
        ] {
            assert!(Handle::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn handle_travels_through_json() {
        let handle = Handle::parse("7xSJALUhSlCDCNujt5Ku").expect("a handle");
        let json = serde_json::to_string(&handle).expect("serialises");
        assert_eq!(json, "\"7xSJALUhSlCDCNujt5Ku\"");
        assert_eq!(serde_json::from_str::<Handle>(&json).expect("reads back"), handle);
        assert!(serde_json::from_str::<Handle>("\"short\"").is_err());
    }

    #[test]
    fn random_identifiers_have_the_documented_shape() {
        assert!(Handle::parse(Handle::random(counter()).as_str()).is_ok());
        let key = ApiKey::random(counter());
        assert_eq!(key.as_str().len(), 22);
        assert!(key.as_str().starts_with('A') && key.as_str().ends_with('z'));
        let secret = AppSecret::random(counter());
        assert_eq!(secret.expose().len(), 26);
        assert!(secret.expose().bytes().all(|byte| BASE32.contains(&byte)));
    }

    #[test]
    fn random_characters_are_drawn_without_modulo_bias() {
        let drawn = random_alphanumeric(248, counter());
        for character in ALPHANUMERIC {
            let seen = drawn.bytes().filter(|byte| byte == character).count();
            assert_eq!(seen, 4, "{}", char::from(*character));
        }
    }

    #[test]
    fn api_key_is_any_short_identifier() {
        assert!(ApiKey::parse("AexampleKey0000000000z").is_some());
        assert!(ApiKey::parse("a").is_some());
        for bad in ["", "a b", "a/b", "é", &"a".repeat(65)] {
            assert!(ApiKey::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn secret_compares_whole_and_stays_out_of_debug_output() {
        let secret = AppSecret::new("Y5IXBFZ7EXAMPLESECRET2345".to_owned());
        assert!(secret.matches("Y5IXBFZ7EXAMPLESECRET2345"));
        assert!(!secret.matches("Y5IXBFZ7EXAMPLESECRET234"));
        assert!(!secret.matches(""));
        assert!(!format!("{secret:?}").contains("Y5IX"));
    }
}
