//! The one table of routes: what exists, who may call it. A request that matches no row is not answered by any code.

use http::Method;
use stowage_core::policy::Call;

use super::error::ErrorFormat;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Store one file (spec 01 §1).
    StoreFile,
    /// Copy a stored file to a location (spec 01 §1, "odd variant").
    CopyFile,
    /// Read a file (spec 02 §2).
    ReadFile,
    /// Convert a stored picture, as the old API does (spec 11 §11).
    ConvertFile,
    /// Describe a file (spec 02 §4).
    ReadMetadata,
    /// Replace a file's content (spec 02 §5).
    OverwriteFile,
    /// Delete a file (spec 02 §6).
    DeleteFile,
    /// Tell a picker what it may offer (spec 01 §8).
    Prefetch,
    /// Begin an upload in parts (spec 03 §3).
    StartUpload,
    /// Ask where a part goes (spec 03 §4).
    AnnouncePart,
    /// Take the bytes of a part (spec 03 §5).
    ReceivePart,
    /// The chunks of a part are all there (spec 03 §6).
    CommitPart,
    /// Put the parts together (spec 03 §7).
    CompleteUpload,
    /// Begin a resumable upload (tus 1.0, IETF draft).
    CreateResumable,
    /// Tell how far a resumable upload is.
    ReadResumable,
    /// Append to a resumable upload.
    AppendResumable,
    /// Throw a resumable upload away.
    CancelResumable,
    /// Run a task list given as JSON (spec 01 §5).
    Process,
    /// The delivery grammar (spec 02 §3).
    Deliver,
    /// The process is up.
    Health,
    /// The process can do its work.
    Ready,
    /// Prometheus figures.
    Metrics,
    /// The OpenAPI document.
    OpenApi,
}

