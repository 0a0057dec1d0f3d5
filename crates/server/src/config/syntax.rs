//! How setting values are written: one [`Syntax`] per kind of value, shared by the file, the environment and the printed configuration.

use std::{net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use stowage_fetch::Network;
use toml::Value;

use super::{
    DevelopmentHost, LogFormat,
    units::{parse_duration, parse_size, show_duration, show_size},
};

/// Reading and writing of one kind of value.
pub(super) struct Syntax<T: 'static> {
    /// What the reference calls it.
    pub(super) name: &'static str,
    /// Reads it; the error says what is wrong, never repeating a secret.
    pub(super) parse: fn(&str) -> Result<T, String>,
    /// Writes it so that `parse` reads it again; `None` when it is not set.
    pub(super) show: fn(&T) -> Option<Value>,
}

/// hyper refuses smaller head buffers.
const MIN_HEADER_BYTES: u64 = 8192;

pub(super) const ADDRESS: Syntax<SocketAddr> = Syntax {
    name: "address",
    parse: |text| {
        text.parse()
            .map_err(|_| format!("`{text}` is not an address with a port, such as 127.0.0.1:8080 or [::1]:8080"))
    },
    show: |value| Some(Value::String(value.to_string())),
};

pub(super) const PATH: Syntax<PathBuf> = Syntax {
    name: "path",
    parse: |text| non_empty(text).map(PathBuf::from),
    show: |value| Some(Value::String(value.display().to_string())),
};

pub(super) const OPTIONAL_ADDRESS: Syntax<Option<SocketAddr>> = Syntax {
    name: ADDRESS.name,
    parse: |text| if text.is_empty() { Ok(None) } else { (ADDRESS.parse)(text).map(Some) },
    show: |value| value.as_ref().and_then(ADDRESS.show),
};

pub(super) const OPTIONAL_PATH: Syntax<Option<PathBuf>> = Syntax {
    name: PATH.name,
    parse: |text| if text.is_empty() { Ok(None) } else { (PATH.parse)(text).map(Some) },
    show: |value| value.as_ref().and_then(PATH.show),
};

pub(super) const DEVELOPMENT_HOST: Syntax<Option<DevelopmentHost>> = Syntax {
    name: "name, or name with port",
    parse: |text| if text.is_empty() { Ok(None) } else { text.parse().map(Some) },
    show: |value| value.as_ref().map(|host| Value::String(host.to_string())),
};

pub(super) const MASTER_KEY: Syntax<Option<String>> = Syntax {
    name: "key",
    parse: |text| {
        stowage_catalogue::MasterKey::parse(text)?;
        Ok(Some(text.to_owned()))
    },
    show: |value| value.clone().map(Value::String),
};

/// A base URL whose routes may lie below a path.
pub(super) const BASE_URL: Syntax<Option<String>> =
    Syntax { name: "URL", parse: base_url, show: |value| value.clone().map(Value::String) };

/// The base of emitted file URLs.
pub(super) const HOST_URL: Syntax<Option<String>> = Syntax {
    name: "URL without path",
    parse: |text| match base_url(text)? {
        Some(base) if base.matches('/').count() > 2 => Err(format!(
            "`{text}` has a path; file URLs must be scheme://host/HANDLE, because the Java client takes the fourth piece between slashes as the handle"
        )),
        base => Ok(base),
    },
    show: |value| value.clone().map(Value::String),
};

/// A time that may not be zero.
pub(super) const TIMEOUT: Syntax<Duration> = Syntax {
    name: "duration",
    parse: |text| match parse_duration(text)? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        timeout => Ok(timeout),
    },
    show: |value| Some(show_duration(*value)),
};

/// A time that may be zero.
pub(super) const WAIT: Syntax<Duration> =
    Syntax { name: "duration", parse: parse_duration, show: |value| Some(show_duration(*value)) };

pub(super) const SIZE: Syntax<u64> =
    Syntax { name: "size", parse: |text| at_least(1, parse_size(text)?), show: |value| Some(show_size(*value)) };

/// A size per second; 0 switches the limit off.
pub(super) const RATE: Syntax<u64> = Syntax { name: "size", parse: parse_size, show: |value| Some(show_size(*value)) };

/// A size of something that is held in memory.
pub(super) const BUFFER: Syntax<usize> = Syntax {
    name: "size",
    parse: |text| to_usize(at_least(1, parse_size(text)?)?),
    show: |value| Some(show_size(*value as u64)),
};

pub(super) const HEADER_BUFFER: Syntax<usize> =
    Syntax { name: "size", parse: |text| to_usize(at_least(MIN_HEADER_BYTES, parse_size(text)?)?), show: BUFFER.show };

