//! Address blocks.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// An address block such as `10.0.0.0/8` or `::1/128` (a bare address is its own block).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is not a [`Network`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The part before `/` is not an address.
    #[error("`{0}` is not an IPv4 or IPv6 address")]
    Address(String),
    /// The part after `/` is not a number of bits that fits the address.
    #[error("`{0}` is not a prefix length between 0 and {1}")]
    Prefix(String, u8),
    /// The address has bits set beyond its prefix, so that the block meant is doubtful.
    #[error("`{0}` has address bits beyond its prefix")]
    HostBits(String),
    /// IPv4 hidden in IPv6; checks look at the plain IPv4 address.
    #[error("`{0}` is an IPv4-mapped network: write it as IPv4")]
    Mapped(String),
}

impl Network {
    pub(crate) const fn v4(octets: [u8; 4], prefix: u8) -> Self {
        let [a, b, c, d] = octets;
        Self { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    pub(crate) const fn v6(segments: [u16; 8], prefix: u8) -> Self {
        let [a, b, c, d, e, f, g, h] = segments;
        Self { address: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), prefix }
    }

    /// Whether the address lies in the block; an IPv4-mapped IPv6 address is looked at as the IPv4 address it dials.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                u32::from(network) == u32::from(address) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                u128::from(network) == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address(address.to_owned()))?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(prefix) => parse_prefix(prefix, bits).ok_or_else(|| NetworkError::Prefix(prefix.to_owned(), bits))?,
        };
        if address.to_canonical() != address {
            return Err(NetworkError::Mapped(text.to_owned()));
        }
        let network = Self { address, prefix };
        if !network.contains(address) {
            return Err(NetworkError::HostBits(text.to_owned()));
        }
        Ok(network)
    }
}

/// Digits only: `u8::from_str` would take a sign.
fn parse_prefix(text: &str, bits: u8) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = text.parse().ok().filter(|prefix| *prefix <= bits)?;
    digits.then_some(prefix)
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(text: &str) -> Network {
        text.parse().expect("a network")
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn contains_exactly_its_block() {
        for (block, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("127.0.0.2", "127.0.0.2", "127.0.0.3"),
            ("100.64.0.0/10", "100.127.255.255", "100.128.0.0"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("fe80::/10", "febf:ffff::1", "fec0::"),
            ("::1", "::1", "::2"),
            ("::/0", "ffff::", "1.2.3.4"),
            ("127.0.0.2/32", "::ffff:127.0.0.2", "::127.0.0.2"),
        ] {
            assert!(network(block).contains(address(inside)), "{inside} in {block}");
            assert!(!network(block).contains(address(outside)), "{outside} not in {block}");
        }
    }

    #[test]
    fn errors_name_what_is_wrong() {
        for (text, complaint) in [
            ("", "`` is not an IPv4 or IPv6 address"),
            ("example.com", "`example.com` is not an IPv4 or IPv6 address"),
            ("127.1/8", "`127.1` is not an IPv4 or IPv6 address"),
            ("10.0.0.0/33", "`33` is not a prefix length between 0 and 32"),
            ("10.0.0.0/+8", "`+8` is not a prefix length between 0 and 32"),
            ("::/129", "`129` is not a prefix length between 0 and 128"),
            ("10.0.0.0/", "`` is not a prefix length between 0 and 32"),
            ("10.0.0.1/8", "`10.0.0.1/8` has address bits beyond its prefix"),
            ("::ffff:10.0.0.0/104", "`::ffff:10.0.0.0/104` is an IPv4-mapped network: write it as IPv4"),
        ] {
            let error = text.parse::<Network>().expect_err(text);
            assert_eq!(error.to_string(), complaint);
        }
    }

    proptest! {
        #[test]
        fn printed_form_reads_back(bits: u128, prefix in 0_u8..=128) {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            let address = Ipv6Addr::from(bits & mask);
            prop_assume!(address.to_ipv4_mapped().is_none());
            let block = Network { address: IpAddr::V6(address), prefix };
            prop_assert_eq!(network(&block.to_string()), block);
            prop_assert!(block.contains(IpAddr::V6(Ipv6Addr::from(bits))));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = text.parse::<Network>();
        }
    }
}
