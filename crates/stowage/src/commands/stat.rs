//! `stowage stat`.

use clap::ValueEnum;
use serde_json::Value;
use stowage_core::{handle::Handle, policy::Call};

use crate::{
    client::{Client, Connection, broken, send},
    failure::Failure,
    output,
};

/// What the server tells when nothing special is asked (spec 02 §4); named explicitly as soon as something is.
const DEFAULT_FIELDS: [&str; 9] =
    ["size", "mimetype", "filename", "uploaded", "writeable", "location", "path", "container", "key"];

/// Print what is known about a file, as JSON
///
/// Prints JSON: size, media type, name, time of upload in unix milliseconds, and where it is stored.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stowage stat 7xSJALUhSlCDCNujt5Ku
  stowage stat 7xSJALUhSlCDCNujt5Ku --digest sha256,md5 --dimensions
  stowage stat 7xSJALUhSlCDCNujt5Ku --exif")]
pub(crate) struct StatArguments {
    /// Handle of the file
    handle: Handle,
    /// Add the width and height of an image
    #[arg(long)]
    dimensions: bool,
    /// Add the EXIF data of an image
    #[arg(long)]
    exif: bool,
    /// Add the URL that the file was imported from
    #[arg(long)]
    source_url: bool,
    /// Add digests of the content
    #[arg(long, value_name = "ALGORITHM", value_delimiter = ',')]
    digest: Vec<Digest>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Digest {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    fn field(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }
}

impl StatArguments {
    /// Fields beyond the default ones.
    fn extras(&self) -> Vec<&'static str> {
        let mut fields: Vec<&'static str> = self.digest.iter().map(|digest| digest.field()).collect();
        if self.dimensions {
            fields.extend(["width", "height"]);
        }
        if self.source_url {
            fields.push("source_url");
        }
        if self.exif {
            fields.push("exif");
        }
        fields
    }
}

pub(crate) async fn run(arguments: StatArguments) -> Result<(), Failure> {
    let extras = arguments.extras();
    let handle = arguments.handle;
    let client = Client::new(arguments.connection)?;
    let mut url = client.url(&format!("/api/file/{handle}/metadata"));
    if !extras.is_empty() {
        let mut query = url.query_pairs_mut();
        for field in DEFAULT_FIELDS.into_iter().chain(extras) {
            query.append_pair(field, "true");
        }
    }
    let calls: &[Call] = if arguments.exif { &[Call::Stat, Call::Exif] } else { &[Call::Stat] };
    client.authorise(&mut url, calls, Some(&handle))?;
    let response = send(client.http().get(url)).await?;
    let metadata: Value = response.json().await.map_err(|error| broken(&error))?;
    output::json(&metadata)
}
