//! `stowage __image-worker`: the process in which pictures are decoded and scripts are read. The server starts it, nobody else.

use std::process::ExitCode;

use stowage_imaging::{Refusal, RefusalKind, Told, decode::heic};
use stowage_minify::MinifyError;
use stowage_server::transform::WorkerOrder;
use stowage_workers::child::{self, Output};

pub(crate) fn run() -> ExitCode {
    child::serve(heic::prepare, |(), head, files| carry_out(head, files).map_err(|refusal| written(&refusal)))
}

fn carry_out(head: &[u8], files: &[&[u8]]) -> Result<Output, Refusal> {
    let (bytes, media_type) = match serde_json::from_slice(head).map_err(unreadable)? {
        WorkerOrder::Pictures(order) => {
            let outcome = order.carry_out(files).map_err(Refusal::from)?;
            (outcome.bytes, outcome.media_type)
        }
        WorkerOrder::Script(order) => {
            let minified = order.carry_out(files.first().copied().unwrap_or_default()).map_err(not_minified)?;
            (minified.bytes, minified.media_type)
        }
    };
    let answer = serde_json::to_vec(&Told { media_type: media_type.to_owned() }).map_err(unreadable)?;
    Ok(Output { answer, bytes })
}

fn not_minified(error: MinifyError) -> Refusal {
    let kind = match error {
        MinifyError::NotText => RefusalKind::Input,
        MinifyError::Syntax { .. } | MinifyError::Unwritable(_) => RefusalKind::Conversion,
        MinifyError::Parameter(_) => RefusalKind::Parameter,
    };
    Refusal { kind, message: error.to_string() }
}

/// The server and its workers are one program, so this is never seen.
fn unreadable(error: serde_json::Error) -> Refusal {
    Refusal { kind: RefusalKind::Conversion, message: error.to_string() }
}

fn written(refusal: &Refusal) -> Vec<u8> {
    serde_json::to_vec(refusal).unwrap_or_default()
}
