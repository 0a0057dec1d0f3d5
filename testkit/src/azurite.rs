//! Azure Blob Storage: Azurite, Microsoft's own emulator.

use std::time::SystemTime;

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::installed::Program;

/// Name of the account that every Azurite has.
pub const AZURITE_ACCOUNT: &str = "devstoreaccount1";
/// Key of that account, public knowledge.
pub const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const VERSION: &str = "2021-12-02";

/// An Azurite on a loopback port of its own that keeps everything in memory; signatures are checked.
pub struct Azurite {
    program: Program,
}

impl Azurite {
    /// Starts it; `None`: it is not installed here.
    pub async fn start() -> Option<Self> {
        // Without --disableTelemetry it would try to reach its makers.
        let arguments = |port: u16| {
            "--silent --disableTelemetry --inMemoryPersistence --skipApiVersionCheck --blobHost 127.0.0.1 --blobPort"
                .split(' ')
                .map(str::to_owned)
                .chain([port.to_string()])
                .collect()
        };
        let program = Program::start("azurite/node_modules/.bin/azurite-blob", arguments, "/").await?;
        Some(Self { program })
    }

    /// `http://127.0.0.1:PORT/devstoreaccount1`.
    pub fn endpoint(&self) -> String {
        format!("{}/{AZURITE_ACCOUNT}", self.program.endpoint())
    }

    /// A shared access signature for the whole account until 2099, with the permissions that a store needs.
    pub fn sas_token(&self) -> String {
        let (permissions, expiry) = ("racwdl", "2099-01-01T00:00:00Z");
        let text = format!("{AZURITE_ACCOUNT}\n{permissions}\nb\nsco\n\n{expiry}\n\nhttps,http\n{VERSION}\n\n");
        let signature = signature(&text).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        format!("sv={VERSION}&ss=b&srt=sco&sp={permissions}&se={expiry}&spr=https,http&sig={signature}")
    }

    /// Makes an empty container.
    pub async fn create_container(&self, name: &str) {
        let date = httpdate::fmt_http_date(SystemTime::now());
        let resource = format!("/{AZURITE_ACCOUNT}/{AZURITE_ACCOUNT}/{name}\nrestype:container");
        let text = format!("PUT{}x-ms-date:{date}\nx-ms-version:{VERSION}\n{resource}", "\n".repeat(12));
        let response = reqwest::Client::new()
            .put(format!("{}/{name}?restype=container", self.endpoint()))
            .header("x-ms-date", &date)
            .header("x-ms-version", VERSION)
            .header("content-length", 0)
            .header("authorization", format!("SharedKey {AZURITE_ACCOUNT}:{}", signature(&text)))
            .send()
            .await
            .expect("Azurite answers");
        assert!(response.status().is_success(), "{response:?}");
    }
}

/// The HMAC of a text with the account's key, as Azure's signatures are.
fn signature(text: &str) -> String {
    let key = BASE64_STANDARD.decode(AZURITE_KEY).expect("the key is base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length will do");
    mac.update(text.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}
