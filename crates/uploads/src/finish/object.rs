//! The object that the parts of an upload become: put together by the provider, taken in as it lies, or written anew.

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use stowage_store::{BlobStore, BlobWriter, ObjectId, ObjectMeta, StoreError, parts::PartStore};

use crate::{
    error::{Result, UploadError},
    session::{Change, Session},
};

impl Session {
    /// All staged bytes in order.
    pub(super) async fn content(&self) -> Result<BoxStream<'static, std::io::Result<Bytes>>> {
        let mut state = self.lock().await;
        let pieces = state.layout.pieces(None);
        Ok(self.file(&mut state).await?.stream(pieces).boxed())
    }

    pub(super) async fn complete_at_provider(
        &self,
        parts: &dyn PartStore,
        meta: &ObjectMeta,
        driver: &dyn BlobStore,
    ) -> Result<(ObjectId, Option<i64>)> {
        self.ship_the_rest(parts).await?;
        let state = self.lock().await;
        let upload = state.at_provider.clone().ok_or_else(|| broken("parts at a provider without a name there"))?;
        let receipts = state.layout.parts().filter(|(_, part)| part.end() > 0).map(|(number, part)| {
            let receipt = part.receipt().ok_or_else(|| broken("a part is not at the provider"))?;
            Ok((number, part.end(), receipt))
        });
        let receipts = receipts.collect::<Result<Vec<_>>>()?;
        drop(state);
        let key = self.plan().object_key()?;
        let intent = self.intend(driver.planned_id(&key)).await?;
        match parts.complete(&upload, &key, meta, &receipts).await {
            Ok(object) => Ok((object, intent)),
            Err(error) => {
                // Whether there is an object now is for the next attempt to find out, or for the end of the upload.
                if let Some(intent) = intent {
                    self.catalogue().drop_intent(intent).await?;
                }
                Err(error.into())
            }
        }
    }

    /// Claims the object, and notes it with the upload: after a crash it belongs to the upload, which can be completed again.
    async fn intend(&self, object: Option<ObjectId>) -> Result<Option<i64>> {
        let Some(object) = object else { return Ok(None) };
        let mut state = self.lock().await;
        state.object = Some(object.as_str().to_owned());
        self.record(&mut state, Change { object: true, ..Change::default() }).await?;
        drop(state);
        Ok(Some(self.catalogue().add_intent(self.store(), object.as_str(), self.plan().region.as_deref()).await?))
    }

    async fn ship_the_rest(&self, parts: &dyn PartStore) -> Result<()> {
        let rules = parts.rules();
        let staged: Vec<(u32, u64)> = {
            let state = self.lock().await;
            let last = state.layout.parts().last().map_or(0, |(number, _)| number);
            let staged = state.layout.parts().filter(|(_, part)| part.receipt().is_none() && part.end() > 0);
            let staged: Vec<_> = staged.map(|(number, part)| (number, part.end())).collect();
            if let Some((number, _)) = staged.iter().find(|(number, size)| *size < rules.smallest && *number != last) {
                return Err(UploadError::PartTooSmall { number: *number, smallest: rules.smallest });
            }
            staged
        };
        for (number, _) in staged {
            if number > rules.count {
                return Err(UploadError::PartNumber { most: rules.count });
            }
            self.ship(number, parts).await?;
        }
        Ok(())
    }

    /// The staging file becomes the object, if the store can take it in and its bytes lie in order.
    pub(super) async fn adopt(&self, size: u64, driver: &dyn BlobStore) -> Result<Option<ObjectId>> {
        let mut state = self.lock().await;
        if size == 0 || !driver.capabilities().adopts || !state.layout.is_in_place() {
            return Ok(None);
        }
        let file = self.file(&mut state).await?;
        drop(state);
        let path = file.path().to_owned();
        let truncated = tokio::task::spawn_blocking(move || file.truncate(size)).await;
        truncated.map_err(std::io::Error::other)??;
        match driver.adopt(&path).await {
            Ok(object) => Ok(Some(object)),
            // On another file system.
            Err(StoreError::Unsupported(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Streams the bytes into a new object.
    pub(super) async fn assemble(
        &self,
        mut content: BoxStream<'static, std::io::Result<Bytes>>,
        meta: &ObjectMeta,
        driver: &dyn BlobStore,
    ) -> Result<(ObjectId, Option<i64>)> {
        let key = self.plan().object_key()?;
        let intent = match driver.planned_id(&key) {
            Some(object) => {
                Some(self.catalogue().add_intent(self.store(), object.as_str(), self.plan().region.as_deref()).await?)
            }
            None => None,
        };
        let written = async {
            let mut writer = driver.create(&key, meta).await?;
            match copy(&mut *writer, &mut content).await {
                Ok(()) => Ok(writer.commit().await?),
                Err(error) => {
                    writer.abort().await;
                    Err(error)
                }
            }
        }
        .await;
        match written {
            Ok(object) => Ok((object, intent)),
            Err(error) => {
                if let Some(intent) = intent {
                    // It may have been written all the same.
                    self.catalogue().give_up_intent(intent, 0).await?;
                }
                Err(error)
            }
        }
    }
}

async fn copy(writer: &mut dyn BlobWriter, content: &mut BoxStream<'static, std::io::Result<Bytes>>) -> Result<()> {
    while let Some(chunk) = content.next().await {
        writer.write(chunk?).await?;
    }
    Ok(())
}

fn broken(what: &str) -> UploadError {
    StoreError::Other(format!("an upload's state is inconsistent: {what}")).into()
}
