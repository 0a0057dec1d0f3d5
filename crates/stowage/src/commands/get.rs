//! `stowage get`.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use reqwest::{Response, Url, header::CONTENT_DISPOSITION};
use stowage_core::{disposition, filename::FileName, handle::Handle, policy::Call};

use crate::{
    client::{Client, Connection, broken, send},
    failure::Failure,
};

/// Download a file
///
/// Saves the file under its stored name in the current directory, never over an existing one, unless -o names another place.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stowage get 7xSJALUhSlCDCNujt5Ku
  stowage get 7xSJALUhSlCDCNujt5Ku -o holiday.jpg
  stowage get http://127.0.0.1:8080/7xSJALUhSlCDCNujt5Ku -o - | sha256sum")]
pub(crate) struct GetArguments {
    /// Handle of the file on --server, or its URL
    #[arg(value_name = "HANDLE|URL")]
    source: String,
    /// File to write, overwriting it; `-` writes to standard output
    #[arg(short, long, value_name = "FILE|-")]
    output: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(arguments: GetArguments) -> Result<(), Failure> {
    let (client, mut url, handle) = locate(arguments.connection, &arguments.source)?;
    if handle.is_some() {
        client.authorise(&mut url, &[Call::Read], handle.as_ref())?;
    }
    let response = send(client.http().get(url)).await?;
    match arguments.output.as_deref() {
        Some(path) if path == Path::new("-") => copy(response, &mut io::stdout().lock(), Failure::Output).await,
        Some(path) => save(response, path).await,
        None => {
            let path = stored_name(&response, handle.as_ref());
            if path.exists() {
                return Err(Failure::Other(format!("{} exists already; name another file with -o", path.display())));
            }
            save(response, &path).await
        }
    }
}

/// Whom to ask for what. A policy is only signed for a handle, so a URL without one is asked as it is.
fn locate(connection: Connection, source: &str) -> Result<(Client, Url, Option<Handle>), Failure> {
    if let Ok(handle) = Handle::parse(source) {
        let client = Client::new(connection)?;
        let url = client.url(&format!("/api/file/{handle}"));
        return Ok((client, url, Some(handle)));
    }
    let url = Url::parse(source).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(|| {
        Failure::Usage {
            option: "HANDLE|URL",
            reason: format!("`{source}` is neither a handle of 20 characters nor an http URL"),
        }
    })?;
    let last = url.path().rsplit('/').next().unwrap_or_default();
    let handle = Handle::parse(last.split('+').next().unwrap_or_default()).ok();
    Ok((Client::new(connection.toward(&url))?, url, handle))
}

fn stored_name(response: &Response, handle: Option<&Handle>) -> PathBuf {
    let header = response.headers().get(CONTENT_DISPOSITION);
    let name = header
        .and_then(|value| disposition::filename_of(&String::from_utf8_lossy(value.as_bytes())))
        .and_then(|name| FileName::from_hint(&name))
        .map(|name| name.as_str().to_owned())
        .or_else(|| handle.map(ToString::to_string));
    PathBuf::from(name.unwrap_or_else(|| "download".to_owned()))
}

/// Writes beside `path` and renames, so that a download that breaks off never looks complete.
async fn save(response: Response, path: &Path) -> Result<(), Failure> {
    let mut partial_name = path.as_os_str().to_owned();
    partial_name.push(format!(".{}.part", std::process::id()));
    let partial = PathBuf::from(partial_name);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&partial).map_err(Failure::file(&partial))?;
    let saved = copy(response, &mut file, Failure::file(&partial))
        .await
        .and_then(|()| fs::rename(&partial, path).map_err(Failure::file(path)));
    if saved.is_err() {
        // Best effort: the failure itself is what the user is told.
        let _ = fs::remove_file(&partial);
    }
    saved
}

async fn copy(
    mut response: Response,
    sink: &mut impl Write,
    write_failure: impl FnOnce(io::Error) -> Failure,
) -> Result<(), Failure> {
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
        if let Err(error) = sink.write_all(&chunk) {
            return Err(write_failure(error));
        }
    }
    sink.flush().map_err(write_failure)
}
