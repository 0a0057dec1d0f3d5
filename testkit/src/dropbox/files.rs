//! The files of a Dropbox double, and what its calls do to them.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const BLOCK: usize = 4 << 20;

/// An endpoint's error (status 409).
pub(super) struct Refusal {
    pub(super) summary: String,
    pub(super) error: Value,
}

impl Refusal {
    pub(super) fn new(summary: &str, error: Value) -> Self {
        Self { summary: summary.to_owned(), error }
    }

    /// A path that cannot be written: `files/upload` tells the reason in one way, the end of a session in another.
    fn write(summary: &str, reason: Value) -> Self {
        let error = json!({".tag": "path", "reason": reason, "upload_session_id": "none", "path": reason});
        Self::new(&format!("path/{summary}."), error)
    }

    /// The same error inside the one about looking a session up.
    fn in_lookup(self) -> Self {
        let error = json!({".tag": "lookup_failed", "lookup_failed": self.error});
        Self::new(&format!("lookup_failed/{}", self.summary), error)
    }

    /// A lookup that failed, under the name that the endpoint gives to it.
    fn not_found(kind: &str) -> Self {
        Self::new(&format!("{kind}/not_found/."), json!({".tag": kind, kind: {".tag": "not_found"}}))
    }
}

struct File {
    /// As it was written.
    path: String,
    bytes: Bytes,
    revision: u64,
}

impl File {
    fn metadata(&self) -> Value {
        json!({
            ".tag": "file",
            "name": self.path.rsplit('/').next(),
            "id": format!("id:{}", self.revision),
            "path_lower": self.path.to_lowercase(),
            "path_display": self.path,
            "client_modified": "2026-11-23T12:00:00Z",
            "server_modified": "2026-11-23T12:00:00Z",
            "rev": format!("{:015x}", self.revision),
            "size": self.bytes.len(),
            "is_downloadable": true,
            "content_hash": content_hash(&self.bytes),
        })
    }
}

#[derive(Default)]
pub(super) struct Files {
    /// By path in lower case.
    files: BTreeMap<String, File>,
    sessions: HashMap<String, Vec<u8>>,
    /// What the next pages of listings hold.
    cursors: HashMap<String, (Vec<Value>, usize)>,
    revisions: u64,
    ids: u64,
}

impl Files {
    pub(super) fn paths(&self) -> Vec<String> {
        self.files.values().map(|file| file.path.clone()).collect()
    }

    pub(super) fn get(&self, path: &str) -> Result<(Bytes, Value), Refusal> {
        let file = self.files.get(&path.to_lowercase()).ok_or_else(|| Refusal::not_found("path"))?;
        Ok((file.bytes.clone(), file.metadata()))
    }

    /// Writes a file as the `commit` says.
    pub(super) fn put(&mut self, commit: &Value, bytes: Bytes) -> Result<Value, Refusal> {
        let path = commit["path"].as_str().unwrap_or_default();
        let malformed = !path.starts_with('/') || path.ends_with('/') || path.contains("//") || path.contains('\\');
        if malformed {
            return Err(Refusal::write("malformed_path/", json!({".tag": "malformed_path"})));
        }
        if commit["mode"] != "overwrite" && self.files.contains_key(&path.to_lowercase()) || self.is_folder(path) {
            let reason = json!({".tag": "conflict", "conflict": {".tag": "file"}});
            return Err(Refusal::write("conflict/file/", reason));
        }
        Ok(self.insert(path, bytes))
    }

    fn insert(&mut self, path: &str, bytes: Bytes) -> Value {
        self.revisions += 1;
        let file = File { path: path.to_owned(), bytes, revision: self.revisions };
        let metadata = file.metadata();
        self.files.insert(path.to_lowercase(), file);
        metadata
    }

    pub(super) fn start_session(&mut self, body: Bytes) -> String {
        let id = self.new_id("session");
        self.sessions.insert(id.clone(), body.into());
        id
    }

    pub(super) fn append(&mut self, argument: &Value, body: &[u8]) -> Result<(), Refusal> {
        let session = self.session(argument)?;
        check_hash(argument, body)?;
        session.extend_from_slice(body);
        Ok(())
    }

    pub(super) fn finish(&mut self, argument: &Value, body: &[u8]) -> Result<Value, Refusal> {
        let session = self.session(argument).map_err(Refusal::in_lookup)?;
        check_hash(argument, body)?;
        session.extend_from_slice(body);
        let id = argument["cursor"]["session_id"].as_str().unwrap_or_default();
        let bytes = self.sessions.remove(id).unwrap_or_default();
        self.put(&argument["commit"], bytes.into())
    }

