//! What paths mean, written as the clients write them.

mod conformance;
mod hostile;
mod sources;

use super::*;

const H: &str = "7xSJALUhSlCDCNujt5Ku";
const H2: &str = "5aYkEQJSQCmYShsoCnZN";
const KEY: &str = "AexampleKey0000000000z";
const SIGNATURE: &str = "358a4cc103caf382efdd6b6bc6a61e217793fba073e837e5922c873cdddd0845";

/// Writes out `{H}`, `{H2}` and `{KEY}`.
fn spelled(path: &str) -> String {
    path.replace("{H}", H).replace("{H2}", H2).replace("{KEY}", KEY)
}

fn read_with_query(path: &str, query: &str) -> DeliveryPath {
    parse(&spelled(path), Some(&spelled(query))).expect(path)
}

fn read(path: &str) -> DeliveryPath {
    parse(&spelled(path), None).expect(path)
}

fn refusal(path: &str) -> String {
    parse(&spelled(path), None).expect_err(path).to_string()
}

fn handle(text: &str) -> Source {
    Source::Handle(Handle::parse(text).expect("a handle"))
}

fn url(text: &str) -> Source {
    Source::Url(text.to_owned())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn list(members: &[&str]) -> Value {
    Value::List(members.iter().map(|member| text(member)).collect())
}

fn task(name: &str, params: &[(&str, Value)]) -> Task {
    let params = params.iter();
    Task { name: name.to_owned(), params: params.map(|(name, value)| ((*name).to_owned(), value.clone())).collect() }
}

fn security(policy: &str, signature: &str) -> Option<PathSecurity> {
    Some(PathSecurity { policy: policy.to_owned(), signature: signature.to_owned() })
}

fn names(path: &DeliveryPath) -> Vec<&str> {
    path.tasks.iter().map(|task| task.name.as_str()).collect()
}
