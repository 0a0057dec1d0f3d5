use proptest::prelude::*;

use super::*;
use crate::FetchErrorKind;

fn guard(allow: &[&str], ports: &[u16]) -> Guard {
    Guard { allow: allow.iter().map(|network| network.parse().expect("a network")).collect(), ports: ports.to_vec() }
}

fn kind(checked: Result<CheckedUrl, FetchError>) -> Option<FetchErrorKind> {
    checked.err().map(|error| error.kind())
}

fn permits(guard: &Guard, address: &str) -> bool {
    let address = address.parse().expect("an address");
    guard.check_address(address, Reach::Public).is_ok()
}

#[test]
fn public_addresses_are_permitted() {
    let guard = guard(&[], &[]);
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2600::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2a00:1450:4001:80b::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
        "2001:0:808:808:0:0:f7f7:f7f7",
        "2a00:1450::5efe:8.8.8.8",
    ] {
        assert!(permits(&guard, address), "{address} is public");
    }
}

/// Threats A1–A3.
#[test]
fn special_addresses_are_refused() {
    let guard = guard(&[], &[]);
    for address in [
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.0.0",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "100::1",
        "100:0:0:1::1",
        "1fff::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:1ff::1",
        "2001:db8::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "feff::1",
        "ff02::1",
        "ff0e::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "::8.8.8.8",
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::8.8.8.8",
        "64:ff9b:1::127.0.0.1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        // Teredo: internal server, then internal client (10.0.0.1 with every bit flipped).
        "2001:0:7f00:1:0:0:f7f7:f7f7",
        "2001:0:808:808:0:0:f5ff:fffe",
        "2a00:1450::5efe:127.0.0.1",
        "2a00:1450::200:5efe:192.168.0.1",
        "2a00:1450::300:5efe:10.1.2.3",
    ] {
        assert!(!permits(&guard, address), "{address} is not public");
    }
}

#[test]
fn allowed_networks_are_permitted_and_nothing_beside_them() {
    let guard = guard(&["127.0.0.2/32", "::1/128", "fd00::/8", "64:ff9b:1::/48", "2002::/16"], &[]);
    for address in [
        "127.0.0.2",
        "::ffff:127.0.0.2",
        "::1",
        "fd12::1",
        "64:ff9b::127.0.0.2",
        "64:ff9b:1::8.8.8.8",
        "2002:7f00:2::1",
    ] {
        assert!(permits(&guard, address), "{address} is allowed");
    }
    for address in [
        "127.0.0.1",
        "127.0.0.3",
        "::2",
        "::127.0.0.2",
        "fc00::1",
        // The block is allowed, the address inside is not.
        "64:ff9b:1::127.0.0.1",
        "2002:7f00:1::1",
        "fd12::5efe:127.0.0.1",
    ] {
        assert!(!permits(&guard, address), "{address} is not allowed");
    }
}

/// Threats A1 and A2: whatever way an address is written, the parser that decides is the one that dials.
#[test]
fn literal_addresses_are_refused_in_every_spelling() {
    let guard = guard(&["127.0.0.2/32"], &[]);
    for url in [
        "http://127.0.0.1:8080/",
        "http://127.0.0.1.:8080/",
        "http://127.1/",
        "http://127.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0x7f000001/",
        "http://0X7F.0.0.0x1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://0/",
        "http://0.0.0.0/",
        "http://127.0.0.%31/",
        "http://%31%32%37.0.0.1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://127。0。0。1/",
        "HTTP://127.0.0.1/",
        "http:127.0.0.1",
        "http:///127.0.0.1",
        "http://127.0.0.1?@example.com",
        "http://127.0.0.3#@example.com/",
        "http://[::1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::FFFF:7F00:1]/",
        "http://[::127.0.0.1]/",
        "http://[2002:7f00:1::]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b:1::7f00:1]/",
        "http://[2001:0:7f00:1::f7f7:f7f7]/",
        "http://[2001:0:808:808::80ff:fffe]/",
        "http://[2a00::5efe:7f00:1]/",
        "http://[fe80::1]/",
        "https://169.254.169.254/latest/meta-data/",
    ] {
        assert_eq!(kind(guard.check_url(url)), Some(FetchErrorKind::Forbidden), "{url}");
    }
}

/// Threat A8.
#[test]
fn ambiguous_urls_are_invalid() {
    let guard = guard(&["127.0.0.2/32"], &[]);
    for url in [
        "",
        "127.0.0.2",
        "//127.0.0.2/",
        "/etc/passwd",
        "http://",
        "http://:80/",
        "http://127.0.0.2:65536/",
        "http://127.0.0.2:80:80/",
        "http://127.0.0.256/",
        "http://[fe80::1%25lo]/",
        "http://[fe80::1%lo]/",
        "http://[::1/",
        "http://127.0.0.2@127.0.0.3/",
        "http://127.0.0.2:80@127.0.0.3/",
        "http://user@127.0.0.2/",
        "http://:secret@127.0.0.2/",
        "http://127.0.0.2\\@127.0.0.3/",
        "http:\\\\127.0.0.2",
        "http://127.0.0.2/\\path",
        "http://127.0.0\t.2/",
        "http://127.0.0.2/\r\nSET key value\r\n",
        "ht\ntp://127.0.0.2/",
        "http://127.0.0.2/\0",
        "http://127.0.0.2/\u{7f}",
        "http://127.0.0.2/\u{85}",
        "http://exa mple.com/",
        "http://exa%00mple.com/",
        "file:///etc/passwd",
        "ftp://127.0.0.2/",
        "gopher://127.0.0.2/",
        "data:text/plain,hello",
        "javascript:alert(1)",
        "blob:http://127.0.0.2/",
        "ws://127.0.0.2/",
    ] {
        assert_eq!(kind(guard.check_url(url)), Some(FetchErrorKind::InvalidUrl), "{url:?}");
    }
}

