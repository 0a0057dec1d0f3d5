//! Vectors of spec 04 §9 and the attacks of threats I1–I4.

use super::*;
use proptest::prelude::*;

const SECRET: &str = "Y5IXBFZ7EXAMPLESECRET2345";
const NOW: f64 = 1_800_000_000.0;

fn secret(text: &str) -> AppSecret {
    AppSecret::new(text.to_owned())
}

fn verify(policy: &str, signature: &str) -> Result<Policy, PolicyError> {
    Policy::verify(&secret(SECRET), policy, signature, NOW, PatternAnchoring::Compatible)
}

/// Signs and verifies JSON with the test secret.
fn policy_with(json: &str, anchoring: PatternAnchoring) -> Result<Policy, PolicyError> {
    let signed = sign(&secret(SECRET), json);
    Policy::verify(&secret(SECRET), &signed.policy, &signed.signature, NOW, anchoring)
}

fn policy(json: &str) -> Policy {
    policy_with(json, PatternAnchoring::Compatible).expect(json)
}

fn refusal(json: &str) -> PolicyError {
    policy_with(json, PatternAnchoring::Compatible).expect_err(json)
}

/// Spec 04 §9: id, JSON, policy, signature, all signed with [`SECRET`] and the URL-safe alphabet.
const VECTORS: &[[&str; 4]] = &[
    [
        "V1",
        r#"{"expiry":4102444800}"#,
        "eyJleHBpcnkiOjQxMDI0NDQ4MDB9",
        "236f81085c231b48ee644a4b6d829e5ddc0a5bf4c48ffdde9dc7978f09e21b90",
    ],
    [
        "V2",
        r#"{"expiry":4102444800,"call":["read"],"handle":"7xSJALUhSlCDCNujt5Ku"}"#,
        "eyJleHBpcnkiOjQxMDI0NDQ4MDAsImNhbGwiOlsicmVhZCJdLCJoYW5kbGUiOiI3eFNKQUxVaFNsQ0RDTnVqdDVLdSJ9",
        "5df597d07ae64b5b2f87a5b1c5812c673f190461993621d4bb5974550a895653",
    ],
    [
        "V3",
        r#"{"expiry":4102444800,"call":"read"}"#,
        "eyJleHBpcnkiOjQxMDI0NDQ4MDAsImNhbGwiOiJyZWFkIn0=",
        "be85ce1b17124db648c3ffd14cd8d2f91f6d8bfea8510ec41b25e0c2de74ee20",
    ],
    [
        "V4",
        r#"{"expiry":4102444800,"call":["pick","store"],"maxSize":1048576,"minSize":1,"path":"/uploads/.*","container":"my-bucket"}"#,
        "eyJleHBpcnkiOjQxMDI0NDQ4MDAsImNhbGwiOlsicGljayIsInN0b3JlIl0sIm1heFNpemUiOjEwNDg1NzYsIm1pblNpemUiOjEsInBhdGgiOiIvdXBsb2Fkcy8uKiIsImNvbnRhaW5lciI6Im15LWJ1Y2tldCJ9",
        "358a4cc103caf382efdd6b6bc6a61e217793fba073e837e5922c873cdddd0845",
    ],
    [
        "V5",
        r#"{"expiry":4102444800,"call":["convert"],"url":"https://img.example.com/~a?q=1>0/.*"}"#,
        "eyJleHBpcnkiOjQxMDI0NDQ4MDAsImNhbGwiOlsiY29udmVydCJdLCJ1cmwiOiJodHRwczovL2ltZy5leGFtcGxlLmNvbS9-YT9xPTE-MC8uKiJ9",
        "9c39b7ae3f20589a243336dad2b3caa8beae8519dc745da86adc74eceb38dadb",
    ],
    [
        "V6",
        r#"{"expiry":1500000000}"#,
        "eyJleHBpcnkiOjE1MDAwMDAwMDB9",
        "05bbe7e72e6865c962ae59c4cb674d36bf7b3ca88a50425602a4927db7335d7d",
    ],
    [
        "V7",
        r#"{"expiry":4102444800,"calls":["read"]}"#,
        "eyJleHBpcnkiOjQxMDI0NDQ4MDAsImNhbGxzIjpbInJlYWQiXX0=",
        "0837807439e0f0327601878de4bc0ac0ddb008e4a2258f1097460146c31cc866",
    ],
    [
        "V8",
        r#"{"call":["read","write_url"],"expiry":4102444800.5,"max_size":10240}"#,
        "eyJjYWxsIjpbInJlYWQiLCJ3cml0ZV91cmwiXSwiZXhwaXJ5Ijo0MTAyNDQ0ODAwLjUsIm1heF9zaXplIjoxMDI0MH0=",
        "60af863e78817d2fbfc28cecf27b631c8123dc626fced5a3be46de6d0e2e29e5",
    ],
    [
        "V9",
        r#"{"call": ["read"], "expiry": 4102444800}"#,
        "eyJjYWxsIjogWyJyZWFkIl0sICJleHBpcnkiOiA0MTAyNDQ0ODAwfQ==",
        "40d99a35297c098acb684fc1e632ca4039815343ff1d4868d70030d172e68f45",
    ],
];
const V5B_POLICY: &str =
    "eyJleHBpcnkiOjQxMDI0NDQ4MDAsImNhbGwiOlsiY29udmVydCJdLCJ1cmwiOiJodHRwczovL2ltZy5leGFtcGxlLmNvbS9+YT9xPTE+MC8uKiJ9";
