//! The canonical form reads back as what it was made of, whatever that was.

use super::{super::table::definitions, *};
use proptest::{prelude::*, sample::select};

/// A chain that was read, its canonical form read again, must be the same.
fn check(tasks: &[delivery::Task]) -> Result<(), TestCaseError> {
    let Ok(chain) = Chain::read(tasks) else { return Ok(()) };
    let canonical = chain.canonical();
    let path = format!("/{canonical}/{H}");
    prop_assume!(path.len() <= delivery::MAX_PATH_BYTES);
    let again = delivery::parse(&path, None).map_err(|error| TestCaseError::fail(format!("{path}: {error}")))?;
    prop_assert_eq!(&again.source, &delivery::Source::Handle(crate::handle::Handle::parse(H).expect("a handle")));
    let again = Chain::read(&again.tasks).map_err(|error| TestCaseError::fail(format!("{path}: {error}")))?;
    prop_assert_eq!(again.canonical(), canonical);
    prop_assert_eq!(again, chain);
    Ok(())
}

/// Texts that some kind of value takes, and texts that hurt the grammar.
fn texts() -> impl Strategy<Value = String> {
    let vocabulary = "0 1 2 10 99.5 0.01 -3 300 true false max all exif input jpg webp top left faces center red 12345678 \
        grey7 fff 3-5 7- -2 00:00:10 h264 letter portrait rect crop auto s3 clip en low photo";
    let words: Vec<&'static str> = vocabulary.split_ascii_whitespace().collect();
    let hostile = vec![
        "\"",
        "a\"b",
        "]",
        "[",
        "a,b",
        " a ",
        "+",
        "%2F",
        "%",
        "a+b%20c",
        "/",
        "//",
        "é\u{0}\n",
        "?x=1&y",
        "#",
        "=",
        "b64",
    ];
    prop_oneof![4 => select(words).prop_map(str::to_owned), 1 => select(hostile).prop_map(str::to_owned), 1 => ".{0,12}"]
}

fn values() -> impl Strategy<Value = delivery::Value> {
    let leaf = prop_oneof![6 => texts().prop_map(delivery::Value::Text), 1 => Just(delivery::Value::Flag)];
    leaf.prop_recursive(2, 12, 4, |inner| proptest::collection::vec(inner, 1..5).prop_map(delivery::Value::List))
}

/// Tasks of the table with parameters of the table; required ones are usually there.
fn tasks() -> impl Strategy<Value = delivery::Task> {
    let names: Vec<&'static Definition> =
        definitions().filter(|definition| !matches!(definition.name, "security" | "debug")).collect();
    select(names).prop_flat_map(|definition| {
        let one = if definition.parameters.is_empty() {
            Just(String::new()).boxed()
        } else {
            let spellings = definition
                .parameters
                .iter()
                .flat_map(|parameter| [parameter.name].into_iter().chain(parameter.aliases.iter().copied()));
            select(spellings.map(str::to_owned).collect::<Vec<_>>()).boxed()
        };
        let most = if definition.parameters.is_empty() { 0 } else { 4 };
        proptest::collection::vec((one, values()), 0..=most)
            .prop_map(|params| delivery::Task { name: definition.name.to_owned(), params })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn canonical_forms_read_back(chain in proptest::collection::vec(tasks(), 0..4)) {
        check(&chain)?;
        // One wrong value hides the rest: each alone as well.
        for task in chain {
            for param in &task.params {
                check(&[delivery::Task { name: task.name.clone(), params: vec![param.clone()] }])?;
            }
        }
    }

    #[test]
    fn any_path_is_read_or_refused(pieces in proptest::collection::vec(prop_oneof![
        2 => select(vec!["/", "=", ":", ",", "[", "]", "\"", "%22", "%2F", "resize", "crop", "dim", "store=path:", "width:1", "b64", "cache=false", "metadata", H]).prop_map(str::to_owned),
        1 => texts(),
    ], 0..16)) {
        if let Ok(path) = delivery::parse(&pieces.concat(), None) {
            check(&path.tasks)?;
        }
    }
}
