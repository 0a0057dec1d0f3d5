//! One upload and its clients.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    ops::Range,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{
    Random,
    model::{Model, Version},
    wire::{Line, Outcome, exchange},
};
use crate::support::{HttpAnswer, Stowage, get, text_of};

/// By which protocols an upload is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whole parts in any order (Filestack).
    Parts,
    /// Chunks of one part (Filestack, intelligent ingestion), gone on with by tus and the IETF draft.
    Chunks,
    /// A first whole part, gone on with by tus and the IETF draft.
    Mixed,
    /// Begun by tus without its length, gone on with by all protocols.
    Tus,
}

/// What a client does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A whole part.
    Part { draw: u64, announced: bool },
    /// A whole part with another MD5 than announced.
    WrongPart { draw: u64 },
    /// A piece of a part.
    Chunk { draw: u64, length: u64 },
    /// The chunks of a part are all there.
    Commit { draw: u64 },
    /// Put everything together.
    Complete,
    /// Bytes where the upload ends, as the server tells: by tus or, with `draft`, by the IETF draft.
    Append { length: u64, draft: bool },
    /// Throw it away.
    Cancel,
    /// Both at once.
    CompleteAndCancel,
}

impl Step {
    pub(super) fn draw(kind: Kind, random: &mut Random) -> Self {
        let (what, draw, length) = (random.below(40), random.next(), random.next());
        let append = Self::Append { length, draft: draw.is_multiple_of(2) };
        let part = Self::Part { draw, announced: draw.is_multiple_of(3) };
        match (kind, what) {
            (_, 0) if length.is_multiple_of(2) => Self::Cancel,
            (_, 0) => Self::CompleteAndCancel,
            (_, 1..=2) => Self::WrongPart { draw },
            (_, 3..=8) => Self::Complete,
            (Kind::Chunks, 9..=12) => Self::Commit { draw },
            (Kind::Chunks, 13..=30) => Self::Chunk { draw, length },
            (Kind::Chunks | Kind::Mixed, 31..=37) | (Kind::Tus, 9..=32) => append,
            // The parts behind would make the end of the one that appending has begun its end.
            (Kind::Mixed, 9..=12) => Self::Part { draw: 0, announced: false },
            (Kind::Mixed, _) => append,
            (Kind::Tus, 33..=36) => Self::Chunk { draw, length },
            _ => part,
        }
    }
}

/// What became of an upload, as far as a client was told.
#[derive(Debug, Default)]
struct Fate {
    /// Of the file.
    handle: Option<String>,
    completion_asked: bool,
    cancel_asked: bool,
    /// It is gone for certain.
    gone: bool,
}

pub(super) struct Upload {
    pub(super) kind: Kind,
    key: String,
    at_provider: bool,
    /// No other upload has the same.
    pub(super) filename: String,
    begun: Value,
    part: usize,
    pub(super) model: RefCell<Model>,
    fate: RefCell<Fate>,
    /// The server knows how many bytes it has.
    length_told: Cell<bool>,
    /// Connections that say nothing more.
    hanging: RefCell<Vec<TcpStream>>,
    /// Writes that were acknowledged.
    pub(super) acknowledged: Cell<usize>,
}

/// What an upload is to be.
pub(super) struct Plan {
    pub(super) kind: Kind,
    pub(super) size: usize,
    /// Bytes of a part.
    pub(super) part: usize,
    pub(super) filename: String,
    /// A provider keeps the parts: one writer of a part at a time, and none of a chunk of it.
    pub(super) at_provider: bool,
    pub(super) seed: u64,
}

impl Upload {
    pub(super) async fn begin(address: &str, key: &str, plan: Plan) -> Self {
        let Plan { kind, size, part, filename, at_provider, seed } = plan;
        let begun = match kind {
            Kind::Tus => begin_by_tus(address, key, &filename).await,
            _ => {
                let body = json!({ "apikey": key, "filename": filename, "mimetype": "application/x-chaos", "size": size,
                    "fii": kind == Kind::Chunks });
                let Outcome::Answer(answer) = post(address, "start", &body, Line::Sound).await else {
                    panic!("the server does not answer")
                };
                answer.expect(200).json()
            }
        };
        let upload = Self {
            kind,
            key: key.to_owned(),
            at_provider,
            filename,
            begun,
            part,
            model: RefCell::new(Model::new(seed, size)),
            fate: RefCell::default(),
            length_told: Cell::new(kind != Kind::Tus),
            hanging: RefCell::default(),
            acknowledged: Cell::new(0),
        };
        if kind == Kind::Mixed {
            // It tells how long parts are.
            upload.step(address, Step::Part { draw: 0, announced: false }, Line::Sound).await;
        }
        upload
    }

