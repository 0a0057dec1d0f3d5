//! Lenient reading of query strings and urlencoded forms as the official clients write them (spec 00 §5.5).

use percent_encoding::percent_decode_str;

/// Decoded pairs in order. `?&size=true`, `&&policy=`, missing `=`, raw `/` and UTF-8 are accepted; `+` and `%20` are spaces; bad percent signs stay literal;
/// invalid UTF-8 becomes U+FFFD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

/// More pairs than the given limit.
#[derive(Debug, thiserror::Error)]
#[error("more than {0} parameters")]
pub struct TooManyParameters(pub usize);

impl Query {
    /// Reads at most `limit` pairs.
    pub fn parse(raw: &str, limit: usize) -> Result<Self, TooManyParameters> {
        let raw = raw.strip_prefix('?').unwrap_or(raw);
        let mut pairs = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == limit {
                return Err(TooManyParameters(limit));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name), decode(value)));
        }
        Ok(Self(pairs))
    }
    /// First value of a name (names compared without regard to case); an empty value counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(given, value)| given.eq_ignore_ascii_case(name) && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
    /// Whether the first value is `true` (or `1`).
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }
    /// All pairs.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
    /// Builds one from decoded pairs (form fields).
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }
    /// Appends a pair; earlier ones win.
    pub fn push(&mut self, name: String, value: String) {
        self.0.push((name, value));
    }
}

fn decode(raw: &str) -> String {
    let spaced = raw.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn query(raw: &str) -> Query {
        Query::parse(raw, 100).expect("few pairs")
    }

    #[test]
    fn malformed_queries_of_real_clients_are_read() {
        assert!(query("?&size=true").flag("size"));
        assert_eq!(query("key=K&&policy=P&signature=S").get("policy"), Some("P"));
        assert_eq!(query("policy&signature").get("policy"), None);
        assert_eq!(query("path=/a/b c/&x").get("path"), Some("/a/b c/"));
        assert_eq!(query("policy=eyJ9Cg==").get("policy"), Some("eyJ9Cg=="));
    }

    #[test]
    fn values_are_decoded_once() {
        assert_eq!(query("a=b+c%20d%2Be").get("a"), Some("b c d+e"));
        assert_eq!(query("a=100%&b=%zz%4").get("a"), Some("100%"));
        assert_eq!(query("b=%zz%4").get("b"), Some("%zz%4"));
        assert_eq!(query("a=%252e").get("a"), Some("%2e"));
        assert_eq!(query("a=%ff").get("a"), Some("\u{fffd}"));
        assert_eq!(query("%6Bey=v").get("key"), Some("v"));
        assert_eq!(query("a=é").get("a"), Some("é"));
    }

    #[test]
    fn first_given_value_wins_and_empty_ones_do_not_count() {
        let read = query("a=&A=1&a=2&md5=false&sha1=1");
        assert_eq!(read.get("a"), Some("1"));
        assert!(!read.flag("md5") && read.flag("sha1") && !read.flag("absent"));
        assert_eq!(read.pairs().len(), 5);
    }

    #[test]
    fn pairs_are_limited() {
        assert!(Query::parse(&"a=1&".repeat(10), 10).is_ok());
        assert!(Query::parse(&"a=1&".repeat(11), 10).is_err());
    }

    proptest! {
        #[test]
        fn reading_never_fails_below_the_limit(raw in any::<String>()) {
            prop_assert!(Query::parse(&raw, raw.len() + 1).is_ok());
        }

        #[test]
        fn encoded_pairs_come_back(name in any::<String>(), value in any::<String>()) {
            let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
            let raw = format!("x=1&{}={}", encode(&name), encode(&value));
            let read = query(&raw);
            prop_assert_eq!(&read.pairs()[1], &(name, value));
        }
    }
}
