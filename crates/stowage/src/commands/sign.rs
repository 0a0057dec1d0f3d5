//! `stowage sign`.

use std::time::Duration;

use stowage_core::{
    handle::AppSecret,
    policy::{Call, sign},
};
use stowage_server::config::{parse_duration, parse_size};

use crate::{
    failure::Failure,
    output,
    policy::{Claims, expiry_in},
};

/// Smaller numbers given as a time of expiry are meant as durations: they lie before 2001.
const FIRST_PLAUSIBLE_EXPIRY: u64 = 1_000_000_000;

/// Sign a policy with an application's secret
///
/// Prints `policy=…&signature=…`, ready to be appended to a URL's query. Needs no server.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  STOWAGE_SECRET=… stowage sign --call read --handle 7xSJALUhSlCDCNujt5Ku --expires 1h
  STOWAGE_SECRET=… stowage sign --call pick,store --max-size 10MB --path '/uploads/.*'
  STOWAGE_SECRET=… stowage sign --policy-json '{\"expiry\":4102444800,\"call\":[\"read\"]}' --json")]
pub(crate) struct SignArguments {
    /// Secret of the application. Prefer the variable: others can see arguments
    #[arg(long, value_name = "SECRET", env = "STOWAGE_SECRET", hide_env_values = true)]
    secret: String,
    /// When the policy expires: a duration from now (30m, 1h, 7d) or unix seconds
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = expiry)]
    expires: u64,
    /// Calls to allow: pick, read, stat, write, writeUrl, store, convert, remove, exif, runWorkflow [default: all but exif]
    #[arg(long, value_name = "CALL", value_delimiter = ',', value_parser = call)]
    call: Vec<Call>,
    /// Only this file
    #[arg(long)]
    handle: Option<String>,
    /// Only storage paths that match this regular expression
    #[arg(long, value_name = "REGEX")]
    path: Option<String>,
    /// Only containers that match this regular expression
    #[arg(long, value_name = "REGEX")]
    container: Option<String>,
    /// Only source URLs that match this regular expression
    #[arg(long, value_name = "REGEX")]
    url: Option<String>,
    /// Largest file that may be stored, such as 10MB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_size: Option<u64>,
    /// Smallest file that may be stored
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    min_size: Option<u64>,
    /// Sign this JSON text as it is, instead of building one
    #[arg(
        long,
        value_name = "TEXT",
        conflicts_with_all = ["expires", "call", "handle", "path", "container", "url", "max_size", "min_size"]
    )]
    policy_json: Option<String>,
    /// Print {"policy":…,"signature":…}
    #[arg(long)]
    json: bool,
}

fn call(text: &str) -> Result<Call, String> {
    Call::parse(text).ok_or_else(|| "no such call".to_owned())
}

fn expiry(text: &str) -> Result<u64, String> {
    let Ok(number) = text.parse::<u64>() else {
        return match parse_duration(text)? {
            Duration::ZERO => Err("would expire at once".to_owned()),
            life => Ok(expiry_in(life)),
        };
    };
    if number < FIRST_PLAUSIBLE_EXPIRY {
        return Err(format!("{number} as unix seconds has long passed; for a duration write {number}s"));
    }
    Ok(number)
}

pub(crate) fn run(arguments: SignArguments) -> Result<(), Failure> {
    if arguments.secret.is_empty() {
        return Err(Failure::Usage { option: "--secret", reason: "must not be empty".to_owned() });
    }
    let secret = AppSecret::new(arguments.secret);
    let signed = match &arguments.policy_json {
        Some(text) => {
            check_policy(text)?;
            sign(&secret, text)
        }
        None => Claims {
            expiry: arguments.expires,
            call: arguments.call.iter().map(|call| call.as_str()).collect(),
            handle: arguments.handle,
            path: arguments.path,
            container: arguments.container,
            url: arguments.url,
            max_size: arguments.max_size,
            min_size: arguments.min_size,
        }
        .sign(&secret)?,
    };
    if arguments.json {
        return output::json(&signed);
    }
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("policy", &signed.policy)
        .append_pair("signature", &signed.signature)
        .finish();
    output::line(query)
}

/// A text that no server would accept is better refused here than signed.
fn check_policy(text: &str) -> Result<(), Failure> {
    let reason = match serde_json::from_str::<serde_json::Value>(text) {
        Err(error) => format!("not valid JSON: {error}"),
        Ok(value) if !value.is_object() => "not a JSON object".to_owned(),
        Ok(value) if value.get("expiry").is_none() => "`expiry` (unix seconds) is missing".to_owned(),
        Ok(_) => return Ok(()),
    };
    Err(Failure::Usage { option: "--policy-json", reason })
}
