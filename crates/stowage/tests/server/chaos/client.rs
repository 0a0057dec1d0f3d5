//! A client that knows what it wants: whole parts of one content, step by step.

use serde_json::{Value, json};

use crate::support::{App, HttpAnswer, Stowage, client, get, send, text_of};

pub(super) struct Client {
    key: String,
    id: String,
    part: usize,
    pub(super) content: Vec<u8>,
}

impl Client {
    pub(super) async fn start(server: &Stowage, app: &App, part: usize, length: usize) -> Self {
        let content: Vec<u8> =
            (0..length).map(|index| (index as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        let body = json!({ "apikey": app.key, "filename": "steps.bin", "size": length });
        let begun =
            send(client().post(format!("{}/multipart/start", server.url())).json(&body)).await.expect(200).json();
        Self { key: app.key.clone(), id: text_of(&begun, "upload_id").to_owned(), part, content }
    }

    fn bytes(&self, number: usize) -> &[u8] {
        self.content.chunks(self.part).nth(number - 1).expect("a part of the content")
    }

    pub(super) fn parts(&self) -> std::ops::RangeInclusive<usize> {
        1..=self.content.len().div_ceil(self.part)
    }

    /// Nothing if there is no answer.
    pub(super) async fn try_put(&self, server: &Stowage, number: usize) -> Option<u16> {
        let content = self.bytes(number).to_vec();
        let url = format!("{}/multipart/part/{}/{number}?size={}", server.url(), self.id, content.len());
        let answer = client().put(url).body(content).send().await.ok()?;
        Some(answer.status().as_u16())
    }

    pub(super) async fn put(&self, server: &Stowage, number: usize) -> u16 {
        self.try_put(server, number).await.expect("the server answers")
    }

    fn completion(&self, server: &Stowage) -> reqwest::RequestBuilder {
        let body = json!({ "apikey": self.key, "upload_id": self.id, "parts": null });
        client().post(format!("{}/multipart/complete", server.url())).json(&body)
    }

    pub(super) async fn complete(&self, server: &Stowage) -> HttpAnswer {
        send(self.completion(server)).await
    }

    /// Asks for the file in the background; whether there was an answer.
    pub(super) fn ask_for_completion(&self, server: &Stowage) -> tokio::task::JoinHandle<bool> {
        let asked = self.completion(server).send();
        tokio::spawn(async move { asked.await.is_ok() })
    }

    /// Completes it; the file must be the content, and a repetition must give the same.
    pub(super) async fn must_complete(&self, server: &Stowage) {
        let file = self.complete(server).await.expect(200).json();
        self.must_be(server, &file).await;
        assert_eq!(self.complete(server).await.expect(200).json()["handle"], file["handle"]);
    }

    async fn must_be(&self, server: &Stowage, file: &Value) {
        let back = get(server, &format!("/api/file/{}", text_of(file, "handle"))).await.expect(200).body;
        assert!(back == self.content, "the content is another");
    }

    /// What the server has, by tus.
    pub(super) async fn look(&self, server: &Stowage) -> HttpAnswer {
        let url = format!("{}/tus/{}", server.url(), self.id);
        send(client().head(url).header("Tus-Resumable", "1.0.0")).await
    }

    pub(super) async fn offset(&self, server: &Stowage) -> usize {
        self.look(server).await.expect(200).header("upload-offset").parse().expect("a number")
    }

    pub(super) async fn cancel(&self, server: &Stowage) -> HttpAnswer {
        let url = format!("{}/tus/{}", server.url(), self.id);
        send(client().delete(url).header("Tus-Resumable", "1.0.0")).await
    }
}