/// How many; at least one.
pub(super) const COUNT: Syntax<usize> = Syntax {
    name: "number",
    parse: |text| to_usize(at_least(1, number(text)?)?),
    show: |value| i64::try_from(*value).ok().map(Value::Integer),
};

/// How many; none is allowed.
pub(super) const COUNT_OR_NONE: Syntax<usize> =
    Syntax { name: "number", parse: |text| to_usize(number(text)?), show: COUNT.show };

pub(super) const BOOLEAN: Syntax<bool> = Syntax {
    name: "boolean",
    parse: |text| text.parse().map_err(|_| format!("`{text}` is neither `true` nor `false`")),
    show: |value| Some(Value::Boolean(*value)),
};

pub(super) const NETWORKS: Syntax<Vec<Network>> = Syntax {
    name: "list of networks",
    parse: |text| list(text, |item| Network::from_str(item).map_err(|error| format!("`{item}`: {error}"))),
    show: |value| Some(show_list(value.iter().map(|network| network.to_string().into()))),
};

pub(super) const PORTS: Syntax<Vec<u16>> = Syntax {
    name: "list of ports",
    parse: |text| {
        list(text, |item| match item.parse() {
            Ok(0) | Err(_) => Err(format!("`{item}` is not a port between 1 and 65535")),
            Ok(port) => Ok(port),
        })
    },
    show: |value| Some(show_list(value.iter().map(|port| i64::from(*port).into()))),
};

pub(super) const LOG_FORMAT: Syntax<LogFormat> = Syntax {
    name: "`text` or `json`",
    parse: |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("`{text}` is neither `text` nor `json`")),
    },
    show: |value| {
        Some(Value::from(match value {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }))
    },
};

pub(super) const LOG_LEVEL: Syntax<tracing::Level> = Syntax {
    name: "`error`, `warn`, `info`, `debug` or `trace`",
    parse: |text| match text {
        "error" => Ok(tracing::Level::ERROR),
        "warn" => Ok(tracing::Level::WARN),
        "info" => Ok(tracing::Level::INFO),
        "debug" => Ok(tracing::Level::DEBUG),
        "trace" => Ok(tracing::Level::TRACE),
        _ => Err(format!("`{text}` is not one of error, warn, info, debug, trace")),
    },
    show: |value| Some(Value::String(value.as_str().to_ascii_lowercase())),
};

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number"))
}

fn at_least(minimum: u64, value: u64) -> Result<u64, String> {
    if value < minimum {
        return Err(format!("must be at least {minimum}"));
    }
    Ok(value)
}

fn to_usize(value: u64) -> Result<usize, String> {
    usize::try_from(value).map_err(|_| format!("{value} is too large"))
}

fn non_empty(text: &str) -> Result<&str, String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    Ok(text)
}

fn list<T>(text: &str, item: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(item).collect()
}

fn base_url(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let url = url::Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{text}` does not begin with http:// or https://"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("`{text}` must not have a query or a fragment"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password".to_owned());
    }
    Ok(Some(url.as_str().trim_end_matches('/').to_owned()))
}

fn show_list(items: impl Iterator<Item = Value>) -> Value {
    Value::Array(items.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_may_not_be_zero_but_waits_may() {
        assert!((TIMEOUT.parse)("0s").is_err());
        assert_eq!((WAIT.parse)("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn base_urls_lose_their_trailing_slash_and_nothing_else_is_accepted() {
        let parse = BASE_URL.parse;
        assert_eq!(parse("https://files.example.com/"), Ok(Some("https://files.example.com".to_owned())));
        assert_eq!(parse("http://example.com:8080/files/"), Ok(Some("http://example.com:8080/files".to_owned())));
        assert_eq!(parse(""), Ok(None));
        for wrong in [
            "example.com",
            "ftp://example.com",
            "http://",
            "http://example.com/?a=1",
            "http://example.com/#a",
            "http://user:word@example.com",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn the_delivery_base_has_no_path() {
        let parse = HOST_URL.parse;
        assert_eq!(parse("https://cdn.example.com/"), Ok(Some("https://cdn.example.com".to_owned())));
        let error = parse("https://example.com/cdn").expect_err("a path");
        assert!(error.contains("Java"), "{error}");
    }

    #[test]
    fn lists_are_comma_separated() {
        assert_eq!((PORTS.parse)("80, 443"), Ok(vec![80, 443]));
        assert_eq!((PORTS.parse)(""), Ok(vec![]));
        assert!((PORTS.parse)("0").is_err());
        assert!((PORTS.parse)("65536").is_err());
    }
}
