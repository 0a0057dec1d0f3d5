//! `stowage store …`.

use std::io::{self, BufRead};

use clap::{Subcommand, ValueEnum};
use serde_json::{Map, Value, json};
use stowage_catalogue::{Catalogue, StoreRow};
use stowage_core::location::Location;
use stowage_store::object::{S3Config, S3Store};

use crate::{
    failure::Failure,
    installation::{Installation, find_app},
    output,
};

const MASK: &str = "********";
/// Driver settings that may be shown; everything else is taken for a credential.
const PUBLIC_SETTINGS: [&str; 5] = ["bucket", "allowed_buckets", "endpoint", "region", "virtual_host_style"];

/// Configure where an application's files are stored
///
/// A new application stores everything on the server's own disk, as locations `S3` and `local`. These commands give a location another
/// store, also beside a running server. APP may be an application's name or its API key. Files that are stored already stay where they are.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… \\
    stowage store add photos S3 --provider s3 --bucket my-bucket --region eu-central-1
  stowage store add photos S3 --provider s3 --bucket b --endpoint https://minio.example.com \\
    --access-key-id ID --secret-access-key - < secret.txt
  stowage store add photos gcs --provider local   answer requests for gcs from the server's disk
  stowage store list photos")]
pub(crate) struct StoreArguments {
    #[command(flatten)]
    installation: Installation,
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Configure the store of a location, replacing the present one for new files
    Add {
        /// Name or API key of the application
        app: String,
        /// Location as requests name it: S3, azure, gcs, dropbox, rackspace or local
        location: Location,
        /// Where the bytes go
        #[arg(long)]
        provider: Provider,
        #[command(flatten)]
        s3: S3Flags,
    },
    /// List the stores of an application, credentials masked
    List {
        /// Name or API key of the application
        app: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove the store of a location: new files are refused there, old ones stay readable
    Remove {
        /// Name or API key of the application
        app: String,
        /// Location
        location: Location,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Provider {
    /// The server's own disk
    Local,
    /// Amazon S3, or a server that speaks its protocol
    S3,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of provider s3")]
struct S3Flags {
    /// Bucket of requests that name none
    #[arg(long, required_if_eq("provider", "s3"))]
    bucket: Option<String>,
    /// Another bucket that requests may name; may be repeated
    #[arg(long = "allowed-bucket", value_name = "BUCKET")]
    allowed_buckets: Vec<String>,
    /// URL of the service [default: Amazon]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Region of the bucket [default: us-east-1]
    #[arg(long)]
    region: Option<String>,
    /// Access key id
    #[arg(
        long,
        value_name = "ID",
        env = "AWS_ACCESS_KEY_ID",
        hide_env_values = true,
        required_if_eq("provider", "s3")
    )]
    access_key_id: Option<String>,
    /// Secret access key; `-` reads it from the first line of standard input
    #[arg(
        long,
        value_name = "KEY",
        env = "AWS_SECRET_ACCESS_KEY",
        hide_env_values = true,
        required_if_eq("provider", "s3")
    )]
    secret_access_key: Option<String>,
    /// Address buckets as BUCKET.HOST instead of HOST/BUCKET
    #[arg(long)]
    virtual_host_style: bool,
}

impl S3Flags {
    /// Clap has made sure that what S3 requires is there.
    fn into_config(self) -> Result<S3Config, Failure> {
        let mut secret_access_key = self.secret_access_key.unwrap_or_default();
        if secret_access_key == "-" {
            secret_access_key = first_line_of_stdin()?;
        }
        Ok(S3Config {
            bucket: self.bucket.unwrap_or_default(),
            allowed_buckets: self.allowed_buckets,
            endpoint: self.endpoint,
            region: self.region,
            access_key_id: self.access_key_id.unwrap_or_default(),
            secret_access_key,
            virtual_host_style: self.virtual_host_style,
        })
    }
}

fn first_line_of_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .read_line(&mut text)
        .map_err(|error| Failure::Other(format!("cannot read standard input: {error}")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

pub(crate) async fn run(arguments: StoreArguments) -> Result<(), Failure> {
    let catalogue = arguments.installation.open_catalogue()?;
    match arguments.command {
        StoreCommand::Add { app, location, provider, s3 } => add(&catalogue, &app, location, provider, s3).await,
        StoreCommand::List { app, json } => list(&catalogue, &app, json).await,
        StoreCommand::Remove { app, location } => {
            let id = find_app(&catalogue, &app).await?.id;
            if !catalogue.remove_store(id, location).await? {
                return Err(Failure::Other(format!(
                    "app `{app}` has no store for {location}; `stowage store list {app}` shows all of them"
                )));
            }
            output::line(format_args!("removed the store of {location}"))
        }
    }
}

async fn add(
    catalogue: &Catalogue,
    app: &str,
    location: Location,
    provider: Provider,
    s3: S3Flags,
) -> Result<(), Failure> {
    let id = find_app(catalogue, app).await?.id;
    let (name, config) = match provider {
        Provider::Local => ("local", json!({})),
        Provider::S3 => ("s3", s3_settings(s3.into_config()?)?),
    };
    catalogue.put_store(id, location, name, config).await?;
    output::line(format_args!(
        "{location} of app `{app}` is stored by provider {name}; `stowage doctor` checks that it works"
    ))
}

fn s3_settings(config: S3Config) -> Result<Value, Failure> {
    let settings =
        serde_json::to_value(&config).map_err(|error| Failure::Other(format!("cannot keep the settings: {error}")))?;
    S3Store::new(config).map_err(|reason| Failure::Usage { option: "--provider s3", reason })?;
    Ok(settings)
}

async fn list(catalogue: &Catalogue, app: &str, as_json: bool) -> Result<(), Failure> {
    let id = find_app(catalogue, app).await?.id;
    let stores = catalogue.stores(id).await?;
    if as_json {
        let views: Vec<Value> = stores
            .iter()
            .map(|store| {
                json!({
                    "location": store.location.as_str(),
                    "provider": store.provider,
                    "config": masked(store),
                })
            })
            .collect();
        return output::json(&views);
    }
    let rows: Vec<[String; 3]> = stores
        .iter()
        .map(|store| {
            let settings: Vec<String> = masked(store)
                .iter()
                .map(|(name, value)| match value {
                    Value::String(text) => format!("{name}={text}"),
                    other => format!("{name}={other}"),
                })
                .collect();
            [store.location.to_string(), store.provider.clone(), settings.join(" ")]
        })
        .collect();
    output::table(&rows)
}

/// The driver's settings, without those that are not set and with credentials masked.
fn masked(store: &StoreRow) -> Map<String, Value> {
    let Value::Object(settings) = &store.config else {
        return Map::new();
    };
    settings
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let shown = if PUBLIC_SETTINGS.contains(&name.as_str()) { value.clone() } else { Value::from(MASK) };
            (name.clone(), shown)
        })
        .collect()
}