const V5B_SIGNATURE: &str = "1927a22f1c6aeba6fa95aa61fca9f43f9addca7c2822739eab8dbb5a56297cd9";

fn vector(id: &str) -> Result<Policy, PolicyError> {
    let [_, _, policy, signature] = VECTORS.iter().find(|[given, ..]| *given == id).expect(id);
    verify(policy, signature)
}

#[test]
fn every_vector_is_signed_as_published() {
    for [id, json, policy, signature] in VECTORS {
        let signed = sign(&secret(SECRET), json);
        assert_eq!((signed.policy.as_str(), signed.signature.as_str()), (*policy, *signature), "{id}");
    }
    assert_eq!(signature_of(&secret(SECRET), V5B_POLICY), V5B_SIGNATURE);
}

#[test]
fn every_vector_is_verified_with_its_meaning() {
    let read_handle = Handle::parse("7xSJALUhSlCDCNujt5Ku").expect("a handle");
    let other_handle = Handle::parse("00000000000000000000").expect("a handle");

    let v1 = vector("V1").expect("V1");
    assert!(v1.allow(Call::Remove).is_ok() && v1.allow(Call::Exif).is_err());
    assert!(v1.check_path(None).is_ok() && v1.check_may_create().is_ok());

    let v2 = vector("V2").expect("V2");
    assert!(v2.allow(Call::Read).is_ok());
    assert_eq!(v2.allow(Call::Store), Err(PolicyError::CallNotAllowed("store")));
    assert!(v2.check_handle(&read_handle).is_ok());
    assert_eq!(v2.check_handle(&other_handle), Err(PolicyError::Mismatch("handle")));
    assert_eq!(v2.check_may_create(), Err(PolicyError::Mismatch("handle")));

    let v3 = vector("V3").expect("V3");
    assert!(v3.allow(Call::Read).is_ok() && v3.allow(Call::Stat).is_err());

    let v4 = vector("V4").expect("V4");
    assert_eq!((v4.max_size(), v4.min_size()), (Some(1_048_576), Some(1)));
    assert!(v4.check_path(Some("uploads/a.jpg")).is_ok());
    assert!(v4.check_path(Some("/uploads/a.jpg")).is_ok());
    assert_eq!(v4.check_path(Some("private/uploads/a")), Err(PolicyError::Mismatch("path")));
    assert!(v4.check_path(None).is_err());
    assert!(v4.check_container("my-bucket").is_ok());
    assert_eq!(v4.check_container("my-bucket-2"), Err(PolicyError::Mismatch("container")));

    for v5 in [vector("V5"), verify(V5B_POLICY, V5B_SIGNATURE)] {
        let v5 = v5.expect("both alphabets");
        assert!(v5.check_url("https://img.example.com/~q=1>0/x").is_ok());
        assert_eq!(
            v5.check_url("https://evil.example/?next=https://img.example.com/~q=1>0/x"),
            Err(PolicyError::Mismatch("url"))
        );
    }

    assert_eq!(vector("V6").expect_err("expired"), PolicyError::Expired);
    assert!(vector("V7").expect("V7").allow(Call::Remove).is_ok());

    let v8 = vector("V8").expect("V8");
    assert!(v8.allow(Call::WriteUrl).is_ok() && v8.allow(Call::Write).is_err());
    assert_eq!(v8.max_size(), Some(10_240));

    assert!(vector("V9").expect("V9").allow(Call::Read).is_ok());
}

