//! The content of a part on its way out: counted and hashed, and its last bytes are held back until all of it is right.
//! So nothing wrong ever reaches a provider whole, whatever the provider checks.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt, stream};
use md5::{Digest, Md5};

use super::PartContent;
use crate::StoreError;

/// Longer chunks are hashed on a blocking thread.
const HASH_HERE: usize = 64 << 10;

/// The MD5 of all of it, or why it came to nothing.
type Outcome = Result<[u8; 16], StoreError>;

/// What became of the content, known when the request that carries it has ended.
#[derive(Clone, Default)]
pub(crate) struct Verdict {
    outcome: Arc<Mutex<Option<Outcome>>>,
}

impl Verdict {
    fn tell(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    /// The MD5 of all that was sent. Error: why the content came to nothing; `answered` is the error of the request, which
    /// counts only if the content itself was right.
    pub(crate) fn digest(&self, answered: Result<(), StoreError>) -> Outcome {
        match self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(Ok(digest)) => answered.map(|()| digest),
            Some(Err(error)) => Err(error),
            None => {
                answered?;
                Err(StoreError::Unavailable("the provider answered before it had the whole part".to_owned()))
            }
        }
    }
}

/// Content of exactly `length` bytes with the MD5 that the sender announced, as the body of a request. Error: the content
/// is wrong and that is known without sending any of it.
pub(crate) async fn checked(
    content: PartContent,
    length: u64,
    announced: Option<[u8; 16]>,
) -> Result<(impl Stream<Item = io::Result<Bytes>> + Send + 'static, Verdict), StoreError> {
    let verdict = Verdict::default();
    let mut checking = Checking { content, left: length, announced, hasher: Md5::new(), verdict: verdict.clone() };
    if length == 0 {
        // Nobody asks an empty body for its bytes.
        checking.finish().await?;
    }
    let body = stream::try_unfold(checking, |mut checking| async move {
        match checking.next().await {
            Ok(chunk) => Ok(chunk.map(|chunk| (chunk, checking))),
            Err(error) => {
                let text = error.to_string();
                checking.verdict.tell(Err(error));
                Err(io::Error::other(text))
            }
        }
    });
    Ok((body, verdict))
}

struct Checking {
    content: PartContent,
    left: u64,
    announced: Option<[u8; 16]>,
    hasher: Md5,
    verdict: Verdict,
}

impl Checking {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.left == 0 {
            return Ok(None);
        }
        let chunk = self.chunk().await?;
        let chunk = chunk.ok_or_else(|| StoreError::Corrupt("the part is shorter than announced".to_owned()))?;
        self.left = self.left.checked_sub(chunk.len() as u64).ok_or_else(longer)?;
        self.hash(&chunk).await?;
        if self.left == 0 {
            self.finish().await?;
        }
        Ok(Some(chunk))
    }

    /// The next chunk that is not empty.
    async fn chunk(&mut self) -> Result<Option<Bytes>, StoreError> {
        while let Some(chunk) = self.content.try_next().await? {
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    async fn hash(&mut self, chunk: &Bytes) -> Result<(), StoreError> {
        if chunk.len() <= HASH_HERE {
            self.hasher.update(chunk);
            return Ok(());
        }
        let (mut hasher, chunk) = (std::mem::take(&mut self.hasher), chunk.clone());
        let hashed = tokio::task::spawn_blocking(move || {
            hasher.update(&chunk);
            hasher
        });
        self.hasher = hashed.await.map_err(|error| StoreError::Other(format!("hashing: {error}")))?;
        Ok(())
    }

    /// All bytes are here: nothing may follow, and they must be those that were announced.
    async fn finish(&mut self) -> Result<(), StoreError> {
        if self.chunk().await?.is_some() {
            return Err(longer());
        }
        let digest: [u8; 16] = std::mem::take(&mut self.hasher).finalize().into();
        if let Some(announced) = self.announced
            && announced != digest
        {
            let (announced, found) = (hex::encode(announced), hex::encode(digest));
            return Err(StoreError::Corrupt(format!("the part has the MD5 {found}, announced is {announced}")));
        }
        self.verdict.tell(Ok(digest));
        Ok(())
    }
}

fn longer() -> StoreError {
    StoreError::Corrupt("the part is longer than announced".to_owned())
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, TryStreamExt};

    use super::*;

    /// What is sent, and the verdict.
    async fn sent(
        chunks: Vec<Result<&'static str, StoreError>>,
        length: u64,
        announced: Option<&str>,
    ) -> (String, Result<[u8; 16], StoreError>) {
        let content = stream::iter(chunks).map_ok(|text| Bytes::from_static(text.as_bytes())).boxed();
        let announced = announced.map(|text| Md5::digest(text).into());
        let (body, verdict) = match checked(content, length, announced).await {
            Ok(checked) => checked,
            Err(error) => return (String::new(), Err(error)),
        };
        let mut body = Box::pin(body);
        let mut sent = Vec::new();
        while let Some(Ok(chunk)) = body.next().await {
            sent.extend_from_slice(&chunk);
        }
        (String::from_utf8(sent).expect("text"), verdict.digest(Ok(())))
    }

    #[tokio::test]
    async fn right_content_passes_and_its_digest_is_known() {
        for (chunks, text) in [(vec![Ok("ab"), Ok(""), Ok("c"), Ok("")], "abc"), (vec![], ""), (vec![Ok("")], "")] {
            let (sent, digest) = sent(chunks, text.len() as u64, Some(text)).await;
            assert_eq!(sent, text);
            assert_eq!(digest.expect("right"), <[u8; 16]>::from(Md5::digest(text)));
        }
    }

    #[tokio::test]
    async fn wrong_content_is_never_sent_whole() {
        let failure = || Err(StoreError::Other("the client is gone".to_owned()));
        for (chunks, length, announced, cause) in [
            (vec![Ok("ab"), Ok("c")], 4, None, "shorter"),
            (vec![Ok("ab"), Ok("cd")], 3, None, "longer"),
            (vec![Ok("ab"), Ok("c"), Ok("d")], 3, None, "longer"),
            (vec![Ok("a")], 0, None, "longer"),
            (vec![Ok("ab"), Ok("c")], 3, Some("abd"), "MD5"),
            (vec![], 0, Some("abd"), "MD5"),
            (vec![Ok("ab"), failure()], 3, None, "gone"),
            (vec![Ok("abc"), failure()], 3, None, "gone"),
        ] {
            let (sent, verdict) = sent(chunks, length, announced).await;
            assert!((sent.len() as u64) < length.max(1), "{cause}: {sent}");
            let text = verdict.expect_err("wrong").to_string();
            assert!(text.contains(cause), "{cause}: {text}");
        }
    }
}
