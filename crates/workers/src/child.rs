//! The process that decodes: one job after the other, until the server closes the socket on its standard input.

use std::{
    any::Any,
    fs::File,
    io,
    os::{fd::AsFd, unix::fs::FileExt},
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use crate::{
    protocol::{Answer, MAX_TEXT, Range, Request, Setup, Status, receive_request},
    sandbox,
};

/// Buffers larger than this are given back after the job, in bytes.
const KEPT_BUFFER: usize = 32 << 20;

/// What a handler has made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// What there is to say about the result, for [`crate::Done::answer`]; at most 1 MiB.
    pub answer: Vec<u8>,
    /// The result.
    pub bytes: Vec<u8>,
}

/// Serves jobs until the server closes its end; to be called first thing in a process of one thread, whose standard input is the
/// socket that [`crate::Pool`] has given it.
///
/// `prepare` runs outside of the sandbox, and can read files. `handler` runs inside; it is given the head and the bytes of the
/// sources of a job. Its `Err` becomes [`crate::JobError::Refused`]. A panic of it ends the process.
pub fn serve<Engine>(
    prepare: impl FnOnce() -> Engine,
    mut handler: impl FnMut(&mut Engine, &[u8], &[&[u8]]) -> Result<Output, Vec<u8>>,
) -> ExitCode {
    match run(prepare, &mut handler) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run<Engine>(
    prepare: impl FnOnce() -> Engine,
    handler: &mut impl FnMut(&mut Engine, &[u8], &[&[u8]]) -> Result<Output, Vec<u8>>,
) -> io::Result<()> {
    sandbox::leave_the_server()?;
    // A `File`, because its reads and writes are the plain calls that the sandbox knows.
    let mut socket = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let setup = Setup::receive(&mut socket)?;
    let mut engine = prepare();
    let state = sandbox::enter(setup)?;
    Answer { status: Status::Done, length: 0, text: vec![state.to_byte()] }.send(&mut socket)?;

    let mut buffers: Vec<Vec<u8>> = Vec::new();
    while let Some(Request { head, ranges, descriptors }) = receive_request(&socket)? {
        let mut files: Vec<_> = descriptors.into_iter().map(File::from).collect();
        let result = files.pop().ok_or(io::ErrorKind::InvalidData)?;
        read_sources(&files, &ranges, &mut buffers)?;
        let sources: Vec<&[u8]> = buffers.iter().take(files.len()).map(Vec::as_slice).collect();
        let outcome = catch_unwind(AssertUnwindSafe(|| handler(&mut engine, &head, &sources)));
        let answer = match outcome {
            Ok(Ok(output)) if output.bytes.len() as u64 > setup.max_result => {
                Answer { status: Status::TooLarge, length: 0, text: Vec::new() }
            }
            Ok(Ok(output)) => finish(output, &result)?,
            Ok(Err(text)) => Answer { status: Status::Refused, length: 0, text: at_most(text) },
            Err(panic) => Answer { status: Status::Panicked, length: 0, text: at_most(message(panic.as_ref())) },
        };
        // Before the answer, because the result is sealed after it.
        drop(result);
        buffers.retain(|buffer| buffer.capacity() <= KEPT_BUFFER);
        answer.send(&mut socket)?;
        if answer.status == Status::Panicked {
            // What the panic left behind inside of C libraries is unknown.
            break;
        }
    }
    Ok(())
}

/// Reads the sources into the first buffers. They are read rather than mapped: a file that shrinks is an error then, not a signal.
fn read_sources(files: &[File], ranges: &[Range], buffers: &mut Vec<Vec<u8>>) -> io::Result<()> {
    if files.len() != ranges.len() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if buffers.len() < files.len() {
        buffers.resize_with(files.len(), Vec::new);
    }
    for ((file, range), buffer) in files.iter().zip(ranges).zip(buffers) {
        let length = usize::try_from(range.length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        buffer.clear();
        buffer.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        buffer.resize(length, 0);
        file.read_exact_at(buffer, range.offset)?;
    }
    Ok(())
}

fn finish(output: Output, result: &File) -> io::Result<Answer> {
    result.write_all_at(&output.bytes, 0)?;
    Ok(Answer { status: Status::Done, length: output.bytes.len() as u64, text: at_most(output.answer) })
}

fn message(panic: &(dyn Any + Send)) -> Vec<u8> {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or_default().as_bytes().to_vec()
}

fn at_most(mut text: Vec<u8>) -> Vec<u8> {
    text.truncate(MAX_TEXT);
    text
}
