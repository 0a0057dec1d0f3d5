//! The store options, from a query, a form, a JSON object or a path task (spec 01 §§1.1, 4; 10 §6.2).

use crate::{
    filename::FileName,
    location::{Access, ContainerName, Location},
    media_type::MediaType,
    storage_path::StoragePath,
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt::Display};

/// Most workflows of one store call (spec 10 §8).
const MAX_WORKFLOWS: usize = 20;
/// Most upload tags of one store call.
const MAX_TAGS: usize = 100;
/// Longest tag name and longest workflow id or region, bytes.
const MAX_NAME_BYTES: usize = 64;
/// Longest tag value, bytes.
const MAX_TAG_BYTES: usize = 1024;

/// Options of one store call, every one validated. Unknown names are ignored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreOptions {
    /// Where to store; `None`: the app's default.
    pub location: Option<Location>,
    /// Stored name; wins over every hint.
    pub filename: Option<FileName>,
    /// Forced media type.
    pub mimetype: Option<MediaType>,
    /// Storage path.
    pub path: Option<StoragePath>,
    /// Bucket or container.
    pub container: Option<ContainerName>,
    /// ACL of the object.
    pub access: Option<Access>,
    /// Region of the container (`[A-Za-z0-9-]{1,64}`).
    pub region: Option<String>,
    /// The content is base64 text.
    pub base64decode: bool,
    /// 1..=20 workflow ids to start afterwards.
    pub workflows: Vec<String>,
    /// Upload tags.
    pub tags: BTreeMap<String, String>,
}

/// A bad option; the message names the parameter and what to change. Answers 400.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid parameter `{parameter}`: {reason}")]
pub struct InvalidOption {
    /// Wire name.
    pub parameter: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl InvalidOption {
    fn new(parameter: &'static str, reason: impl Display) -> Self {
        Self { parameter, reason: reason.to_string() }
    }
}

impl StoreOptions {
    /// From decoded text pairs (query, form, path task); the first value of a name wins; empty values count as absent.
    /// Task aliases (`f`,`l`,`p`,`c`,`r`,`a`,`b`) are read only when `aliases` is set. `workflows`: JSON list, `[a,b]` or comma list.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        aliases: bool,
    ) -> Result<Self, InvalidOption> {
        let pairs: Vec<_> = pairs.into_iter().collect();
        let pairs = Pairs { pairs, aliases };
        Ok(Self {
            location: pairs.read("location", &["l"], |text| text.parse::<Location>())?,
            filename: pairs.read("filename", &["f"], FileName::parse)?,
            mimetype: pairs.read("mimetype", &[], MediaType::parse)?,
            path: pairs.read("path", &["p"], StoragePath::parse)?.flatten(),
            container: pairs.read("container", &["c"], ContainerName::parse)?,
            access: pairs.read("access", &["a"], |text| Access::parse(text).ok_or("use `private` or `public`"))?,
            region: pairs.read("region", &["r"], region)?,
            base64decode: pairs.read("base64decode", &["b", "base64"], boolean)?.unwrap_or_default(),
            workflows: pairs.read("workflows", &[], workflows_from_text)?.unwrap_or_default(),
            tags: BTreeMap::new(),
        })
    }

    /// From a JSON object (spec 01 §4): strings, numbers and booleans; `workflows` as string, list of strings or of `{id}`; `tags` object; names compared without regard to case.
    pub fn from_json(object: &Map<String, Value>) -> Result<Self, InvalidOption> {
        let mut pairs = Vec::new();
        let mut workflows = Vec::new();
        let mut tags = BTreeMap::new();
        for (name, value) in object {
            match value {
                Value::Array(ids) if name.eq_ignore_ascii_case("workflows") => {
                    workflows = workflows_from_json(ids).map_err(|reason| InvalidOption::new("workflows", reason))?;
                }
                Value::Object(given) if name.eq_ignore_ascii_case("tags") => {
                    tags = read_tags(given).map_err(|reason| InvalidOption::new("tags", reason))?;
                }
                _ => match scalar(value) {
                    Some(text) => pairs.push((name.as_str(), text)),
                    None => refuse_structure(name, value)?,
                },
            }
        }
        let pairs = pairs.iter().map(|(name, text)| (*name, text.as_str()));
        let options = Self::from_pairs(pairs, false)?;
        Ok(Self { workflows: unite(workflows, options.workflows), tags, ..options })
    }

    /// What `self` leaves open is taken from `weaker`; workflows and tags are united.
    pub fn or(self, weaker: Self) -> Self {
        let mut tags = weaker.tags;
        tags.extend(self.tags);
        Self {
            location: self.location.or(weaker.location),
            filename: self.filename.or(weaker.filename),
            mimetype: self.mimetype.or(weaker.mimetype),
            path: self.path.or(weaker.path),
            container: self.container.or(weaker.container),
            access: self.access.or(weaker.access),
            region: self.region.or(weaker.region),
            base64decode: self.base64decode || weaker.base64decode,
            workflows: unite(self.workflows, weaker.workflows),
            tags,
        }
    }
}

