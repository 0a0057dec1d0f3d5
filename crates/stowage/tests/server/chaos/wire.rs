//! One request on a connection of its own, broken off as told.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::Random;
use crate::support::{HttpAnswer, parse_answer};

/// How a connection behaves. Positions are thousandths of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Sound,
    /// The sender closes after so much.
    Cut(u64),
    /// The sender resets after so much: what is on the way is lost.
    Reset(u64),
    /// The sender says no more after so much, and stays.
    Stall(u64),
    /// All is sent, and the sender leaves before the answer.
    Deaf,
}

impl Line {
    /// Mostly sound.
    pub(super) fn draw(random: &mut Random) -> Self {
        let position = random.below(1001);
        match random.below(12) {
            0 => Self::Cut(position),
            1 => Self::Reset(position),
            2 => Self::Stall(position),
            3 => Self::Deaf,
            _ => Self::Sound,
        }
    }
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(HttpAnswer),
    /// Nobody knows what the server did.
    Silence,
    /// As silence, and the connection is still open.
    Hanging(TcpStream),
}

/// Sends a request: a head with `\n` for line ends and without `Host`, `Connection` and `Content-Length`, and its body.
pub(super) async fn exchange(address: &str, head: &str, body: &[u8], line: Line) -> Outcome {
    match try_exchange(address, head, body, line).await {
        Ok(outcome) => outcome,
        // The server was killed, or refused early and closed.
        Err(_) => Outcome::Silence,
    }
}

async fn try_exchange(address: &str, head: &str, body: &[u8], line: Line) -> std::io::Result<Outcome> {
    let mut connection = TcpStream::connect(address).await?;
    let head = head.trim().replace('\n', "\r\n");
    let head = format!("{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    connection.write_all(head.as_bytes()).await?;
    let upto = |thousandths: u64| &body[..(body.len() as u64 * thousandths / 1000) as usize];
    match line {
        Line::Sound => {
            // A server that refuses before it has read everything answers all the same.
            let _ = connection.write_all(body).await;
            return Ok(answer_of(&mut connection).await.map_or(Outcome::Silence, Outcome::Answer));
        }
        Line::Cut(position) => connection.write_all(upto(position)).await?,
        Line::Reset(position) => {
            connection.write_all(upto(position)).await?;
            connection.set_zero_linger()?;
        }
        Line::Stall(position) => {
            connection.write_all(upto(position)).await?;
            return Ok(Outcome::Hanging(connection));
        }
        Line::Deaf => connection.write_all(body).await?,
    }
    Ok(Outcome::Silence)
}

/// The answer, if it came whole.
async fn answer_of(connection: &mut TcpStream) -> Option<HttpAnswer> {
    let mut bytes = Vec::new();
    let read = connection.read_to_end(&mut bytes).await;
    if !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        return None;
    }
    let answer = parse_answer(&bytes);
    let announced: Option<usize> =
        answer.headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    match announced {
        Some(length) => (answer.body.len() >= length).then_some(answer),
        None => read.is_ok().then_some(answer),
    }
}
