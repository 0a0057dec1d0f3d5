//! `stowage app …`.

use std::time::{Duration, UNIX_EPOCH};

use clap::Subcommand;
use serde::Serialize;
use stowage_catalogue::{App, Catalogue};
use stowage_core::{
    app::{AppSettings, ImageProfile, Preset},
    location::{ContainerName, Location},
    media_type::MediaTypePattern,
};
use stowage_server::config::parse_size;

use crate::{
    failure::Failure,
    installation::{Installation, find_app},
    output,
};

/// Create and manage applications: API keys, secrets and settings
///
/// An application is an API key, a secret and settings; its files are its own. These commands work on the data directory directly, also
/// beside a running server, which honours a change within seconds. NAME may be an application's name or its API key.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stowage app create photos --security
  stowage app create photos --json --max-file-size 100MB --allowed-mime-types 'image/*,.pdf'
  stowage app set photos --cors-origins https://www.example.com
  stowage app set photos --cors-origins ''   an empty value clears a setting
  stowage app show photos --secret")]
pub(crate) struct AppArguments {
    #[command(flatten)]
    installation: Installation,
    #[command(subcommand)]
    command: AppCommand,
}

#[derive(Debug, Subcommand)]
enum AppCommand {
    /// Create an application and print its API key and secret
    Create {
        /// Name of the application, for people
        name: String,
        /// Require a signed policy for every call
        #[arg(long)]
        security: bool,
        #[command(flatten)]
        settings: SettingFlags,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List all applications, without secrets
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one application, without its secret unless asked
    Show {
        /// Name or API key
        name: String,
        /// Show the secret too
        #[arg(long)]
        secret: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Draw a new secret and print it; policies signed with the old one are void
    RotateSecret {
        /// Name or API key
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change settings; what is not named stays
    Set {
        /// Name or API key
        name: String,
        /// Require a signed policy for every call
        #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
        security: Option<bool>,
        #[command(flatten)]
        settings: SettingFlags,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete an application
    Delete {
        /// Name or API key
        name: String,
        /// Delete its files too
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, clap::Args)]
struct SettingFlags {
    /// Location of requests that name none: S3, azure, gcs, dropbox, rackspace or local
    #[arg(long, value_name = "LOCATION")]
    default_location: Option<Location>,
    /// Locations that requests may name, separated by commas; empty: every configured one
    #[arg(long, value_name = "LIST")]
    allowed_locations: Option<String>,
    /// Bucket or container of requests that name none; empty: the store's own
    #[arg(long, value_name = "NAME")]
    default_container: Option<String>,
    /// Largest file, such as 100MB or 5GiB; empty: the server's limit
    #[arg(long, value_name = "SIZE")]
    max_file_size: Option<String>,
    /// Accepted media types, such as image/*,application/pdf; empty: all
    #[arg(long, value_name = "LIST")]
    allowed_mime_types: Option<String>,
    /// Browser origins that may use the application, such as https://www.example.com; empty: any
    #[arg(long, value_name = "LIST")]
    cors_origins: Option<String>,
    /// Let clients put parts of uploads straight to a storage provider that allows it
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
    direct_uploads: Option<bool>,
    /// Effort for pictures: standard, quality (linear light, slower) or fast
    #[arg(long, value_name = "PROFILE")]
    image_profile: Option<ImageProfile>,
    /// Work on pictures for signed requests and by presets only
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
    strict_images: Option<bool>,
    /// Tasks under a name, such as avatar=resize=width:64,height:64,fit:crop; URLs use it as preset=name:avatar.
    /// May be given several times; no tasks behind the first `=` remove the name
    #[arg(long = "preset", value_name = "NAME=TASKS")]
    presets: Vec<String>,
}

impl SettingFlags {
    fn apply(&self, settings: &mut AppSettings) -> Result<(), Failure> {
        if let Some(location) = self.default_location {
            settings.default_location = location;
        }
        if let Some(text) = &self.allowed_locations {
            settings.allowed_locations = list("--allowed-locations", text, str::parse)?;
        }
        if let Some(text) = &self.default_container {
            settings.default_container = optional("--default-container", text, ContainerName::parse)?;
        }
        if let Some(text) = &self.max_file_size {
            settings.max_file_size = optional("--max-file-size", text, parse_size)?;
        }
        if let Some(text) = &self.allowed_mime_types {
            settings.allowed_mime_types = list("--allowed-mime-types", text, MediaTypePattern::parse)?;
        }
        if let Some(text) = &self.cors_origins {
            settings.cors_origins = list("--cors-origins", text, origin)?;
        }
        if let Some(direct_uploads) = self.direct_uploads {
            settings.direct_uploads = direct_uploads;
        }
        settings.image_profile = self.image_profile.unwrap_or(settings.image_profile);
        settings.strict_images = self.strict_images.unwrap_or(settings.strict_images);
        self.presets.iter().try_for_each(|text| set_preset(text, settings))
    }
}

fn set_preset(text: &str, settings: &mut AppSettings) -> Result<(), Failure> {
    let wrong = |reason: String| Failure::Usage { option: "--preset", reason: format!("`{text}`: {reason}") };
    let (name, tasks) = text.split_once('=').ok_or_else(|| wrong("it reads NAME=TASKS".to_owned()))?;
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_plain || !(1..=64).contains(&name.len()) {
        return Err(wrong("a name has 1 to 64 letters, digits, `-`, `_` and `.`".to_owned()));
    }
    if tasks.is_empty() {
        settings.presets.remove(name);
        return Ok(());
    }
    settings.presets.insert(name.to_owned(), Preset::parse(tasks).map_err(wrong)?);
    Ok(())
}

/// An empty text clears the setting.
fn optional<T, E: ToString>(
    option: &'static str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Failure> {
    Ok(list(option, text, parse)?.pop())
}

fn list<T, E: ToString>(
    option: &'static str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, Failure> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| {
            parse(item).map_err(|error| Failure::Usage { option, reason: format!("`{item}`: {}", error.to_string()) })
        })
        .collect()
}

/// Browsers send origins in exactly this form, so that comparing texts is enough.
fn origin(text: &str) -> Result<String, &'static str> {
    let serialized = url::Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .map(|url| url.origin().ascii_serialization());
    match serialized {
        Some(origin) if origin == text.trim_end_matches('/') => Ok(origin),
        _ => Err("an origin is scheme://host or scheme://host:port, nothing more"),
    }
}

pub(crate) async fn run(arguments: AppArguments) -> Result<(), Failure> {
    let catalogue = arguments.installation.open_catalogue()?;
    match arguments.command {
        AppCommand::Create { name, security, settings: flags, json } => {
            let mut settings = AppSettings { security, ..AppSettings::default() };
            flags.apply(&mut settings)?;
            let app = catalogue.create_app(&name, settings).await?;
            print(&app, true, json)
        }
        AppCommand::List { json } => list_apps(&catalogue, json).await,
        AppCommand::Show { name, secret, json } => print(&find_app(&catalogue, &name).await?, secret, json),
        AppCommand::RotateSecret { name, json } => {
            let mut app = find_app(&catalogue, &name).await?;
            app.secret = catalogue.rotate_secret(app.id).await?;
            print(&app, true, json)
        }
        AppCommand::Set { name, security, settings: flags, json } => {
            let mut app = find_app(&catalogue, &name).await?;
            app.settings.security = security.unwrap_or(app.settings.security);
            flags.apply(&mut app.settings)?;
            catalogue.set_app(app.id, app.settings.clone()).await?;
            print(&app, false, json)
        }
        AppCommand::Delete { name, force } => {
            let app = find_app(&catalogue, &name).await?;
            catalogue.delete_app(app.id, force).await?;
            output::line(format_args!("deleted app `{}`", app.name))
        }
    }
}

async fn list_apps(catalogue: &Catalogue, json: bool) -> Result<(), Failure> {
    let apps = catalogue.apps().await?;
    if json {
        let views: Vec<AppView<'_>> = apps.iter().map(|app| AppView::new(app, false)).collect();
        return output::json(&views);
    }
    let rows: Vec<[String; 3]> = apps
        .iter()
        .map(|app| [app.name.clone(), app.key.to_string(), format!("security {}", on_off(app.settings.security))])
        .collect();
    output::table(&rows)
}

/// The JSON of `--json`; scripts rely on its names.
#[derive(Serialize)]
struct AppView<'a> {
    apikey: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    name: &'a str,
    id: i64,
    created: i64,
    #[serde(flatten)]
    settings: &'a AppSettings,
}