#[test]
fn policies_published_by_the_vendor_verify() {
    // Secret, policy, signature, expiry.
    for (secret_text, text, signature, expiry) in [
        (
            "Z3IYZSH2UJA7VN3QYFVSVCF7PI",
            "eyJoYW5kbGUiOiJLVzlFSmhZdFM2eTQ4V2htMlM2RCIsImV4cGlyeSI6MTUwODE0MTUwNH0=",
            "4098f262b9dba23e4766ce127353aaf4f37fde0fd726d164d944e031fd862c18",
            1_508_141_504.0,
        ),
        (
            "testAppSecret",
            "eyJleHBpcnkiOjE1MjM1OTU2MDAsImNhbGwiOlsicGljayIsInJlYWQiLCJzdGF0Iiwid3JpdGUiLCJ3cml0ZVVybCIsInN0b3JlIiwiY29udmVydCIsInJlbW92ZSIsImV4aWYiLCJydW5Xb3JrZmxvdyJdLCJoYW5kbGUiOiJURVNUX0hBTkRMRSJ9",
            "7df0536104cdcc16370ad6494cdbda30c9773a62eec6e5153fa539544db6206e",
            1_523_595_600.0,
        ),
        (
            "MBVEKA6ARFGNDDTVY7IQDZ4HYU",
            "eyJleHBpcnkiOjE2MTcyMjgwMDB9",
            "8ff61ba46198ad2778933e578e62fdf37ca4e28193655e8cd04f775598165f90",
            1_617_228_000.0,
        ),
        ("secret", "eyJleHBpcnkiOiAxMjN9", "4de8b7441b3daf0d68b4f8ebcf7e015d07aef43a1295476a1dde1aed327abc01", 123.0),
        (
            "RDOQO4WFRBFPRCFZOZFHJGZHW4",
            "eyJleHBpcnkiOjQ2NTM2NTE2MDB9",
            "ab1bea1b6ce36f77ff2a0a4da25651e64dfd9daeb0b2eacfe3836a13c96c022c",
            4_653_651_600.0,
        ),
    ] {
        let at = |now| Policy::verify(&secret(secret_text), text, signature, now, PatternAnchoring::Compatible);
        assert!(at(expiry - 0.5).is_ok(), "{secret_text}");
        assert_eq!(at(expiry).expect_err("the last second is over"), PolicyError::Expired);
    }
}