/// Which authority a route demands (spec 04 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// None: it touches no app.
    Nothing,
    /// None: it touches no file. A policy that is given must be valid.
    IfGiven,
    /// A policy with one of the calls, when the app has security switched on.
    WhenSecured(&'static [Call]),
    /// A policy with one of the calls, or HTTP Basic, always.
    Always(&'static [Call]),
    /// The id of an upload, which nobody can guess and which was given to whoever was allowed to begin it (spec 03 §11). A policy that is
    /// given must be valid, except that it may have expired since.
    Upload(&'static [Call]),
    /// As [`Needs::WhenSecured`], with the calls that the tasks of the request demand ([`calls_of_task`]).
    ByTask,
}

/// One row of the table.
#[derive(Debug)]
pub struct Route {
    /// What it does.
    pub operation: Operation,
    /// Methods it answers.
    pub methods: &'static [Method],
    /// Path pattern: `{name}` stands for one segment; a trailing `/` in the request is tolerated.
    pub pattern: &'static str,
    /// Authority.
    pub needs: Needs,
    /// Shape of its errors.
    pub errors: ErrorFormat,
}

/// Either suffices for uploads (spec 04 §5).
const PICK: &[Call] = &[Call::Pick, Call::Store];

const READ: &[Method] = &[Method::GET, Method::HEAD];

const fn route(
    operation: Operation,
    methods: &'static [Method],
    pattern: &'static str,
    needs: Needs,
    errors: ErrorFormat,
) -> Route {
    Route { operation, methods, pattern, needs, errors }
}

/// Every route but delivery.
pub const ROUTES: &[Route] = {
    use ErrorFormat::{Json, Text, Xml};
    use Needs::{Always, ByTask, IfGiven, Nothing, Upload, WhenSecured};
    use Operation::*;
    &[
        route(StoreFile, &[Method::POST], "/api/store", WhenSecured(&[Call::Store]), Text),
        route(StoreFile, &[Method::POST], "/api/store/{location}", WhenSecured(&[Call::Store]), Text),
        route(CopyFile, &[Method::POST], "/api/store/{location}/{handle}", WhenSecured(&[Call::Store]), Text),
        route(ReadFile, READ, "/api/file/{handle}", WhenSecured(&[Call::Read]), Text),
        route(ReadMetadata, READ, "/api/file/{handle}/metadata", WhenSecured(&[Call::Stat]), Text),
        route(DeleteFile, &[Method::POST], "/api/file/{handle}/remove", Always(&[Call::Remove]), Text),
        route(
            ConvertFile,
            &[Method::GET, Method::HEAD, Method::POST],
            "/api/file/{handle}/convert",
            WhenSecured(&[Call::Convert]),
            Text,
        ),
        route(ReadFile, READ, "/api/file/{handle}/{name}", WhenSecured(&[Call::Read]), Text),
        route(
            OverwriteFile,
            &[Method::POST, Method::PUT],
            "/api/file/{handle}",
            Always(&[Call::Write, Call::WriteUrl]),
            Text,
        ),
        route(DeleteFile, &[Method::DELETE], "/api/file/{handle}", Always(&[Call::Remove]), Text),
        route(ReadMetadata, READ, "/file/{handle}/metadata", WhenSecured(&[Call::Stat]), Json),
        route(Prefetch, &[Method::GET, Method::POST], "/prefetch", IfGiven, Json),
        route(StartUpload, &[Method::POST], "/multipart/start", WhenSecured(PICK), Json),
        route(AnnouncePart, &[Method::POST], "/multipart/upload", Upload(PICK), Json),
        route(CommitPart, &[Method::POST], "/multipart/commit", Upload(PICK), Json),
        route(CompleteUpload, &[Method::POST], "/multipart/complete", Upload(PICK), Json),
        route(ReceivePart, &[Method::PUT], "/multipart/part/{upload}/{part}", Upload(&[]), Xml),
        route(CreateResumable, &[Method::POST, Method::PUT], "/tus", WhenSecured(PICK), Json),
        route(ReadResumable, READ, "/tus/{upload}", Upload(PICK), Json),
        route(AppendResumable, &[Method::PATCH], "/tus/{upload}", Upload(PICK), Json),
        route(CancelResumable, &[Method::DELETE], "/tus/{upload}", Upload(PICK), Json),
        route(Process, &[Method::POST], "/process", ByTask, Json),
        route(Health, READ, "/healthz", Nothing, Json),
        route(Ready, READ, "/readyz", Nothing, Json),
        route(Metrics, READ, "/metrics", Nothing, Text),
        route(OpenApi, READ, "/openapi.json", Nothing, Json),
    ]
};

/// Everything else that is a GET, HEAD or POST.
pub const DELIVERY: Route = route(
    Operation::Deliver,
    &[Method::GET, Method::HEAD, Method::POST],
    "/{delivery}",
    Needs::ByTask,
    ErrorFormat::Json,
);

/// Calls that a delivery request needs: one of the listed for each task it carries (spec 04 §5).
pub fn calls_of_task(task: &str) -> &'static [Call] {
    match task {
        "store" => &[Call::Store],
        "metadata" => &[Call::Stat],
        // They shape the answer and touch no pixels.
        "cache" | "content" | "fallback" => &[Call::Read, Call::Convert],
        _ => &[Call::Convert],
    }
}

/// Which host a request came to, by the first DNS label (spec 00 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostRole {
    /// `cdn`, `process`: the delivery grammar owns every path.
    Delivery,
    /// Everything else: by path.
    Any,
}

impl HostRole {
    /// Reads the role from a `Host` value.
    pub fn of(host: Option<&str>) -> Self {
        let label = host.and_then(|host| host.split(['.', ':']).next()).unwrap_or_default();
        if label.eq_ignore_ascii_case("cdn") || label.eq_ignore_ascii_case("process") {
            Self::Delivery
        } else {
            Self::Any
        }
    }
}

/// A path that was found, or why not.
#[derive(Debug)]
pub enum Resolved<'a> {
    /// The row, and the segments that stood for `{…}`.
    Found(&'static Route, Vec<(&'static str, &'a str)>),
    /// The path exists for other methods.
    MethodNotAllowed(Vec<Method>),
    /// Nothing answers here.
    NotFound,
}

/// Finds the row of a request. `path` is the raw path.
pub fn resolve<'a>(role: HostRole, method: &Method, path: &'a str) -> Resolved<'a> {
    let mut allowed = Vec::new();
    for route in ROUTES {
        // On a delivery host only its own two exact paths are stolen from the grammar.
        if role == HostRole::Delivery && !matches!(route.pattern, "/process" | "/file/{handle}/metadata") {
            continue;
        }
        if let Some(segments) = matches(route.pattern, path) {
            if route.methods.contains(method) {
                return Resolved::Found(route, segments);
            }
            allowed.extend_from_slice(route.methods);
        }
    }
    // `/process` and the operational paths take one method; nothing is delivered under their names either.
    if !allowed.is_empty() {
        return Resolved::MethodNotAllowed(allowed);
    }
    if role == HostRole::Any && (path == "/api" || path.starts_with("/api/")) {
        return Resolved::NotFound;
    }
    if DELIVERY.methods.contains(method) {
        return Resolved::Found(&DELIVERY, Vec::new());
    }
    Resolved::MethodNotAllowed(DELIVERY.methods.to_vec())
}