    fn id(&self) -> &str {
        text_of(&self.begun, "upload_id")
    }

    pub(super) fn handle(&self) -> Option<String> {
        self.fate.borrow().handle.clone()
    }

    /// The server is dead.
    pub(super) fn die(&self) {
        self.model.borrow_mut().die();
        self.hanging.borrow_mut().clear();
    }

    pub(super) async fn step(&self, address: &str, step: Step, line: Line) {
        match step {
            Step::Part { draw, announced } => {
                let (number, range) = self.part_of(draw);
                self.put(address, number, None, range, Sent { announced, right: true, line }).await;
            }
            Step::WrongPart { draw } => {
                let (number, range) = self.part_of(draw);
                self.put(address, number, None, range, Sent { announced: false, right: false, line }).await;
            }
            Step::Chunk { draw, length } => {
                let (number, range) = self.part_of(draw);
                let offset = (draw >> 32) as usize % range.len().max(1);
                let length = 1 + length as usize % (range.len() - offset).max(1);
                let range = range.start + offset..(range.start + offset + length).min(range.end);
                self.put(address, number, Some(offset), range, Sent { announced: false, right: true, line }).await;
            }
            Step::Commit { draw } => self.commit(address, self.part_of(draw).0, line).await,
            Step::Complete => self.complete(address, line).await,
            Step::Append { length, draft } => self.append(address, length, draft, line).await,
            Step::Cancel => self.cancel(address, line).await,
            Step::CompleteAndCancel => {
                tokio::join!(self.complete(address, line), self.cancel(address, Line::Sound));
            }
        }
    }

    /// A part and its bytes.
    fn part_of(&self, draw: u64) -> (usize, Range<usize>) {
        let size = self.model.borrow().size();
        // Appended bytes leave a later part that is there as it is, and the model has other bytes for each write.
        let parts = if self.kind == Kind::Tus { 1 } else { size.div_ceil(self.part).max(1) };
        let index = draw as usize % parts;
        (index + 1, index * self.part..((index + 1) * self.part).min(size))
    }

    async fn put(&self, address: &str, number: usize, offset: Option<usize>, range: Range<usize>, sent: Sent) {
        let over = self.is_over();
        let (version, content) = self.model.borrow_mut().begin(range, true);
        let digest = Md5::digest(if sent.right { &content[..] } else { b"something else" });
        if !sent.right {
            self.model.borrow_mut().withdraw(version);
        }
        let path = match sent.announced {
            true => self.announced(address, number, offset, content.len(), &digest).await,
            false => {
                let offset = offset.map(|offset| format!("&offset={offset}")).unwrap_or_default();
                let (id, size, md5) = (self.id(), content.len(), hex::encode(digest));
                Some(format!("/multipart/part/{id}/{number}?partNumber={number}&size={size}{offset}&md5={md5}"))
            }
        };
        let Some(path) = path else { return self.model.borrow_mut().withdraw(version) };
        let head = format!("PUT {path} HTTP/1.1\nContent-MD5: {}", STANDARD.encode(digest));
        let Some(answer) = self.answer(exchange(address, &head, &content, sent.line).await) else { return };
        match answer.status {
            200 => {
                assert!(sent.right, "a wrong content was acknowledged");
                assert!(!over, "part {number} of an upload that is over was acknowledged");
                self.acknowledge(version);
            }
            400 if !sent.right => {}
            _ => {
                self.allows(&answer);
                self.model.borrow_mut().withdraw(version);
            }
        }
    }

    fn acknowledge(&self, version: Version) {
        self.model.borrow_mut().acknowledge(version);
        self.acknowledged.set(self.acknowledged.get() + 1);
    }

    /// The answer, if there is one.
    fn answer(&self, outcome: Outcome) -> Option<HttpAnswer> {
        match outcome {
            Outcome::Answer(answer) => Some(answer),
            Outcome::Silence => None,
            Outcome::Hanging(connection) => {
                self.hanging.borrow_mut().push(connection);
                None
            }
        }
    }

    /// No write can be acknowledged any more.
    fn is_over(&self) -> bool {
        let fate = self.fate.borrow();
        fate.handle.is_some() || fate.gone
    }

    /// A refusal must have a reason.
    #[track_caller]
    fn allows(&self, answer: &HttpAnswer) {
        let fate = self.fate.borrow();
        let reason = match answer.status {
            404 => fate.cancel_asked,
            409 => fate.cancel_asked || fate.completion_asked || self.at_provider,
            _ => false,
        };
        assert!(reason, "{} {} though {fate:?}", answer.status, answer.text());
    }