#[test]
fn all_ten_calls_are_listed_by_name() {
    let names = r#"["pick","read","stat","write","writeUrl","store","convert","remove","exif","runWorkflow"]"#;
    let everything = policy(&format!(r#"{{"expiry":4102444800,"call":{names}}}"#));
    for call in Call::ALL {
        assert!(everything.allow(call).is_ok(), "{call:?}");
        assert_eq!(Call::parse(call.as_str()), Some(call));
    }
    let old = policy(r#"{"expiry":4102444800,"call":["revoke","revokeSession"]}"#);
    assert!(old.allow(Call::Remove).is_ok() && old.allow(Call::Read).is_err());
    let none = policy(r#"{"expiry":4102444800,"call":[]}"#);
    assert!(Call::ALL.into_iter().all(|call| none.allow(call).is_err()));
}

#[test]
fn any_of_several_calls_may_suffice() {
    let store = policy(r#"{"expiry":4102444800,"call":"store"}"#);
    assert!(store.allow_any(&[Call::Pick, Call::Store]).is_ok());
    assert_eq!(store.allow_any(&[Call::Pick, Call::Read]), Err(PolicyError::CallNotAllowed("pick")));
    assert!(store.allow_any(&[]).is_err());
}

#[test]
fn half_a_credential_counts_as_none() {
    let [_, _, policy, signature] = VECTORS[0];
    for (policy, signature) in [("", ""), (policy, ""), ("", signature)] {
        assert_eq!(verify(policy, signature).expect_err("half"), PolicyError::Missing);
    }
}

#[test]
fn only_the_exact_text_under_the_right_secret_verifies() {
    let [_, _, policy, signature] = VECTORS[2];
    let altered = policy.replacen('e', "f", 1);
    let trailing = format!("{policy}AAAA");
    let unpadded = policy.trim_end_matches('=');
    let short = &signature[..62];
    let other_hash = "d41d8cd98f00b204e9800998ecf8427e";
    for (policy, signature) in [
        (altered.as_str(), signature),
        (trailing.as_str(), signature),
        (unpadded, signature),
        (policy, short),
        (policy, other_hash),
        (policy, "zz"),
        (policy, "é"),
        (V5B_POLICY, VECTORS[4][3]),
    ] {
        assert_eq!(verify(policy, signature).expect_err(policy), PolicyError::BadSignature);
    }
    assert!(verify(policy, &signature.to_uppercase()).is_ok());
    let stranger = Policy::verify(&secret("another"), policy, signature, NOW, PatternAnchoring::Compatible);
    assert_eq!(stranger.expect_err("another app"), PolicyError::BadSignature);
}

#[test]
fn a_plus_that_became_a_space_is_restored() {
    assert!(verify(&V5B_POLICY.replace('+', " "), V5B_SIGNATURE).is_ok());
}

#[test]
fn unpadded_text_is_read_when_it_was_signed_so() {
    let text = VECTORS[2][2].trim_end_matches('=');
    assert!(verify(text, &signature_of(&secret(SECRET), text)).is_ok());
}

#[test]
fn an_oversized_policy_is_refused_before_any_work() {
    let huge = "A".repeat(1024 * 1024);
    assert!(matches!(verify(&huge, "00"), Err(PolicyError::Malformed(_))));
}

#[test]
fn signed_nonsense_names_what_is_wrong() {
    for text in ["!!!!", "AAAAA", "eyJ9 ", "e30=e30="] {
        let signature = signature_of(&secret(SECRET), text);
        assert!(matches!(verify(text, &signature), Err(PolicyError::Malformed(_))), "{text}");
    }
    for (json, named) in [
        ("[]", "JSON object"),
        ("null", "JSON object"),
        (r#"{"expiry":4102444800}x"#, "JSON object"),
        (r#"{"expiry":4102444800,"expiry":1}"#, "JSON object"),
        (r#"{"expiry":4102444800,"call":"read","call":"write"}"#, "JSON object"),
        ("{}", "`expiry`"),
        (r#"{"expiry":null}"#, "`expiry`"),
        (r#"{"expiry":"soon"}"#, "`expiry`"),
        (r#"{"expiry":"inf"}"#, "`expiry`"),
        (r#"{"expiry":"NaN"}"#, "`expiry`"),
        (r#"{"expiry":4102444800,"call":{}}"#, "`call`"),
        (r#"{"expiry":4102444800,"call":null}"#, "`call`"),
        (r#"{"expiry":4102444800,"call":["read",1]}"#, "`call`"),
        (r#"{"expiry":4102444800,"handle":1}"#, "`handle`"),
        (r#"{"expiry":4102444800,"path":["a"]}"#, "`path`"),
        (r#"{"expiry":4102444800,"maxSize":-1}"#, "`maxSize`"),
        (r#"{"expiry":4102444800,"minSize":true}"#, "`minSize`"),
        (r#"{"expiry":4102444800,"url":"("}"#, "`url`"),
        (r#"{"expiry":4102444800,"container":"a)|(?:b"}"#, "`container`"),
        (r#"{"expiry":4102444800,"path":"(?=x)"}"#, "`path`"),
    ] {
        let error = refusal(json);
        assert!(matches!(&error, PolicyError::Malformed(message) if message.contains(named)), "{json}: {error}");
    }
}

#[test]
fn expiry_is_a_moment_in_whatever_spelling() {
    for alive in ["4102444800", "4102444800.5", "\"4102444800\"", "1e300"] {
        assert!(policy_with(&format!(r#"{{"expiry":{alive}}}"#), PatternAnchoring::Compatible).is_ok(), "{alive}");
    }
    for dead in ["1800000000", "0", "-1", "1799999999.9", "\"1\""] {
        assert_eq!(refusal(&format!(r#"{{"expiry":{dead}}}"#)), PolicyError::Expired, "{dead}");
    }
    let signed = sign(&secret(SECRET), r#"{"expiry":4102444800}"#);
    let broken_clock =
        Policy::verify(&secret(SECRET), &signed.policy, &signed.signature, f64::NAN, PatternAnchoring::Compatible);
    assert_eq!(broken_clock.expect_err("no time"), PolicyError::Expired);
}

#[test]
fn anchors_hold_against_alternatives_flags_and_line_ends() {
    let json = r#"{"expiry":4102444800,"container":"a|b","path":"/up|/down","url":"(?im)https://a\\.example/x$"}"#;
    let compatible = policy(json);
    assert!(compatible.check_container("a").is_ok() && compatible.check_container("b").is_ok());
    for container in ["ab", "xa", "bx", "a\n", ""] {
        assert!(compatible.check_container(container).is_err(), "{container:?}");
    }
    assert!(compatible.check_path(Some("/uploads")).is_ok());
    assert!(compatible.check_path(Some("x/up")).is_err());
    assert!(compatible.check_url("HTTPS://A.example/x").is_ok());
    assert!(compatible.check_url("http://evil\nhttps://a.example/x").is_err());

    let strict = policy_with(json, PatternAnchoring::Strict).expect("the same policy");
    assert!(strict.check_path(Some("/up")).is_ok());
    assert!(strict.check_path(Some("/uploads")).is_err());
    assert!(strict.check_url("https://a.example/x\nevil").is_err());
}

#[test]
fn no_requested_path_is_tested_as_the_root() {
    let root = policy(r#"{"expiry":4102444800,"path":"/$"}"#);
    assert!(root.check_path(None).is_ok());
    assert!(root.check_path(Some("/")).is_ok());
    assert!(root.check_path(Some("a")).is_err());
}

#[test]
fn a_handle_may_be_a_pattern_but_fits_whole() {
    let handle = |text| Handle::parse(text).expect("a handle");
    let family = policy(r#"{"expiry":4102444800,"handle":"7xSJ[A-Za-z0-9]+|b{20}"}"#);
    assert!(family.check_handle(&handle("7xSJALUhSlCDCNujt5Ku")).is_ok());
    assert!(family.check_handle(&handle("bbbbbbbbbbbbbbbbbbbb")).is_ok());
    let part = policy(r#"{"expiry":4102444800,"handle":"7xSJ"}"#);
    assert!(part.check_handle(&handle("7xSJALUhSlCDCNujt5Ku")).is_err());
}

#[test]
fn expensive_expressions_are_refused_and_classic_bombs_run_in_linear_time() {
    let bomb = "((a{1,100}){1,100}){1,100}";
    assert!(matches!(refusal(&format!(r#"{{"expiry":4102444800,"path":"{bomb}"}}"#)), PolicyError::Malformed(_)));
    let long = "a".repeat(1025);
    assert!(matches!(refusal(&format!(r#"{{"expiry":4102444800,"path":"{long}"}}"#)), PolicyError::Malformed(_)));
    // A backtracking engine would not finish this before the universe does.
    let catastrophic = policy(r#"{"expiry":4102444800,"url":"(a+)+$"}"#);
    let text = format!("{}!", "a".repeat(10_000));
    assert!(catastrophic.check_url(&text).is_err());
}

#[test]
fn ordinary_expressions_fit_the_size_limit() {
    for ordinary in [
        r"/uploads/.*",
        r"[\\w-]{20}",
        r"/(?i)users/\\d{1,10}/[^/]+\\.(jpe?g|png|gif)",
        r"https://([a-z0-9-]+\\.)*example\\.com/.*",
        r"https://img\\.example\\.com/[\\w/.-]{1,50}\\?token=[0-9a-f]{64}",
    ] {
        policy(&format!(r#"{{"expiry":4102444800,"path":"{ordinary}","url":"{ordinary}"}}"#));
    }
}

#[test]
fn refusals_never_show_the_expected_signature() {
    let [_, _, policy, signature] = VECTORS[0];
    let wrong = "0".repeat(64);
    let shown = verify(policy, &wrong).expect_err("wrong").to_string();
    assert!(shown.contains("policy error") && !shown.contains(signature));
}

proptest! {
    #[test]
    fn verifying_anything_signed_or_not_never_panics(text in any::<String>(), signature in any::<String>(), now in any::<f64>()) {
        let secret = secret(SECRET);
        let _ = Policy::verify(&secret, &text, &signature, now, PatternAnchoring::Strict);
        let right = signature_of(&secret, &text);
        let _ = Policy::verify(&secret, &text, &right, now, PatternAnchoring::Strict);
        let signed = sign(&secret, &text);
        let _ = Policy::verify(&secret, &signed.policy, &signed.signature, now, PatternAnchoring::Compatible);
    }

    #[test]
    fn what_is_signed_verifies_and_keeps_its_meaning(
        expiry in 1_800_000_001_u64..u64::from(u32::MAX) * 4,
        max_size in proptest::option::of(0_u64..1 << 50),
        listed in proptest::collection::btree_set(0_usize..10, 0..10),
        note in any::<String>(),
    ) {
        let calls: Vec<&str> = listed.iter().map(|index| Call::ALL[*index].as_str()).collect();
        let mut json = serde_json::json!({"expiry": expiry, "call": calls, "note": note});
        if let Some(size) = max_size {
            json["maxSize"] = size.into();
        }
        let policy = policy(&json.to_string());
        prop_assert_eq!(policy.max_size(), max_size);
        for (index, call) in Call::ALL.into_iter().enumerate() {
            prop_assert_eq!(policy.allow(call).is_ok(), listed.contains(&index));
        }
    }

    #[test]
    fn one_changed_character_breaks_the_signature(position in 0_usize..28, replacement in "[A-Za-z0-9]") {
        let [_, _, policy, signature] = VECTORS[0];
        let mut altered = policy.to_owned();
        altered.replace_range(position..=position, &replacement);
        prop_assert_eq!(verify(&altered, signature).is_ok(), altered == policy);
    }
}