/// Text pairs and whether the short task names count.
struct Pairs<'a> {
    pairs: Vec<(&'a str, &'a str)>,
    aliases: bool,
}

impl Pairs<'_> {
    fn read<T, E: Display>(
        &self,
        parameter: &'static str,
        aliases: &[&str],
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, InvalidOption> {
        let is_named = |given: &str| {
            let mut short = aliases.iter().filter(|_| self.aliases);
            given.eq_ignore_ascii_case(parameter) || short.any(|alias| given.eq_ignore_ascii_case(alias))
        };
        let given = self.pairs.iter().find(|(name, value)| is_named(name) && !value.is_empty());
        given.map(|(_, value)| read(value)).transpose().map_err(|reason| InvalidOption::new(parameter, reason))
    }
}

fn boolean(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("use `true` or `false`"),
    }
}

fn region(text: &str) -> Result<String, &'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.len() <= MAX_NAME_BYTES && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("a region has 1 to 64 letters, digits and `-`")
    }
}

fn workflows_from_text(text: &str) -> Result<Vec<String>, String> {
    if let Ok(Value::Array(ids)) = serde_json::from_str(text) {
        return workflows_from_json(&ids);
    }
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    let ids = bare.split(',').map(|id| id.trim().trim_matches('"'));
    check_workflows(ids.filter(|id| !id.is_empty()))
}

fn workflows_from_json(ids: &[Value]) -> Result<Vec<String>, String> {
    let mut texts = Vec::new();
    for id in ids {
        let text = id.as_str().or_else(|| id.get("id")?.as_str());
        texts.push(text.ok_or("list ids as strings or as objects with a string `id`")?);
    }
    check_workflows(texts.into_iter())
}

fn check_workflows<'a>(ids: impl Iterator<Item = &'a str>) -> Result<Vec<String>, String> {
    let mut checked = Vec::new();
    for id in ids {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=MAX_NAME_BYTES).contains(&id.len()) || !id.bytes().all(fits) {
            return Err("a workflow id has 1 to 64 letters, digits, `-` and `_`".to_owned());
        }
        if checked.len() == MAX_WORKFLOWS {
            return Err(format!("at most {MAX_WORKFLOWS} workflows"));
        }
        checked.push(id.to_owned());
    }
    Ok(checked)
}

fn read_tags(object: &Map<String, Value>) -> Result<BTreeMap<String, String>, String> {
    if object.len() > MAX_TAGS {
        return Err(format!("at most {MAX_TAGS} tags"));
    }
    let mut tags = BTreeMap::new();
    for (name, value) in object {
        let value = scalar(value).ok_or("a tag's value is text")?;
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) || value.len() > MAX_TAG_BYTES {
            return Err(format!(
                "a tag has a name of 1 to {MAX_NAME_BYTES} bytes and a value of at most {MAX_TAG_BYTES}"
            ));
        }
        tags.insert(name.clone(), value);
    }
    Ok(tags)
}

/// Text of a string, number or boolean; `null` reads as the empty text, which counts as absent.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// A list or object where text belongs; under an unknown name it is ignored like everything unknown.
fn refuse_structure(name: &str, value: &Value) -> Result<(), InvalidOption> {
    const KNOWN: [&str; 10] = [
        "location",
        "filename",
        "mimetype",
        "path",
        "container",
        "access",
        "region",
        "base64decode",
        "workflows",
        "tags",
    ];
    let known = KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name));
    let found = if value.is_array() { "a list" } else { "an object" };
    match known {
        Some(parameter) => Err(InvalidOption::new(parameter, format!("{found} is not a value of it"))),
        None => Ok(()),
    }
}