    /// Where the server wants a part.
    async fn announced(
        &self,
        address: &str,
        number: usize,
        offset: Option<usize>,
        size: usize,
        md5: &[u8],
    ) -> Option<String> {
        let mut more = json!({ "part": number, "size": size, "md5": STANDARD.encode(md5) });
        if let Some(offset) = offset {
            more["offset"] = offset.into();
        }
        let answer = self.answer(self.command(address, "upload", &more, Line::Sound).await)?;
        if answer.status != 200 {
            self.allows(&answer);
            return None;
        }
        let url = text_of(&answer.json(), "url").to_owned();
        Some(url.split_once(address).expect("the URL is of this server").1.to_owned())
    }

    async fn commit(&self, address: &str, number: usize, line: Line) {
        let more = json!({ "part": number, "fii": true });
        let was_whole = self.model.borrow().is_whole();
        let Some(answer) = self.answer(self.command(address, "commit", &more, line).await) else { return };
        match answer.status {
            200 => {}
            400 => {
                assert!(!was_whole || self.model.borrow().size() == 0, "part {number} is all there: {}", answer.text())
            }
            _ => self.allows(&answer),
        }
    }

    async fn complete(&self, address: &str, line: Line) {
        self.fate.borrow_mut().completion_asked = true;
        let was_complete = self.handle().is_some();
        let was_whole = self.model.borrow().is_whole() && self.length_told.get();
        let outcome = self.command(address, "complete", &json!({ "parts": null }), line).await;
        let Some(answer) = self.answer(outcome) else { return };
        match answer.status {
            200 => self.completed(text_of(&answer.json(), "handle")),
            400 => assert!(!was_whole && !was_complete, "the upload has all its bytes: {}", answer.text()),
            404 => {
                self.allows(&answer);
                self.fate.borrow_mut().gone = true;
            }
            status => panic!("complete: {status} {}", answer.text()),
        }
    }

    fn completed(&self, handle: &str) {
        assert!(!self.model.borrow().is_short(), "an upload without all its bytes was completed");
        let known = self.fate.borrow_mut().handle.get_or_insert_with(|| handle.to_owned()).clone();
        assert_eq!(known, handle, "the upload became two files");
    }

    async fn cancel(&self, address: &str, line: Line) {
        self.fate.borrow_mut().cancel_asked = true;
        let head = format!("DELETE /tus/{} HTTP/1.1\nTus-Resumable: 1.0.0", self.id());
        let Some(answer) = self.answer(exchange(address, &head, b"", line).await) else { return };
        assert!([204, 404].contains(&answer.status), "cancel: {} {}", answer.status, answer.text());
        self.fate.borrow_mut().gone = true;
    }

    /// Where the server wants the next byte.
    async fn offset(&self, address: &str, draft: bool) -> Option<usize> {
        let certain = self.model.borrow().certain_prefix();
        // A look at an upload that has all its bytes completes it.
        self.fate.borrow_mut().completion_asked |= !self.model.borrow().is_short();
        let head = format!("HEAD /tus/{} HTTP/1.1\n{}", self.id(), version(draft));
        let answer = self.answer(exchange(address, &head, b"", Line::Sound).await)?;
        if !matches!(answer.status, 200 | 204) {
            self.allows(&answer);
            return None;
        }
        let offset: usize = answer.header("upload-offset").parse().expect("a number");
        assert!(offset >= certain, "{certain} bytes were acknowledged, and the server has {offset}");
        self.model.borrow_mut().has_arrived(offset);
        self.look_for_handle(&answer);
        Some(offset)
    }

    fn look_for_handle(&self, answer: &HttpAnswer) {
        if let Some(handle) = answer.headers.get("stowage-handle") {
            self.completed(handle.to_str().expect("ASCII"));
        }
    }

    async fn append(&self, address: &str, length: u64, draft: bool, line: Line) {
        let Some(offset) = self.offset(address, draft).await else { return };
        let left = self.model.borrow().size() - offset;
        let range = offset..offset + if left == 0 { 0 } else { 1 + length as usize % left };
        self.append_from(address, range, draft, line).await;
    }