fn matches<'a>(pattern: &'static str, path: &'a str) -> Option<Vec<(&'static str, &'a str)>> {
    // Nearly all rows are ruled out by how they begin.
    let beginning = pattern.split_once('{').map_or(pattern, |(beginning, _)| beginning);
    if !path.starts_with(beginning) {
        return None;
    }
    let mut found = Vec::new();
    let mut segments = path.strip_suffix('/').unwrap_or(path).split('/');
    for expected in pattern.split('/') {
        let segment = segments.next()?;
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(_) if segment.is_empty() => return None,
            Some(name) => found.push((name, segment)),
            None if expected == segment => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(role: HostRole, method: Method, path: &str) -> Option<Operation> {
        match resolve(role, &method, path) {
            Resolved::Found(route, _) => Some(route.operation),
            _ => None,
        }
    }

    #[test]
    fn paths_find_their_rows() {
        let any = HostRole::Any;
        assert_eq!(operation(any, Method::POST, "/api/store/S3"), Some(Operation::StoreFile));
        assert_eq!(operation(any, Method::POST, "/api/store/S3/"), Some(Operation::StoreFile));
        assert_eq!(operation(any, Method::POST, "/api/store"), Some(Operation::StoreFile));
        assert_eq!(operation(any, Method::GET, "/api/file/7xSJALUhSlCDCNujt5Ku+jpg"), Some(Operation::ReadFile));
        assert_eq!(
            operation(any, Method::GET, "/api/file/7xSJALUhSlCDCNujt5Ku/metadata"),
            Some(Operation::ReadMetadata)
        );
        assert_eq!(operation(any, Method::GET, "/api/file/7xSJALUhSlCDCNujt5Ku/name.jpg"), Some(Operation::ReadFile));
        assert_eq!(operation(any, Method::POST, "/api/file/7xSJALUhSlCDCNujt5Ku/remove"), Some(Operation::DeleteFile));
        assert_eq!(operation(any, Method::GET, "/7xSJALUhSlCDCNujt5Ku"), Some(Operation::Deliver));
        assert_eq!(operation(any, Method::GET, "/api/other"), None);
        assert_eq!(operation(any, Method::GET, "/process"), None);
        assert_eq!(operation(any, Method::DELETE, "/7xSJALUhSlCDCNujt5Ku"), None);
    }

    #[test]
    fn delivery_hosts_keep_their_paths() {
        let cdn = HostRole::of(Some("CDN.example.com:8080"));
        assert_eq!(cdn, HostRole::Delivery);
        assert_eq!(operation(cdn, Method::POST, "/process"), Some(Operation::Process));
        assert_eq!(operation(cdn, Method::GET, "/file/7xSJALUhSlCDCNujt5Ku/metadata"), Some(Operation::ReadMetadata));
        assert_eq!(operation(cdn, Method::POST, "/api/store/S3"), Some(Operation::Deliver));
        assert_eq!(operation(cdn, Method::GET, "/metrics"), Some(Operation::Deliver));
        assert_eq!(HostRole::of(Some("cdnx.example.com")), HostRole::Any);
    }

    #[test]
    fn every_row_that_touches_files_demands_a_call() {
        for route in ROUTES.iter().chain([&DELIVERY]) {
            let operational = matches!(
                route.operation,
                Operation::Health | Operation::Ready | Operation::Metrics | Operation::OpenApi
            );
            assert_eq!(route.needs == Needs::Nothing, operational, "{route:?}");
            assert_eq!(route.needs == Needs::IfGiven, route.operation == Operation::Prefetch, "{route:?}");
            if let Needs::WhenSecured(calls) | Needs::Always(calls) = route.needs {
                assert!(!calls.is_empty(), "{route:?}");
            }
        }
    }
}
