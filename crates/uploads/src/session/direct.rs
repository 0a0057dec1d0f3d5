//! Parts that clients put straight to the provider.

use std::time::Duration;

use stowage_store::{BlobStore, PresignedRequest, StoreError};

use super::{Change, Session};
use crate::{error::Result, layout::Part};

/// Time for a client to send a part to an address that it was given.
const VALID_FOR: Duration = Duration::from_secs(3600);

impl Session {
    /// An address at the provider for a whole part, if it takes parts of this size from anybody who has an address.
    pub async fn presign_part(
        &self,
        number: u32,
        size: u64,
        md5: Option<[u8; 16]>,
        driver: &dyn BlobStore,
    ) -> Result<Option<PresignedRequest>> {
        let Some(parts) = driver.parts().filter(|parts| parts.rules().presign) else { return Ok(None) };
        if !self.goes_to_provider(number, size, driver).await {
            return Ok(None);
        }
        let upload = self.begin_at_provider(&*parts).await?;
        Ok(Some(parts.presign(&upload, number, size, md5, VALID_FOR).await?))
    }

    /// Takes in what clients have put straight to the provider since. What came through this server counts where both are there.
    pub async fn learn_parts(&self, driver: &dyn BlobStore) -> Result<()> {
        let (Some(parts), Some(upload)) = (driver.parts(), self.at_provider().await) else { return Ok(()) };
        let listed = match parts.list(&upload).await {
            Ok(listed) => listed,
            // Put together already, by a completion whose end was lost.
            Err(StoreError::NotFound) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut state = self.lock().await;
        if state.ended.is_some() {
            return Ok(());
        }
        let mut change = Change::default();
        for part in listed {
            let receipt = part.receipt.as_str();
            let is_news = match state.layout.part(part.number) {
                None => true,
                Some(Part::AtProvider { receipt: known, .. }) => known != receipt,
                Some(Part::Staged { .. }) => false,
            };
            if is_news {
                let md5 = receipt.trim_matches('"').to_ascii_lowercase();
                let md5 = Some(md5).filter(|md5| md5.len() == 32 && md5.bytes().all(|byte| byte.is_ascii_hexdigit()));
                change.freed.extend(state.layout.put_at_provider(part.number, part.size, md5, &part.receipt));
                change.parts.push(part.number);
            }
        }
        if change.parts.is_empty() { Ok(()) } else { self.record(&mut state, change).await }
    }
}
