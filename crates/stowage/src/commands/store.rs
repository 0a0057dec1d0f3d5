//! `stowage store …`.

mod migrate;
mod trial;

use std::io::{self, BufRead};

use clap::Subcommand;
use serde_json::{Map, Value, json};
use stowage_catalogue::{App, Catalogue, NewStore, StoreRow};
use stowage_core::location::Location;
use stowage_server::open_local_store;
use stowage_store::registry::{PROVIDERS, Provider};

use crate::{
    failure::Failure,
    installation::{Installation, find_app, open_catalogue},
    output,
};

/// Configure where an application's files are stored
///
/// A new application stores everything on the server's own disk, as locations `S3` and `local`. These commands add stores, also beside a
/// running server. APP may be an application's name or its API key. Files that are stored already stay where they are until they are
/// migrated.
///
/// A VALUE is taken as it is, unless it is `-` (the first line of standard input), `@FILE` (the content of a file) or `env:NAME` (an
/// environment variable): prefer those for credentials, because others can see arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stowage store add photos S3 --provider s3 bucket=my-bucket region=eu-central-1 \\
    access_key_id=env:AWS_ACCESS_KEY_ID secret_access_key=env:AWS_SECRET_ACCESS_KEY
  stowage store add photos azure --provider azure container=photos connection_string=@azure.txt
  stowage store add photos archive --provider swift container=old auth.method=v1 \\
    auth.url=https://swift.example.com/auth/v1.0 auth.user=account:user auth.key=-
  stowage store test photos S3
  stowage store set photos S3 secret_access_key=env:NEW_SECRET
  stowage store migrate photos S3 archive")]
pub(crate) struct StoreArguments {
    #[command(flatten)]
    installation: Installation,
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Add a store, or replace the one of the same name for new files
    Add {
        /// Name or API key of the application
        app: String,
        /// Name of the store; also its alias in sources: src://NAME/path
        name: String,
        /// Location whose requests it serves: S3, azure, gcs, dropbox, rackspace or local [default: NAME, if that is a location]
        #[arg(long)]
        location: Option<Location>,
        /// Kind of storage; `stowage store providers` lists them with their settings
        #[arg(long, value_parser = provider)]
        provider: &'static Provider,
        /// Settings of the provider
        #[arg(value_name = "SETTING=VALUE", value_parser = setting)]
        settings: Vec<(String, String)>,
    },
    /// Change settings of a store in place, for the files that it holds too
    Set {
        /// Name or API key of the application
        app: String,
        /// Name of the store
        name: String,
        /// Settings to change
        #[arg(value_name = "SETTING=VALUE", value_parser = setting, required = true)]
        settings: Vec<(String, String)>,
    },
    /// List the stores of an application, credentials masked
    List {
        /// Name or API key of the application
        app: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write, read, list and delete a probe object, and print what each step took
    Test {
        /// Name or API key of the application
        app: String,
        /// Name of the store
        name: String,
    },
    Migrate(migrate::MigrateArguments),
    /// Take a store out of use: new files are refused there, old ones stay readable
    Remove {
        /// Name or API key of the application
        app: String,
        /// Name of the store
        name: String,
    },
    /// List the kinds of storage and their settings
    Providers,
}

fn provider(name: &str) -> Result<&'static Provider, String> {
    let names: Vec<&str> = PROVIDERS.iter().map(|provider| provider.name).collect();
    Provider::named(name).ok_or_else(|| format!("the providers are {}", names.join(", ")))
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting reads NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads the values that stand elsewhere.
fn resolve(settings: Vec<(String, String)>) -> Result<Vec<(String, String)>, Failure> {
    settings.into_iter().map(|(name, value)| resolve_value(&name, value).map(|value| (name, value))).collect()
}

fn resolve_value(name: &str, value: String) -> Result<String, Failure> {
    let unreadable = |source: &str, error: String| Failure::Other(format!("{name}: cannot read {source}: {error}"));
    if value == "-" {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map_err(|error| unreadable("standard input", error.to_string()))?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    if let Some(file) = value.strip_prefix('@') {
        let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, error.to_string()))?;
        return Ok(text.trim_end().to_owned());
    }
    if let Some(variable) = value.strip_prefix("env:") {
        return std::env::var(variable).map_err(|error| unreadable(variable, error.to_string()));
    }
    Ok(value)
}