fn unite(mut first: Vec<String>, second: Vec<String>) -> Vec<String> {
    for id in second {
        if !first.contains(&id) {
            first.push(id);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn options(json: Value) -> Result<StoreOptions, InvalidOption> {
        StoreOptions::from_json(json.as_object().expect("an object"))
    }

    #[test]
    fn every_query_parameter_is_read() {
        let read = StoreOptions::from_pairs(
            [
                ("key", "K"),
                ("Filename", "hello.txt"),
                ("filename", "second.txt"),
                ("mimetype", "text/PLAIN; charset=utf-8"),
                ("path", "/docs/"),
                ("container", "bucket"),
                ("access", "public"),
                ("region", "eu-west-1"),
                ("base64decode", "true"),
                ("location", "GCS"),
                ("workflows", "[\"a-1\",\"b\"]"),
                ("plugin", "js_lib"),
            ],
            false,
        )
        .expect("valid");
        assert_eq!(read.filename.expect("a name").as_str(), "hello.txt");
        assert_eq!(read.mimetype.expect("a type").as_str(), "text/plain");
        assert_eq!(read.path.expect("a path").as_str(), "docs/");
        assert_eq!(read.container.expect("a container").as_str(), "bucket");
        assert_eq!(read.access, Some(Access::Public));
        assert_eq!(read.region.as_deref(), Some("eu-west-1"));
        assert_eq!(read.location, Some(Location::Gcs));
        assert!(read.base64decode);
        assert_eq!(read.workflows, ["a-1", "b"]);
    }

    #[test]
    fn task_letters_count_only_in_tasks() {
        let pairs = [
            ("f", "x.jpg"),
            ("l", "azure"),
            ("p", "a/"),
            ("c", "box"),
            ("r", "eu"),
            ("a", "private"),
            ("base64", "true"),
        ];
        let task = StoreOptions::from_pairs(pairs, true).expect("valid");
        assert_eq!(task.filename.expect("a name").as_str(), "x.jpg");
        assert_eq!(task.location, Some(Location::Azure));
        assert_eq!(task.path.expect("a path").as_str(), "a/");
        assert_eq!(task.access, Some(Access::Private));
        assert!(task.base64decode);
        assert_eq!(StoreOptions::from_pairs(pairs, false), Ok(StoreOptions::default()));
    }

    #[test]
    fn empty_values_count_as_absent() {
        let pairs = [("filename", ""), ("path", "/"), ("access", ""), ("filename", "b")];
        let read = StoreOptions::from_pairs(pairs, false).expect("valid");
        assert_eq!(read.filename.expect("the second").as_str(), "b");
        assert_eq!((read.path, read.access), (None, None));
    }

    #[test]
    fn workflows_come_in_three_spellings() {
        for text in ["[\"a\",\"b\"]", "[a,b]", "a, b", "[{\"id\":\"a\"},\"b\"]"] {
            let read = StoreOptions::from_pairs([("workflows", text)], false).expect(text);
            assert_eq!(read.workflows, ["a", "b"], "{text}");
        }
        let many = vec!["w"; 21].join(",");
        for bad in ["a/b", "[1]", "[{}]", &many] {
            let error = StoreOptions::from_pairs([("workflows", bad)], false).expect_err(bad);
            assert_eq!(error.parameter, "workflows");
        }
    }

    #[test]
    fn bad_values_name_their_parameter() {
        for (parameter, bad) in [
            ("location", "moon"),
            ("filename", "a/b"),
            ("mimetype", "image/png\r\nX: y"),
            ("path", "../../x"),
            ("container", "a/b"),
            ("access", "world"),
            ("region", "eu west"),
            ("base64decode", "maybe"),
        ] {
            let error = StoreOptions::from_pairs([(parameter, bad)], false).expect_err(bad);
            assert_eq!(error.parameter, parameter);
            assert!(error.to_string().contains(parameter));
        }
    }

    #[test]
    fn json_objects_are_read_like_pairs() {
        let read = options(json!({
            "Location": "s3", "path": "/in/", "base64decode": true, "filename": 7, "access": null,
            "workflows": ["w1", {"id": "w2"}], "tags": {"order": "17", "rush": true},
            "altText": "x", "unknown": {"deep": []},
        }))
        .expect("valid");
        assert_eq!(read.location, Some(Location::S3));
        assert_eq!(read.filename.expect("a name").as_str(), "7");
        assert!(read.base64decode && read.access.is_none());
        assert_eq!(read.workflows, ["w1", "w2"]);
        assert_eq!(read.tags["order"], "17");
        assert_eq!(read.tags["rush"], "true");
        assert_eq!(options(json!({"workflows": "w1"})).expect("Go").workflows, ["w1"]);
    }

    #[test]
    fn json_of_the_wrong_shape_names_its_parameter() {
        for (parameter, json) in [
            ("path", json!({"path": ["a"]})),
            ("filename", json!({"filename": {}})),
            ("workflows", json!({"workflows": {"id": "a"}})),
            ("workflows", json!({"workflows": [[]]})),
            ("tags", json!({"tags": [1]})),
            ("tags", json!({"tags": {"a": {}}})),
            ("tags", json!({"tags": {"": "x"}})),
        ] {
            assert_eq!(options(json).expect_err(parameter).parameter, parameter);
        }
    }

    #[test]
    fn stronger_options_win_and_lists_are_united() {
        let strong = options(json!({"filename": "a", "workflows": ["1"], "tags": {"x": "1"}}));
        let weak = options(json!({
            "filename": "b", "container": "c", "base64decode": true,
            "workflows": ["1", "2"], "tags": {"x": "2", "y": "3"},
        }));
        let merged = strong.expect("valid").or(weak.expect("valid"));
        assert_eq!(merged.filename.expect("a name").as_str(), "a");
        assert_eq!(merged.container.expect("a container").as_str(), "c");
        assert!(merged.base64decode);
        assert_eq!(merged.workflows, ["1", "2"]);
        assert_eq!((merged.tags["x"].as_str(), merged.tags["y"].as_str()), ("1", "3"));
    }

    proptest! {
        #[test]
        fn any_value_of_any_parameter_is_read_or_refused(
            name in "location|filename|mimetype|path|container|access|region|base64decode|workflows",
            value in any::<String>(),
        ) {
            let _ = StoreOptions::from_pairs([(name.as_str(), value.as_str())], true);
        }
    }
}
