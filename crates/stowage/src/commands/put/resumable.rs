//! Upload of a large file by tus: it goes on where it was after either side was killed.
//!
//! Which upload belongs to which file is kept in a small note below `$XDG_STATE_HOME/stowage/uploads`, named by a digest of server,
//! key, options, path, size and time of change: another file, or the same one changed, begins anew.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use futures_util::TryStreamExt;
use indicatif::ProgressBar;
use reqwest::{Body, Response, StatusCode, Url, header};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncSeekExt, SeekFrom};
use tokio_util::io::ReaderStream;

use super::CHUNK;
use crate::{
    client::{Client, broken, send},
    failure::Failure,
};

/// Smaller files are sent again from the start sooner than two more requests take.
pub(super) const LARGE: u64 = 16 << 20;

/// Longest time without a byte of progress.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two attempts, growing.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A file on its way.
pub(super) struct Upload<'a> {
    /// The server.
    pub(super) client: &'a Client,
    /// Creation URL, with key, options and policy.
    pub(super) create: Url,
    /// What tells this upload from others: the options without the policy, which differs each time.
    pub(super) options: String,
    /// The file.
    pub(super) path: &'a Path,
    /// Its metadata.
    pub(super) metadata: fs::Metadata,
    /// Where progress is drawn.
    pub(super) bar: ProgressBar,
}

/// What became of one attempt.
enum Attempt {
    /// All bytes are there.
    Done,
    /// The connection broke, or the server is not well; another attempt may help.
    Interrupted(Failure),
}

impl Upload<'_> {
    /// Begins the upload or goes on with it; gives the server's description of the file.
    pub(super) async fn run(self) -> Result<Value, Failure> {
        let note = self.note();
        let mut upload = fs::read_to_string(&note).ok().filter(|id| is_id(id));
        let mut pause = FIRST_PAUSE;
        let mut last_progress = tokio::time::Instant::now();
        let mut reached = 0;
        loop {
            let attempt = match upload.clone() {
                Some(id) => self.go_on(&id).await,
                None => match self.begin(&note).await {
                    Ok(id) => {
                        upload = Some(id);
                        continue;
                    }
                    Err(failure) => Err(failure),
                },
            };
            let interrupted = match attempt {
                Ok(Some(Attempt::Done)) => break,
                Ok(Some(Attempt::Interrupted(failure))) => failure,
                Ok(None) => {
                    // The server has forgotten it.
                    upload = None;
                    continue;
                }
                Err(failure @ Failure::Unreachable(_)) => failure,
                Err(failure) => return Err(failure),
            };
            if self.bar.position() > reached {
                reached = self.bar.position();
                last_progress = tokio::time::Instant::now();
                pause = FIRST_PAUSE;
            }
            if last_progress.elapsed() > PATIENCE {
                return Err(interrupted);
            }
            self.bar.set_message(format!("waiting: {interrupted}"));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let id = upload.unwrap_or_default();
        let file = self.client.http().get(self.url(&id)).header(header::ACCEPT, "application/json");
        let file = send(file).await?.json().await.map_err(|error| broken(&error))?;
        let _ = fs::remove_file(&note);
        Ok(file)
    }

    async fn begin(&self, note: &Path) -> Result<String, Failure> {
        let request = self.client.http().post(self.create.clone());
        let created =
            send(request.header("Tus-Resumable", "1.0.0").header("Upload-Length", self.metadata.len())).await?;
        let location = created.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
        let id = location.and_then(|location| location.rsplit('/').next()).filter(|id| is_id(id));
        let id = id.ok_or_else(|| Failure::Answer("the server began an upload without naming it".to_owned()))?;
        write_note(note, id).map_err(Failure::file(note))?;
        Ok(id.to_owned())
    }

    /// Asks where to go on and sends the rest. `None`: the server knows no such upload.
    async fn go_on(&self, id: &str) -> Result<Option<Attempt>, Failure> {
        let request = self.client.http().head(self.url(id)).header("Tus-Resumable", "1.0.0");
        let state = request.send().await.map_err(|error| broken(&error))?;
        match state.status() {
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            status if status.is_success() => {}
            _ => return judge(state).await.map(Some),
        }
        let offset = number(&state, "upload-offset")?;
        self.bar.set_position(offset);
        self.bar.reset_eta();
        if offset == self.metadata.len() {
            return Ok(Some(Attempt::Done));
        }
        let mut file = tokio::fs::File::open(self.path).await.map_err(Failure::file(self.path))?;
        file.seek(SeekFrom::Start(offset)).await.map_err(Failure::file(self.path))?;
        let bar = self.bar.clone();
        let chunks = ReaderStream::with_capacity(file, CHUNK).inspect_ok(move |chunk| bar.inc(chunk.len() as u64));
        let request = self
            .client
            .http()
            .patch(self.url(id))
            .header("Tus-Resumable", "1.0.0")
            .header("Upload-Offset", offset)
            .header(header::CONTENT_TYPE, "application/offset+octet-stream")
            .header(header::CONTENT_LENGTH, self.metadata.len() - offset)
            .body(Body::wrap_stream(chunks));
        let sent = request.send().await.map_err(|error| broken(&error))?;
        if sent.status().is_success() { Ok(Some(Attempt::Done)) } else { judge(sent).await.map(Some) }
    }

    fn url(&self, id: &str) -> Url {
        self.client.url(&format!("/tus/{id}"))
    }

    fn note(&self) -> PathBuf {
        let path = fs::canonicalize(self.path).unwrap_or_else(|_| self.path.to_owned());
        let changed = self.metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let identity = format!(
            "{}\n{}\n{}\n{}\n{:?}",
            self.client.url("/"),
            self.options,
            path.display(),
            self.metadata.len(),
            changed.unwrap_or_default()
        );
        state_directory().join("uploads").join(hex::encode(Sha256::digest(identity.as_bytes())))
    }
}

/// A refusal that another attempt may turn into success, or for good.
async fn judge(response: Response) -> Result<Attempt, Failure> {
    let status = response.status();
    let passes = status.is_server_error() || matches!(status.as_u16(), 408 | 409 | 423 | 429);
    let failure =
        Failure::Answer(format!("the server answered {status}: {}", response.text().await.unwrap_or_default()));
    // A full store stays full for longer than anybody waits.
    if passes && status != StatusCode::INSUFFICIENT_STORAGE { Ok(Attempt::Interrupted(failure)) } else { Err(failure) }
}

fn number(response: &Response, name: &str) -> Result<u64, Failure> {
    let value = response.headers().get(name).and_then(|value| value.to_str().ok()?.parse().ok());
    value.ok_or_else(|| Failure::Answer(format!("the server's answer has no usable {name}")))
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Complete under its name or not there at all.
fn write_note(note: &Path, id: &str) -> io::Result<()> {
    if let Some(directory) = note.parent() {
        fs::create_dir_all(directory)?;
    }
    let unfinished = note.with_extension("new");
    fs::write(&unfinished, id)?;
    fs::rename(unfinished, note)
}

/// `$XDG_STATE_HOME/stowage`, else `~/.local/state/stowage`, else a directory for temporary files.
fn state_directory() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    state.unwrap_or_else(std::env::temp_dir).join("stowage")
}
