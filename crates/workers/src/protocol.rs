//! What goes over the socket between the server and a worker: little-endian numbers, lengths before texts, file descriptors beside.
//!
//! A request is the numbers of sources and of bytes in the head, the range of each source, and the head. Its descriptors (the
//! sources, then the result) go with its first byte. An answer is a status, two lengths, and a text. The worker may lie: its
//! lengths are compared with limits before anything is allocated.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// Most sources of a job: the kernel passes 253 descriptors at once, and one is the result.
pub(crate) const MAX_SOURCES: usize = 252;
/// Most bytes of a job's head, and of the text of an answer.
pub(crate) const MAX_TEXT: usize = 1 << 20;

const DESCRIPTOR_SPACE: usize = rustix::cmsg_space!(ScmRights(MAX_SOURCES + 1));

/// What a worker is told once, before its first job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    /// Most bytes of address space.
    pub(crate) address_space: u64,
    /// Most bytes of a result.
    pub(crate) max_result: u64,
}

impl Setup {
    pub(crate) fn send(self, to: &mut impl Write) -> io::Result<()> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.address_space.to_le_bytes());
        bytes[8..].copy_from_slice(&self.max_result.to_le_bytes());
        to.write_all(&bytes)
    }

    pub(crate) fn receive(from: &mut impl Read) -> io::Result<Self> {
        Ok(Self { address_space: read_u64(from)?, max_result: read_u64(from)? })
    }
}

/// Which bytes of a source's file are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Sends a job. `descriptors` are those of the sources in their order, and that of the result.
pub(crate) fn send_request(
    mut socket: impl Write + AsFd,
    head: &[u8],
    ranges: &[Range],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(8 + 16 * ranges.len() + head.len());
    bytes.extend(length_u32(ranges.len())?.to_le_bytes());
    bytes.extend(length_u32(head.len())?.to_le_bytes());
    for range in ranges {
        bytes.extend(range.offset.to_le_bytes());
        bytes.extend(range.length.to_le_bytes());
    }
    bytes.extend(head);
    let mut space = [MaybeUninit::uninit(); DESCRIPTOR_SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = rustix::io::retry_on_intr(|| {
        sendmsg(socket.as_fd(), &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)
    })?;
    socket.write_all(&bytes[sent..])
}

/// A job as it arrives in the worker.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) head: Vec<u8>,
    pub(crate) ranges: Vec<Range>,
    /// The sources, then the result.
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Waits for a job; `None`: the server has closed its end.
pub(crate) fn receive_request(mut socket: impl Read + AsFd) -> io::Result<Option<Request>> {
    let mut start = [0; 8];
    let mut space = [MaybeUninit::uninit(); DESCRIPTOR_SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(socket.as_fd(), &mut [IoSliceMut::new(&mut start)], &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(files) = message {
            descriptors.extend(files);
        }
    }
    socket.read_exact(&mut start[received.bytes..])?;
    let mut start = &start[..];
    let (sources, head) = (read_u32(&mut start)? as usize, read_u32(&mut start)? as usize);
    let mut range = || Ok(Range { offset: read_u64(&mut socket)?, length: read_u64(&mut socket)? });
    let ranges = (0..sources).map(|_| range()).collect::<io::Result<Vec<_>>>()?;
    let head = read_text(&mut socket, head)?;
    Ok(Some(Request { head, ranges, descriptors }))
}

/// What a worker says of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Done; the text is the handler's.
    Done,
    /// Not done for a reason that the handler tells in the text.
    Refused,
    /// Done, but the result is larger than allowed.
    TooLarge,
    /// The handler panicked, with this text; the worker ends.
    Panicked,
}

/// The end of a job, or of the start-up (then the text is the state of the sandbox).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: Status,
    /// Bytes in the result.
    pub(crate) length: u64,
    pub(crate) text: Vec<u8>,
}

impl Answer {
    pub(crate) fn send(&self, to: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(13 + self.text.len());
        bytes.push(match self.status {
            Status::Done => 0,
            Status::Refused => 1,
            Status::TooLarge => 2,
            Status::Panicked => 3,
        });
        bytes.extend(length_u32(self.text.len())?.to_le_bytes());
        bytes.extend(self.length.to_le_bytes());
        bytes.extend(&self.text);
        to.write_all(&bytes)
    }

    pub(crate) fn receive(from: &mut impl Read) -> io::Result<Self> {
        let mut start = [0; 13];
        from.read_exact(&mut start)?;
        let status = match start[0] {
            0 => Status::Done,
            1 => Status::Refused,
            2 => Status::TooLarge,
            3 => Status::Panicked,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let mut rest = &start[1..];
        let (text, length) = (read_u32(&mut rest)? as usize, read_u64(&mut rest)?);
        Ok(Self { status, length, text: read_text(from, text)? })
    }
}

fn length_u32(length: usize) -> io::Result<u32> {
    u32::try_from(length).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn read_text(from: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    if length > MAX_TEXT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; length];
    from.read_exact(&mut text)?;
    Ok(text)
}

fn read_u32(from: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn read_u64(from: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{Seek, Write},
        os::{fd::AsFd, unix::net::UnixStream},
    };

    use super::*;

    #[test]
    fn an_answer_is_believed_as_far_as_it_makes_sense() {
        let answer = Answer { status: Status::Refused, length: 1 << 40, text: b"why".to_vec() };
        let mut bytes = Vec::new();
        answer.send(&mut bytes).expect("room");
        assert_eq!(Answer::receive(&mut bytes.as_slice()).expect("an answer"), answer);
        for length in 0..bytes.len() {
            let error = Answer::receive(&mut &bytes[..length]).expect_err("it is cut off");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
        for (place, value) in [(0, 9), (3, 0x11), (4, 0xff)] {
            let mut bytes = bytes.clone();
            bytes[place] = value;
            let error = Answer::receive(&mut bytes.as_slice()).expect_err("no such status, no such text");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn a_request_brings_its_descriptors() {
        let (ours, theirs) = UnixStream::pair().expect("sockets");
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"content").expect("room");
        let ranges = [Range { offset: 2, length: 3 }, Range { offset: u64::MAX, length: 0 }];
        send_request(&ours, b"head", &ranges, &[file.as_fd(), file.as_fd(), file.as_fd()]).expect("it is sent");
        let request = receive_request(&theirs).expect("it is read").expect("it is there");
        assert_eq!((request.head.as_slice(), request.ranges.as_slice()), (&b"head"[..], &ranges[..]));
        assert_eq!(request.descriptors.len(), 3);
        for descriptor in request.descriptors {
            assert_eq!(File::from(descriptor).stream_position().expect("a file"), 7);
        }
        drop(ours);
        assert!(receive_request(&theirs).expect("an end is no error").is_none());
    }
}
