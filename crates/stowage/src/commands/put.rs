//! `stowage put`.

mod resumable;

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{
    Body, RequestBuilder, Response, Url,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use serde_json::Value;
use stowage_core::{location::Location, policy::Call};
use tokio_util::io::ReaderStream;

use crate::{
    client::{Client, Connection, broken, send},
    failure::Failure,
    output,
};

const CHUNK: usize = 256 * 1024;

/// Upload files, or have the server fetch URLs
///
/// Prints the URL of each stored file. The upload of a large file that breaks off goes on where it was: by itself for two minutes,
/// later when the same command is run again. A source that begins with http:// or https:// is fetched by the server itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stowage put --key KEY holiday.jpg
  STOWAGE_KEY=… STOWAGE_SECRET=… stowage put *.jpg --path /holidays/ --json
  stowage put --key KEY https://www.example.com/logo.png --filename logo.png")]
pub(crate) struct PutArguments {
    /// Files and URLs to store
    #[arg(required = true, value_name = "FILE|URL")]
    sources: Vec<OsString>,
    /// Print the server's whole answer as JSON, one line per file
    #[arg(long)]
    json: bool,
    /// API key of the application
    #[arg(long, value_name = "KEY", env = "STOWAGE_KEY", hide_env_values = true, help_heading = "Server")]
    key: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    options: StoreFlags,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Storing")]
struct StoreFlags {
    /// Location to store to [default: the application's]
    #[arg(long)]
    location: Option<Location>,
    /// Name to store under [default: that of the source]
    #[arg(long, value_name = "NAME")]
    filename: Option<String>,
    /// Media type, such as image/png [default: by name and content]
    #[arg(long, value_name = "TYPE")]
    mimetype: Option<String>,
    /// Storage path; one that ends in / is a folder
    #[arg(long)]
    path: Option<String>,
    /// Bucket or container
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Who may read the object at the provider
    #[arg(long, value_parser = ["private", "public"])]
    access: Option<String>,
    /// Region of the container
    #[arg(long)]
    region: Option<String>,
}

pub(crate) async fn run(arguments: PutArguments) -> Result<(), Failure> {
    check_names(&arguments.sources, &arguments.options)?;
    let client = Client::new(arguments.connection)?;
    for source in &arguments.sources {
        let mut url = store_url(&client, &arguments.key, &arguments.options);
        client.authorise(&mut url, &[Call::Store], None)?;
        let answer: Value = match as_url(source) {
            Some(source) => answer_of(send(fetch_request(&client, url, source)).await?).await?,
            None => upload(&client, url, Path::new(source), &arguments.options).await?,
        };
        if arguments.json {
            output::line(&answer)?;
        } else {
            output::line(answer["url"].as_str().unwrap_or_default())?;
        }
    }
    Ok(())
}

/// Several sources under one name or one exact path would overwrite each other.
fn check_names(sources: &[OsString], options: &StoreFlags) -> Result<(), Failure> {
    if sources.len() < 2 {
        return Ok(());
    }
    let usage = |option, reason: &str| Err(Failure::Usage { option, reason: reason.to_owned() });
    if options.filename.is_some() {
        return usage("--filename", "names one file, but several are given");
    }
    match &options.path {
        Some(path) if !path.ends_with('/') => {
            usage("--path", "names one object, but several files are given; end it in / for a folder")
        }
        _ => Ok(()),
    }
}

fn as_url(source: &OsStr) -> Option<&str> {
    let source = source.to_str()?;
    let (scheme, _) = source.split_once("://")?;
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")).then_some(source)
}

fn store_url(client: &Client, key: &str, options: &StoreFlags) -> Url {
    let path = match options.location {
        Some(location) => format!("/api/store/{location}"),
        None => "/api/store".to_owned(),
    };
    let mut url = client.url(&path);
    let named = [
        ("filename", &options.filename),
        ("mimetype", &options.mimetype),
        ("path", &options.path),
        ("container", &options.container),
        ("access", &options.access),
        ("region", &options.region),
    ];
    let mut query = url.query_pairs_mut();
    query.append_pair("key", key);
    for (name, value) in named {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    drop(query);
    url
}

fn fetch_request(client: &Client, url: Url, source: &str) -> RequestBuilder {
    let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("url", source).finish();
    client.http().post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
}

async fn answer_of(response: Response) -> Result<Value, Failure> {
    response.json().await.map_err(|error| broken(&error))
}

async fn upload(client: &Client, mut url: Url, path: &Path, options: &StoreFlags) -> Result<Value, Failure> {
    let file = tokio::fs::File::open(path).await.map_err(Failure::file(path))?;
    let metadata = file.metadata().await.map_err(Failure::file(path))?;
    if !metadata.is_file() {
        return Err(Failure::Other(format!("{}: not a regular file", path.display())));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if options.filename.is_none() {
        url.query_pairs_mut().append_pair("filename", &name);
    }
    let bar = progress(metadata.len(), &name);
    let answer = if metadata.len() >= resumable::LARGE {
        let upload = resumable::Upload {
            client,
            create: creation_url(client, &url, options),
            options: options_of(&url),
            path,
            metadata,
            bar: bar.clone(),
        };
        upload.run().await
    } else {
        let counted = bar.clone();
        let chunks = ReaderStream::with_capacity(file, CHUNK).inspect_ok(move |chunk| counted.inc(chunk.len() as u64));
        let request = client.http().post(url).header(CONTENT_LENGTH, metadata.len()).body(Body::wrap_stream(chunks));
        match send(request).await {
            Ok(response) => answer_of(response).await,
            Err(failure) => Err(failure),
        }
    };
    bar.finish_and_clear();
    answer
}

/// The same options and policy, for an upload that can be gone on with.
fn creation_url(client: &Client, store: &Url, options: &StoreFlags) -> Url {
    let mut url = client.url("/tus/");
    url.set_query(store.query());
    if let Some(location) = options.location {
        url.query_pairs_mut().append_pair("location", &location.to_string());
    }
    url
}

/// Path and query without the policy, which differs each time.
fn options_of(url: &Url) -> String {
    let mut options = url.clone();
    let lasting = url.query_pairs().filter(|(name, _)| !matches!(&**name, "policy" | "signature"));
    options.query_pairs_mut().clear().extend_pairs(lasting);
    format!("{}?{}", options.path(), options.query().unwrap_or_default())
}

/// Draws on standard error, and only when that is a terminal.
fn progress(size: u64, name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    ProgressBar::new(size)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(name.to_owned())
}