    async fn append_from(&self, address: &str, range: Range<usize>, draft: bool, line: Line) {
        let (over, offset, end) = (self.is_over(), range.start, range.end);
        let is_last = end == self.model.borrow().size();
        let (written, content) = self.model.borrow_mut().begin(range, false);
        self.fate.borrow_mut().completion_asked |= !self.model.borrow().is_short();
        let kind = match draft {
            true => format!("Content-Type: application/partial-upload\nUpload-Complete: ?{}", u8::from(is_last)),
            false => "Content-Type: application/offset+octet-stream".to_owned(),
        };
        let mut head =
            format!("PATCH /tus/{} HTTP/1.1\n{}\n{kind}\nUpload-Offset: {offset}", self.id(), version(draft));
        if self.kind == Kind::Tus {
            head += &format!("\nUpload-Length: {}", self.model.borrow().size());
        }
        let Some(answer) = self.answer(exchange(address, &head, &content, line).await) else { return };
        match answer.status {
            200 | 204 => {
                assert!(!over || content.is_empty(), "bytes for an upload that is over were acknowledged");
                let now: usize = answer.header("upload-offset").parse().expect("a number");
                assert!(now >= end, "{end} bytes are acknowledged, and the server has {now}");
                self.acknowledge(written);
                self.length_told.set(true);
                self.look_for_handle(&answer);
            }
            // Another one appended meanwhile; what came before may count.
            409 => self.model.borrow_mut().end(written),
            // All bytes of one that was short by others' bytes only.
            _ => {
                self.allows(&answer);
                self.model.borrow_mut().end(written);
            }
        }
    }

    async fn command(&self, address: &str, step: &str, more: &Value, line: Line) -> Outcome {
        let mut body = json!({ "apikey": self.key, "uri": self.begun["uri"], "region": self.begun["region"],
            "upload_id": self.id() });
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        post(address, step, &body, line).await
    }

    /// Sends what may be missing, and completes; the content of the file must be what was sent.
    pub(super) async fn finish(&self, server: &Stowage) {
        let address = server.address();
        self.complete(address, Line::Sound).await;
        if !self.is_over() {
            self.fill(address).await;
            self.complete(address, Line::Sound).await;
        }
        if let Some(handle) = self.handle() {
            self.check(server, &handle).await;
        }
    }

    async fn fill(&self, address: &str) {
        let size = self.model.borrow().size();
        if matches!(self.kind, Kind::Mixed | Kind::Tus) {
            let offset = self.offset(address, false).await.expect("the upload goes on");
            return self.append_from(address, offset..size, false, Line::Sound).await;
        }
        let missing = self.model.borrow().missing();
        let right = Sent { announced: true, right: true, line: Line::Sound };
        if self.kind == Kind::Chunks {
            for range in missing {
                self.put(address, 1, Some(range.start), range, right).await;
            }
            return;
        }
        let parts = missing.iter().flat_map(|range| range.start / self.part..range.end.div_ceil(self.part));
        for index in parts.collect::<BTreeSet<_>>() {
            let (number, range) = self.part_of(index as u64);
            self.put(address, number, None, range, right).await;
        }
    }

    pub(super) async fn check(&self, server: &Stowage, handle: &str) {
        let content = get(server, &format!("/api/file/{handle}")).await.expect(200).body;
        self.model.borrow().check(&content);
        let told = get(server, &format!("/api/file/{handle}/metadata?sha256=true")).await.expect(200).json();
        assert_eq!(told["sha256"], hex::encode(sha2::Sha256::digest(&content)));
    }

    /// Whether these are the files that the upload may have become.
    pub(super) fn may_be(&self, files: &[String]) -> bool {
        let fate = self.fate.borrow();
        match (&fate.handle, files) {
            (Some(handle), [file]) => handle == file,
            (None, []) => fate.gone,
            (None, [_]) => fate.gone && fate.completion_asked,
            _ => false,
        }
    }
}

/// How a part is sent.
#[derive(Clone, Copy)]
struct Sent {
    /// The server is asked where to.
    announced: bool,
    /// With its own MD5.
    right: bool,
    line: Line,
}

async fn begin_by_tus(address: &str, key: &str, filename: &str) -> Value {
    let metadata =
        format!("filename {},filetype {}", STANDARD.encode(filename), STANDARD.encode("application/x-chaos"));
    let head = format!(
        "POST /tus?key={key} HTTP/1.1\nTus-Resumable: 1.0.0\nUpload-Defer-Length: 1\nUpload-Metadata: {metadata}"
    );
    let Outcome::Answer(answer) = exchange(address, &head, b"", Line::Sound).await else {
        panic!("the server does not answer")
    };
    let answer = answer.expect(201);
    let id = answer.header("location").rsplit('/').next().expect("an id");
    json!({ "upload_id": id })
}

/// The header that tells the protocol.
fn version(draft: bool) -> &'static str {
    if draft { "Upload-Draft-Interop-Version: 6" } else { "Tus-Resumable: 1.0.0" }
}

async fn post(address: &str, step: &str, body: &Value, line: Line) -> Outcome {
    let head = format!("POST /multipart/{step} HTTP/1.1\nContent-Type: application/json");
    exchange(address, &head, body.to_string().as_bytes(), line).await
}