pub(crate) async fn run(arguments: StoreArguments) -> Result<(), Failure> {
    let installation = arguments.installation;
    if let StoreCommand::Providers = arguments.command {
        return list_providers();
    }
    let config = installation.load()?.config;
    let catalogue = open_catalogue(&config)?;
    let local = open_local_store(&config)?;
    match arguments.command {
        StoreCommand::Add { app, name, location, provider, settings } => {
            let app = find_app(&catalogue, &app).await?;
            let settings = provider.settings_from_text(&resolve(settings)?).map_err(unusable)?;
            provider.open(settings.clone(), &local).map_err(unusable)?;
            let location = location.or_else(|| Location::parse(&name));
            let store = NewStore { name: name.clone(), location, provider: provider.name.to_owned(), config: settings };
            catalogue.put_store(app.id, store).await?;
            let app = &app.name;
            output::line(format_args!(
                "added store `{name}` of app `{app}`; check it with: stowage store test {app} {name}"
            ))
        }
        StoreCommand::Set { app, name, settings } => {
            let store = find_store(&catalogue, &find_app(&catalogue, &app).await?, &name).await?;
            let provider = provider_of(&store)?;
            let changes = provider.settings_from_text(&resolve(settings)?).map_err(unusable)?;
            let changed = merged(store.config, changes);
            provider.open(changed.clone(), &local).map_err(unusable)?;
            catalogue.reconfigure_store(store.id, changed).await?;
            output::line(format_args!("changed store `{name}`"))
        }
        StoreCommand::List { app, json } => list(&catalogue, &app, json).await,
        StoreCommand::Test { app, name } => {
            let store = find_store(&catalogue, &find_app(&catalogue, &app).await?, &name).await?;
            let opened = provider_of(&store)?.open(store.config, &local).map_err(unusable)?;
            trial::run(opened).await
        }
        StoreCommand::Migrate(arguments) => migrate::run(&config, &catalogue, arguments).await,
        StoreCommand::Remove { app, name } => {
            let app = find_app(&catalogue, &app).await?;
            if !catalogue.remove_store(app.id, &name).await? {
                return Err(no_store(&app, &name));
            }
            output::line(format_args!("removed store `{name}`"))
        }
        StoreCommand::Providers => list_providers(),
    }
}

fn unusable(reason: String) -> Failure {
    Failure::Usage { option: "SETTING=VALUE", reason }
}

fn no_store(app: &App, name: &str) -> Failure {
    let app = &app.name;
    Failure::Other(format!("app `{app}` has no store `{name}`; `stowage store list {app}` shows all of them"))
}

async fn find_store(catalogue: &Catalogue, app: &App, name: &str) -> Result<StoreRow, Failure> {
    let stores = catalogue.stores(app.id).await?;
    stores.into_iter().find(|store| store.name == name).ok_or_else(|| no_store(app, name))
}

fn provider_of(store: &StoreRow) -> Result<&'static Provider, Failure> {
    Provider::named(&store.provider)
        .ok_or_else(|| Failure::Other(format!("this version knows no provider `{}`", store.provider)))
}

/// Changed settings replace the old ones, also inside nested objects.
fn merged(old: Value, new: Value) -> Value {
    match (old, new) {
        (Value::Object(mut old), Value::Object(new)) => {
            for (name, value) in new {
                let before = old.remove(&name).unwrap_or(Value::Null);
                old.insert(name, merged(before, value));
            }
            Value::Object(old)
        }
        (_, new) => new,
    }
}

async fn list(catalogue: &Catalogue, app: &str, as_json: bool) -> Result<(), Failure> {
    let stores = catalogue.stores(find_app(catalogue, app).await?.id).await?;
    if as_json {
        let views: Vec<Value> = stores
            .iter()
            .map(|store| {
                json!({
                    "name": store.name,
                    "location": store.location.map(Location::as_str),
                    "provider": store.provider,
                    "config": masked(store).into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect::<Map<_, _>>(),
                })
            })
            .collect();
        return output::json(&views);
    }
    let rows: Vec<[String; 4]> = stores
        .iter()
        .map(|store| {
            let settings: Vec<String> = masked(store).iter().map(|(name, text)| format!("{name}={text}")).collect();
            let location = store.location.map_or("-", Location::as_str);
            [store.name.clone(), location.to_owned(), store.provider.clone(), settings.join(" ")]
        })
        .collect();
    output::table(&rows)
}

fn masked(store: &StoreRow) -> Vec<(&'static str, String)> {
    Provider::named(&store.provider).map(|provider| provider.settings_as_text(&store.config)).unwrap_or_default()
}

fn list_providers() -> Result<(), Failure> {
    for provider in PROVIDERS {
        output::line(format_args!("{}: {}", provider.name, provider.summary))?;
        for setting in provider.settings {
            output::line(format_args!("  {:<24} {}", setting.name, setting.help))?;
        }
    }
    Ok(())
}