impl<'a> AppView<'a> {
    fn new(app: &'a App, with_secret: bool) -> Self {
        Self {
            apikey: app.key.as_str(),
            secret: with_secret.then(|| app.secret.expose()),
            name: &app.name,
            id: app.id,
            created: app.created,
            settings: &app.settings,
        }
    }
}

fn print(app: &App, with_secret: bool, json: bool) -> Result<(), Failure> {
    if json {
        return output::json(&AppView::new(app, with_secret));
    }
    let settings = &app.settings;
    let presets: Vec<String> = settings.presets.iter().map(|(name, preset)| format!("{name}={preset}")).collect();
    let mut rows = vec![
        ("name", app.name.clone()),
        ("API key", app.key.to_string()),
        ("created", date(app.created)),
        ("security", on_off(settings.security).to_owned()),
        ("default location", settings.default_location.to_string()),
        ("allowed locations", joined(&settings.allowed_locations, "every configured one")),
        ("default container", joined(settings.default_container.as_slice(), "the store's own")),
        ("max file size", joined(settings.max_file_size.as_slice(), "the server's limit")),
        ("allowed MIME types", joined(&settings.allowed_mime_types, "all")),
        ("CORS origins", joined(&settings.cors_origins, "any")),
        ("direct uploads", on_off(settings.direct_uploads).to_owned()),
        ("image profile", settings.image_profile.to_string()),
        ("strict images", on_off(settings.strict_images).to_owned()),
        ("presets", joined(&presets, "none")),
    ];
    if with_secret {
        rows.insert(2, ("secret", app.secret.expose().to_owned()));
    }
    let rows: Vec<[String; 2]> = rows.into_iter().map(|(label, value)| [format!("{label}:"), value]).collect();
    output::table(&rows)
}

fn on_off(flag: bool) -> &'static str {
    if flag { "on" } else { "off" }
}

fn joined<T: ToString>(items: &[T], if_empty: &str) -> String {
    if items.is_empty() {
        return if_empty.to_owned();
    }
    let texts: Vec<String> = items.iter().map(T::to_string).collect();
    texts.join(", ")
}

fn date(unix_milliseconds: i64) -> String {
    let milliseconds = u64::try_from(unix_milliseconds).unwrap_or_default();
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn origins_have_scheme_host_and_port_only() {
        assert_eq!(origin("https://www.example.com"), Ok("https://www.example.com".to_owned()));
        assert_eq!(origin("http://localhost:3000/"), Ok("http://localhost:3000".to_owned()));
        for wrong in ["*", "example.com", "https://example.com/app", "ftp://example.com", "null"] {
            assert!(origin(wrong).is_err(), "{wrong:?} was accepted");
        }
    }
}