    fn session(&mut self, argument: &Value) -> Result<&mut Vec<u8>, Refusal> {
        let cursor = &argument["cursor"];
        let id = cursor["session_id"].as_str().unwrap_or_default();
        let missing = || Refusal::new("not_found/.", json!({".tag": "not_found"}));
        let session = self.sessions.get_mut(id).ok_or_else(missing)?;
        if cursor["offset"] != json!(session.len()) {
            let error = json!({".tag": "incorrect_offset", "correct_offset": session.len()});
            return Err(Refusal::new("incorrect_offset/.", error));
        }
        Ok(session)
    }

    pub(super) fn metadata(&self, path: &str) -> Result<Value, Refusal> {
        if self.is_folder(path) {
            return Ok(folder(path));
        }
        self.get(path).map(|(_, metadata)| metadata)
    }

    /// Removes a file, or a folder with everything in it.
    pub(super) fn delete(&mut self, path: &str) -> Result<Value, Refusal> {
        let metadata = self.metadata(path).map_err(|_| Refusal::not_found("path_lookup"))?;
        let below = format!("{}/", path.to_lowercase());
        self.files.retain(|found, _| *found != path.to_lowercase() && !found.starts_with(&below));
        Ok(json!({"metadata": metadata}))
    }

    pub(super) fn copy(&mut self, argument: &Value) -> Result<Value, Refusal> {
        let text = |name: &str| argument[name].as_str().unwrap_or_default();
        let (bytes, _) = self.get(text("from_path")).map_err(|_| Refusal::not_found("from_lookup"))?;
        if self.files.contains_key(&text("to_path").to_lowercase()) {
            let error = json!({".tag": "to", "to": {".tag": "conflict", "conflict": {".tag": "file"}}});
            return Err(Refusal::new("to/conflict/file/.", error));
        }
        Ok(json!({"metadata": self.insert(text("to_path"), bytes)}))
    }

    pub(super) fn list(&mut self, argument: &Value) -> Result<Value, Refusal> {
        let path = argument["path"].as_str().unwrap_or_default();
        if !path.is_empty() && !self.is_folder(path) {
            return Err(Refusal::not_found("path"));
        }
        let below = format!("{}/", path.to_lowercase());
        // The folder itself is in its recursive listing.
        let mut entries = vec![folder(path)];
        let found = self.files.range(below.clone()..).take_while(|(found, _)| found.starts_with(&below));
        entries.extend(found.map(|(_, file)| file.metadata()));
        let limit = argument["limit"].as_u64().unwrap_or(500) as usize;
        Ok(self.page(entries, limit))
    }

    pub(super) fn list_on(&mut self, argument: &Value) -> Result<Value, Refusal> {
        let cursor = argument["cursor"].as_str().unwrap_or_default();
        let (entries, limit) =
            self.cursors.remove(cursor).ok_or_else(|| Refusal::new("reset/.", json!({".tag": "reset"})))?;
        Ok(self.page(entries, limit))
    }

    fn page(&mut self, mut entries: Vec<Value>, limit: usize) -> Value {
        let rest = entries.split_off(limit.min(entries.len()));
        let has_more = !rest.is_empty();
        let cursor = self.new_id("cursor");
        self.cursors.insert(cursor.clone(), (rest, limit));
        json!({"entries": entries, "cursor": cursor, "has_more": has_more})
    }

    fn is_folder(&self, path: &str) -> bool {
        let below = format!("{}/", path.to_lowercase());
        self.files.range(below.clone()..).next().is_some_and(|(found, _)| found.starts_with(&below))
    }

    fn new_id(&mut self, kind: &str) -> String {
        self.ids += 1;
        format!("{kind}-{}", self.ids)
    }
}

fn folder(path: &str) -> Value {
    json!({
        ".tag": "folder",
        "name": path.rsplit('/').next(),
        "id": "id:folder",
        "path_lower": path.to_lowercase(),
        "path_display": path,
    })
}

/// Refuses bytes that are not those whose hash came along.
pub(super) fn check_hash(argument: &Value, bytes: &[u8]) -> Result<(), Refusal> {
    if argument["content_hash"].as_str().is_none_or(|told| told == content_hash(bytes)) {
        return Ok(());
    }
    Err(Refusal::new("content_hash_mismatch/.", json!({".tag": "content_hash_mismatch"})))
}

fn content_hash(bytes: &[u8]) -> String {
    let mut whole = Sha256::new();
    bytes.chunks(BLOCK).for_each(|block| whole.update(Sha256::digest(block)));
    hex::encode(whole.finalize())
}
