//! Version 4 signatures for `PutObject`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use stowage_testkit::{S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY};

use crate::Failure;

const REGION: &str = "us-east-1";
/// In place of the payload's hash.
pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const SIGNED_HEADERS: &str = "host;x-amz-content-sha256;x-amz-date";

/// AWS Signature Version 4 with one time for all requests of a run.
pub(crate) struct Signer {
    /// `YYYYMMDDThhmmssZ`.
    pub(crate) time: String,
    scope: String,
    key: Vec<u8>,
}

impl Signer {
    pub(crate) fn new(unix_seconds: u64) -> Result<Self, Failure> {
        let time = basic_time(unix_seconds);
        let (date, _) = time.split_once('T').unwrap_or_default();
        let mut key = format!("AWS4{S3_SECRET_ACCESS_KEY}").into_bytes();
        for part in [date, REGION, "s3", "aws4_request"] {
            key = hmac(&key, part)?;
        }
        let scope = format!("{date}/{REGION}/s3/aws4_request");
        Ok(Self { time, scope, key })
    }

    pub(crate) fn authorization(&self, host: &str, path: &str) -> Result<String, Failure> {
        let Self { time, scope, key } = self;
        let canonical = format!(
            "PUT\n{path}\n\nhost:{host}\nx-amz-content-sha256:{UNSIGNED}\nx-amz-date:{time}\n\n{SIGNED_HEADERS}\n{UNSIGNED}"
        );
        let digest = hex::encode(Sha256::digest(canonical));
        let signature = hex::encode(hmac(key, &format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}"))?);
        Ok(format!(
            "AWS4-HMAC-SHA256 Credential={S3_ACCESS_KEY_ID}/{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}"
        ))
    }
}

fn hmac(key: &[u8], text: &str) -> Result<Vec<u8>, Failure> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

/// `YYYYMMDDThhmmssZ` of a Unix time, by the days of the proleptic Gregorian calendar.
fn basic_time(unix_seconds: u64) -> String {
    let (days, seconds) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Years that begin on 1 March end with their leap day; 719 468 days lie between 0000-03-01 and 1970-01-01.
    let day_of_calendar = days + 719_468;
    let (era, day_of_era) = (day_of_calendar / 146_097, day_of_calendar % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}