/// Threats A9 and A10.
#[test]
fn ports_follow_the_policy() {
    let guarded = guard(&["127.0.0.2/32"], &[80, 443]);
    for (url, refused) in [
        ("http://8.8.8.8/", false),
        ("https://8.8.8.8/", false),
        ("http://8.8.8.8:443/", false),
        ("http://8.8.8.8:8080/", true),
        ("http://127.0.0.2:8080/", false),
        ("http://127.0.0.2:65535/", false),
        ("http://127.0.0.2:0/", true),
        ("http://127.0.0.2:22/", true),
        ("http://127.0.0.2:25/", true),
        ("http://127.0.0.2:6379/", true),
        ("http://127.0.0.2:6667/", true),
        ("http://127.0.0.2:11211/", true),
        ("http://example.com:25/", true),
        ("http://example.com:80/", false),
        ("http://127.0.0.2.evil.example/", false),
        ("http://127.0.0.3/?next=http://127.0.0.2/", true),
    ] {
        let expected = refused.then_some(FetchErrorKind::Forbidden);
        assert_eq!(kind(guarded.check_url(url)), expected, "{url}");
    }
    let any_port = guard(&[], &[]);
    assert_eq!(kind(any_port.check_url("http://8.8.8.8:8080/")), None);
    assert_eq!(kind(any_port.check_url("http://8.8.8.8:22/")), Some(FetchErrorKind::Forbidden));
}

/// A name on an odd port may turn out to be in an allowed network; it must not turn out to be anywhere else.
#[test]
fn an_odd_port_reaches_allowed_networks_only() {
    let guarded = guard(&["127.0.0.2/32"], &[80]);
    let checked = guarded.check_url("http://example.com:8080/").expect("may be allowed");
    assert_eq!(checked.reach, Reach::AllowedOnly);
    let public = "8.8.8.8".parse().expect("an address");
    assert!(guarded.check_address(public, Reach::AllowedOnly).is_err());
    let allowed = "127.0.0.2".parse().expect("an address");
    assert!(guarded.check_address(allowed, Reach::AllowedOnly).is_ok());
    let closed = guard(&[], &[80]);
    assert_eq!(kind(closed.check_url("http://example.com:8080/")), Some(FetchErrorKind::Forbidden));
}

#[test]
fn redirect_targets_are_refused_like_first_urls() {
    let guarded = guard(&["127.0.0.2/32"], &[]);
    let base = Url::parse("http://127.0.0.2:8080/a/b?q").expect("a url");
    for (location, target) in [
        ("c", "http://127.0.0.2:8080/a/c"),
        ("/c#part", "http://127.0.0.2:8080/c"),
        ("//127.0.0.2:81/", "http://127.0.0.2:81/"),
    ] {
        let checked = guarded.check_redirect(&base, location).expect("a permitted target");
        assert_eq!(checked.url.as_str(), target);
    }
    for location in [
        "http://127.0.0.3/",
        "//127.0.0.3/",
        "\\\\127.0.0.3/",
        "/\\127.0.0.3/",
        "\t//127.0.0.3/",
        "file:///etc/passwd",
        "gopher://127.0.0.2/",
        "ftp://127.0.0.2/",
        "http://user:pass@127.0.0.2/",
        "http://127.0.0.2:22/",
        "http://[::1",
    ] {
        assert_eq!(kind(guarded.check_redirect(&base, location)), Some(FetchErrorKind::Forbidden), "{location}");
    }
}

/// Threat A7.
#[test]
fn headers_stay_with_host_port_and_scheme() {
    for (from, to, keeps) in [
        ("http://a.example/", "http://a.example/b", true),
        ("http://a.example/", "http://A.example:80/", true),
        ("http://a.example:443/", "https://a.example/", true),
        ("https://a.example/", "http://a.example:443/", false),
        ("https://a.example/", "http://a.example/", false),
        ("http://a.example/", "https://a.example/", false),
        ("http://a.example/", "http://b.example/", false),
        ("http://a.example/", "http://a.example.b.example/", false),
        ("http://a.example/", "http://a.example:81/", false),
    ] {
        let [before, after] = [from, to].map(|url| Url::parse(url).expect("a url"));
        assert_eq!(keeps_headers(&before, &after), keeps, "{from} to {to}");
    }
}

proptest! {
    #[test]
    fn a_permitted_literal_is_a_permitted_address(host in "[0-9a-fA-Fx.:\\[\\]]{1,24}", rest in "\\PC{0,12}") {
        let guarded = guard(&["127.0.0.2/32"], &[]);
        if let Ok(checked) = guarded.check_url(&format!("http://{host}{rest}")) {
            let address = match checked.url.host() {
                Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
                Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
                _ => None,
            };
            if let Some(address) = address {
                prop_assert!(guarded.check_address(address, Reach::Public).is_ok());
            }
        }
    }

    #[test]
    fn hiding_an_address_in_another_never_helps(bits: u32, prefix in 0_usize..4) {
        let guarded = guard(&[], &[]);
        let inner = std::net::Ipv4Addr::from(bits);
        let [high, low] = [(bits >> 16) as u16, bits as u16];
        let outer = std::net::Ipv6Addr::from(match prefix {
            0 => [0, 0, 0, 0, 0, 0xffff, high, low],
            1 => [0x64, 0xff9b, 0, 0, 0, 0, high, low],
            2 => [0x2002, high, low, 0, 0, 0, 0, 1],
            _ => [0x2a00, 0, 0, 0, 0, 0x5efe, high, low],
        });
        prop_assert_eq!(permits(&guarded, &inner.to_string()), permits(&guarded, &outer.to_string()));
    }
}
