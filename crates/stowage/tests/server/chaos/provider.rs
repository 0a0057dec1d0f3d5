//! Uploads whose parts a provider keeps, by way of a line that fails.

use std::time::Duration;

use stowage_testkit::{Fault, Way};

use super::{client::Client, world::catalogue};
use crate::{
    hostile::{eventually, files_below},
    provider_faults::Line,
};

/// The smallest that the provider takes.
const PART: usize = 5 << 20;

impl Line {
    /// Two parts that go to the provider at once, and a small one that goes at the end.
    async fn begin(&self) -> Client {
        Client::start(&self.server, &self.app, PART, 2 * PART + 123).await
    }

    /// What the provider keeps of unfinished uploads.
    fn unfinished(&self) -> usize {
        let files = files_below(self.s3.root());
        let is_unfinished = |name: &str| name.starts_with(".upload");
        files.iter().filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_unfinished)).count()
    }

    /// Every upload expires while the server is dead.
    fn expire(&mut self) {
        self.server.kill();
        catalogue(&self.server).execute("UPDATE uploads SET expires = 0", []).expect("an update");
        self.server.kill_and_restart();
    }

    fn files(&self) -> i64 {
        let catalogue = catalogue(&self.server);
        catalogue.query_row("SELECT count(*) FROM files", [], |row| row.get(0)).expect("a number")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_the_provider_did_not_take_is_not_acknowledged_and_can_be_sent_again() {
    let faults = [
        Fault::Status(503),
        Fault::Cut(Way::Request, 100_000),
        Fault::Reset(Way::Request, 100_000),
        // The provider has it, and nobody knows.
        Fault::Cut(Way::Answer, 0),
    ];
    for fault in faults {
        let line = Line::open().await;
        let upload = line.begin().await;
        assert_eq!(upload.put(&line.server, 1).await, 200);
        line.proxy.fail(fault);
        assert_eq!(upload.put(&line.server, 2).await, 503, "{fault:?}");
        assert!(line.proxy.struck() > 0, "the fault has not happened");
        line.proxy.heal();
        assert_eq!(upload.offset(&line.server).await, PART, "{fault:?}");
        assert_eq!(upload.complete(&line.server).await.status, 400, "{fault:?}");
        for number in [3, 2] {
            assert_eq!(upload.put(&line.server, number).await, 200, "{fault:?}");
        }
        upload.must_complete(&line.server).await;
        assert_eq!((line.objects(), line.unfinished()), (1, 0), "{fault:?}");
    }
}

/// Whoever sends a part again does not wait for a line that is dead, and what still comes by that counts no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_on_a_stalled_line_is_sent_again() {
    let line = Line::open().await;
    let upload = line.begin().await;
    assert_eq!(upload.put(&line.server, 1).await, 200);
    line.proxy.fail(Fault::Stall(Way::Request, 100_000));
    let (stalled, again) = tokio::join!(upload.put(&line.server, 2), async {
        eventually("the line stalls", async || line.proxy.struck() > 0).await;
        line.proxy.heal();
        upload.put(&line.server, 2).await
    });
    assert!([409, 503].contains(&stalled), "{stalled}");
    assert_eq!(again, 200);
    assert_eq!(upload.put(&line.server, 3).await, 200);
    upload.must_complete(&line.server).await;
    assert_eq!((line.objects(), line.unfinished()), (1, 0));
}

/// The moment between "put together at the provider" and "row committed": the answer of the provider takes its time.
async fn killed_after_the_provider_completed() -> (Line, Client) {
    let mut line = Line::open().await;
    let upload = line.begin().await;
    for number in upload.parts() {
        assert_eq!(upload.put(&line.server, number).await, 200);
    }
    line.proxy.fail(Fault::Slow(Duration::from_millis(300)));
    let asked = upload.ask_for_completion(&line.server);
    eventually("the object is there", async || line.objects() == 1).await;
    line.server.kill();
    asked.await.expect("the request ends");
    assert_eq!(line.files(), 0, "the moment was missed");
    line.proxy.heal();
    line.server.kill_and_restart();
    (line, upload)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_providers_completion_and_the_row_makes_one_file() {
    let (line, upload) = killed_after_the_provider_completed().await;
    // Of these the last, which is too small for the provider, would wait here for a completion that can take no more.
    for number in upload.parts() {
        assert_eq!(upload.put(&line.server, number).await, 409, "part {number} would be in no file");
    }
    upload.must_complete(&line.server).await;
    assert_eq!((line.files(), line.objects(), line.unfinished()), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_goes_on_with_leaves_the_provider() {
    // Parts only.
    let mut line = Line::open().await;
    let upload = line.begin().await;
    assert_eq!(upload.put(&line.server, 1).await, 200);
    assert!(line.unfinished() > 0, "the part is not at the provider");
    line.expire();
    eventually("the provider forgets the parts", async || line.unfinished() == 0).await;
    assert_eq!(upload.look(&line.server).await.status, 404);

    // Cancelled while the provider answers nothing but errors: cancelled all the same, and removed later.
    let upload = line.begin().await;
    assert_eq!(upload.put(&line.server, 1).await, 200);
    line.proxy.fail(Fault::Status(503));
    upload.cancel(&line.server).await;
    assert_eq!(upload.look(&line.server).await.status, 404);
    line.proxy.heal();
    line.server.kill_and_restart();
    assert_eq!(upload.look(&line.server).await.status, 404);
    eventually("the provider forgets the parts", async || line.unfinished() == 0).await;

    // An object that was put together and has no row.
    let (mut line, _) = killed_after_the_provider_completed().await;
    line.expire();
    eventually("the object is removed", async || line.objects() == 0 && line.unfinished() == 0).await;
    assert_eq!(line.files(), 0);
}
