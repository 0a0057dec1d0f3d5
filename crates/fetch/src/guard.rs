//! The rules: which URL may be asked for and which address may be dialled.

use std::net::IpAddr;

use url::{Host, Url};

use crate::{
    FetchError,
    address::{embedded, special_purpose},
    network::Network,
};

/// Ports on which an HTTP request could be taken for commands of another protocol: the bad ports of the WHATWG Fetch standard,
/// and Redis (6379) and memcached (11211), which run every line they understand (threat A10).
const BAD_PORTS: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211,
];

/// Addresses that a port may be dialled on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The public internet and the allowed networks.
    Public,
    /// The allowed networks only: the port is not one of [`crate::FetchConfig::ports`].
    AllowedOnly,
}

/// A URL that passed the checks which need no name resolution.
pub(crate) struct CheckedUrl {
    pub(crate) url: Url,
    pub(crate) reach: Reach,
}

/// The configured rules.
pub(crate) struct Guard {
    pub(crate) allow: Vec<Network>,
    pub(crate) ports: Vec<u16>,
}

impl Guard {
    /// Reads the URL a user gave. Errors: invalid URL, forbidden.
    pub(crate) fn check_url(&self, text: &str) -> Result<CheckedUrl, FetchError> {
        refuse_ambiguous(text)?;
        let url = Url::parse(text).map_err(|error| FetchError::invalid_url(format!("unreadable url: {error}")))?;
        self.check(url)
    }

    /// Reads the target of a redirect, which is as hostile as the first URL. Error: forbidden.
    pub(crate) fn check_redirect(&self, base: &Url, location: &str) -> Result<CheckedUrl, FetchError> {
        refuse_ambiguous(location)
            .and_then(|()| {
                base.join(location).map_err(|error| FetchError::invalid_url(format!("unreadable location: {error}")))
            })
            .and_then(|url| self.check(url))
            .map_err(|error| FetchError::forbidden(format!("redirect: {}", error.detail())))
    }

    fn check(&self, mut url: Url) -> Result<CheckedUrl, FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::invalid_url(format!("scheme {}", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::invalid_url("url with user name or password"));
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(FetchError::invalid_url("url without host"));
        };
        let reach = self.reach(port)?;
        // The resolver is never asked about a literal address.
        match host {
            Host::Ipv4(address) => self.check_address(IpAddr::V4(address), reach)?,
            Host::Ipv6(address) => self.check_address(IpAddr::V6(address), reach)?,
            Host::Domain(_) => {}
        }
        url.set_fragment(None);
        Ok(CheckedUrl { url, reach })
    }

    fn reach(&self, port: u16) -> Result<Reach, FetchError> {
        if BAD_PORTS.contains(&port) {
            return Err(FetchError::forbidden(format!("port {port}")));
        }
        if self.ports.is_empty() || self.ports.contains(&port) {
            return Ok(Reach::Public);
        }
        if self.allow.is_empty() {
            return Err(FetchError::forbidden(format!("port {port}")));
        }
        Ok(Reach::AllowedOnly)
    }

    /// Whether the address may be dialled on a port of that reach. Error: forbidden.
    pub(crate) fn check_address(&self, address: IpAddr, reach: Reach) -> Result<(), FetchError> {
        let address = address.to_canonical();
        if !self.allow.iter().any(|network| network.contains(address)) {
            if reach == Reach::AllowedOnly {
                return Err(FetchError::forbidden(format!("{address}: port not permitted")));
            }
            if let Some(purpose) = special_purpose(address) {
                return Err(FetchError::forbidden(format!("{address} is {purpose}")));
            }
        }
        if let IpAddr::V6(outer) = address {
            for inner in embedded(outer) {
                self.check_address(IpAddr::V4(inner), reach)?;
            }
        }
        Ok(())
    }
}

/// WHATWG parsing drops tabs and newlines and reads `\` as `/`; other readers of the same text do not (threat A8).
fn refuse_ambiguous(text: &str) -> Result<(), FetchError> {
    if text.chars().any(|character| character.is_control() || character == '\\') {
        return Err(FetchError::invalid_url("url with a control character or backslash"));
    }
    Ok(())
}

/// Whether request headers meant for `from` may go to `to`.
pub(crate) fn keeps_headers(from: &Url, to: &Url) -> bool {
    from.host() == to.host()
        && from.port_or_known_default() == to.port_or_known_default()
        && !(from.scheme() == "https" && to.scheme() == "http")
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
