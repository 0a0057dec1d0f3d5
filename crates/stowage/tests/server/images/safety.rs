//! Hostile pictures and hostile amounts of work (threats E): a short answer, and nothing else happens.

use std::{process::Command, time::Duration};

use stowage_imaging::{Bitmap, Format, Metadata};
use stowage_testkit::{Origin, Reply};
use tokio::task::JoinHandle;

use super::{
    Shown, assert_refused, bombs, encoding, fetching, figure, file_of, fixture, origin_of, quarters, still, stored,
};
use crate::{
    hostile::{encoded, eventually},
    support::{HttpAnswer, Stowage, client, get, send, server, server_with},
};

/// The workers of a server.
fn workers(server: &Stowage) -> Vec<u32> {
    let is_child = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line.strip_prefix("PPid:").is_some_and(|parent| parent.trim() == server.pid().to_string()))
    };
    let processes = std::fs::read_dir("/proc").expect("/proc can be read").flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}

/// The most memory that a process has had, KiB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).expect("it tells its peak")
}

/// No worker died, ran out of time or had to be replaced.
async fn assert_unharmed(server: &Stowage, started: u64) {
    for (name, expected) in [("jobs_crashed", 0), ("jobs_timed_out", 0), ("workers_started", started)] {
        assert_eq!(figure(server, &format!("stowage_image_{name}_total")).await, expected, "{name}");
    }
}

#[tokio::test]
async fn bombs_do_not_go_off() {
    let server = server_with(&[("STOWAGE_IMAGES_WORKERS", "1")]);
    let app = server.app("shop", &[]);
    let spare = stored(&server, &app, "spare.txt", b"spare".to_vec()).await;
    let small = stored(&server, &app, "a.png", still(Format::Png, &quarters(40, 20))).await;
    get(&server, &format!("/cache=false/flip/{small}")).await.expect(200);
    let (before, started) = (peak(server.pid()), figure(&server, "stowage_image_workers_started_total").await);
    for (name, bomb) in bombs::large().into_iter().chain(bombs::many_frames()) {
        assert!(bomb.len() < 4096, "{name}");
        let handle = stored(&server, &app, "a", bomb).await;
        for tasks in ["resize=width:10", "output=format:webp", "crop=dim:[0,0,10,10]", "flip"] {
            let answer = get(&server, &format!("/{tasks}/{handle}")).await;
            assert_refused(&answer, "image_too_large", "image is too large", &format!("{tasks} of {name}"));
        }
        let instead = get(&server, &format!("/flip/fallback=handle:{spare}/{handle}")).await.expect(200);
        assert_eq!((instead.text(), instead.header("cache-control")), ("spare", "no-cache"), "{name}");
    }
    let [worker] = workers(&server)[..] else { panic!("one worker") };
    assert!(peak(worker) < 128 << 10, "{} KiB", peak(worker));
    let more = peak(server.pid()) - before;
    assert!(more < 32 << 10, "{more} KiB more in the server");
    assert_unharmed(&server, started).await;
    assert_eq!(figure(&server, "stowage_cache_disk_entries").await, 0, "nothing is kept of a failure");
}

#[tokio::test]
async fn broken_files_are_refused() {
    let server = server();
    let app = server.app("shop", &[]);
    let refuse = async |case: &str, content: Vec<u8>| {
        let handle = stored(&server, &app, &format!("{case}.jpg"), content).await;
        for tasks in ["resize=width:10", "rotate=deg:45"] {
            let answer = get(&server, &format!("/{tasks}/{handle}")).await;
            assert_refused(&answer, "unsupported_input", "Unsupported input format", &format!("{tasks} of {case}"));
        }
    };
    for format in [Format::Jpeg, Format::Png, Format::Gif, Format::WebP, Format::Avif, Format::Tiff, Format::Bmp] {
        let mut whole = still(format, &quarters(60, 60));
        whole.truncate(whole.len() * 3 / 5);
        refuse(&format!("a broken {format:?}"), whole).await;
    }
    for name in ["rgb.psd", "rgb.jxl", "two.ico"] {
        let mut whole = fixture(name);
        whole.truncate(whole.len() * 3 / 5);
        refuse(&format!("a broken {name}"), whole).await;
    }
    for (case, content) in [
        ("nothing readable", b"\x01\x02\x03garbage".repeat(40)),
        ("text", b"only words".to_vec()),
        ("a document", b"%PDF-1.4\n%%EOF".to_vec()),
        ("a page", b"<!DOCTYPE html><html><body>x</body></html>".to_vec()),
        ("half a drawing", b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"10\" height=\"10\"><rect".to_vec()),
        ("a JPEG of three bytes", b"\xff\xd8\xff".to_vec()),
    ] {
        refuse(case, content).await;
    }
    assert_eq!(figure(&server, "stowage_image_jobs_crashed_total").await, 0);
}

/// Files with a few wrong bytes: they may be drawn or be refused, but nothing of the pool breaks.
#[tokio::test]
async fn damaged_files_break_nothing() {
    let server = server_with(&[("STOWAGE_IMAGES_WORKERS", "1")]);
    let app = server.app("shop", &[]);
    let small = stored(&server, &app, "a.png", still(Format::Png, &quarters(40, 20))).await;
    get(&server, &format!("/flip/{small}")).await.expect(200);
    let started = figure(&server, "stowage_image_workers_started_total").await;
    let encoded = [Format::Jpeg, Format::Png, Format::Gif, Format::WebP, Format::Avif, Format::Tiff, Format::Bmp];
    let encoded = encoded.map(|format| (format!("{format:?}"), still(format, &quarters(60, 60))));
    let others = ["rgb.psd", "rgb.jxl", "animated.jxl", "two.ico", "jpeg.tiff", "fax4.tiff", "rle.bmp", "turned.heic"];
    let others = others.map(|name| (name.to_owned(), fixture(name)));
    let mut refused = 0;
    for (name, whole) in encoded.into_iter().chain(others) {
        for round in 0..12_usize {
            let mut file = whole.clone();
            for change in 0..4 {
                // Behind the first bytes, by which the format is known; the first half of the rounds goes for the headers.
                let place = (round * 4 + change).wrapping_mul(0x9e37_79b1) >> 4;
                let reach = if round < 6 { 120.min(file.len() - 16) } else { file.len() - 16 };
                file[16 + place % reach] ^= 1 << (place % 8) | 0x40;
            }
            let handle = stored(&server, &app, "a", file).await;
            let answer = get(&server, &format!("/resize=width:10/{handle}")).await;
            let (case, code) = (format!("round {round} of {name}"), answer.status);
            if code == 200 {
                assert!(Shown::of(&answer.body).size().0 <= 10, "{case}");
                continue;
            }
            refused += 1;
            assert_eq!((code, answer.header("cache-control")), (400, "no-store"), "{case}: {}", answer.text());
            let known = ["unsupported_input", "unsupported_conversion", "image_too_large", "output_too_large"];
            assert!(known.contains(&answer.header("x-stowage-error")), "{case}: {}", answer.text());
        }
    }
    assert!(refused > 50, "{refused} files are broken enough");
    assert_unharmed(&server, started).await;
    get(&server, &format!("/flop/{small}")).await.expect(200);
}

#[tokio::test]
async fn limits_are_kept() {
    let server = server_with(&[
        ("STOWAGE_IMAGES_MAX_OUTPUT_PIXELS", "10000"),
        ("STOWAGE_IMAGES_MAX_PIXELS", "5000"),
        ("STOWAGE_IMAGES_MAX_BYTES", "64KiB"),
        ("STOWAGE_IMAGES_MAX_SOURCES", "4"),
        ("STOWAGE_IMAGES_MAX_FRAMES", "3"),
    ]);
    let app = server.app("shop", &[]);
    let small = stored(&server, &app, "a.png", still(Format::Png, &quarters(40, 20))).await;
    let large = stored(&server, &app, "b.png", still(Format::Png, &quarters(101, 50))).await;
    let heavy = stored(&server, &app, "c.png", vec![0; 70_000]).await;
    let too_large = "Output size limit exceeded";
    for (tasks, handle, code, sentence) in [
        ("resize=width:1000", &small, "output_too_large", too_large),
        ("border=width:200", &small, "output_too_large", too_large),
        ("rotate=deg:45/resize=height:101,width:100,fit:scale", &small, "output_too_large", too_large),
        ("flip/resize=width:1000/resize=width:10", &small, "output_too_large", too_large),
        ("resize=width:10", &large, "image_too_large", "image is too large"),
        ("resize=width:10", &heavy, "image_too_large", "source is too large"),
    ] {
        assert_refused(&get(&server, &format!("/{tasks}/{handle}")).await, code, sentence, tasks);
    }
    get(&server, &format!("/resize=width:100,height:100,fit:scale/{small}")).await.expect(200);
    let long = format!("/{}{small}", "flip/".repeat(51));
    assert_refused(&get(&server, &long).await, "invalid_path", "a path has at most 50 tasks", "51 tasks");
    let animated = async |sources: usize| {
        get(&server, &format!("/{}/animate/[{}]", app.key, vec![small.as_str(); sources].join(","))).await
    };
    assert_refused(&animated(5).await, "invalid_parameter", "invalid parameter `files`", "five sources");
    assert_refused(&animated(4).await, "image_too_large", "image is too large", "a frame too many");
    assert_eq!(Shown::of(&animated(3).await.expect(200).body).frames.len(), 3);
    for format in [Format::Gif, Format::Png, Format::WebP, Format::Avif] {
        for (side, frames, fits) in [(8, 3, true), (8, 4, false), (49, 2, true), (49, 3, false)] {
            let frame = |number| (Bitmap::filled(side, side, [number * 50_u8, 0, 0, 255]), Duration::from_millis(100));
            let frames: Vec<_> = (0..frames).map(frame).collect();
            let file = file_of(&encoding(format), &Metadata::default(), &frames);
            let handle = stored(&server, &app, "a", file).await;
            let answer = get(&server, &format!("/flip/output=format:gif/{handle}")).await;
            let case = format!("{} frames of {format:?} with {side} pixels a side", frames.len());
            if fits {
                assert_eq!(Shown::of(&answer.expect(200).body).frames.len(), frames.len(), "{case}");
            } else {
                assert_refused(&answer, "image_too_large", "image is too large", &case);
            }
        }
    }
}

/// What is behind the guard stays there, also behind a redirect and also as an overlay.
#[tokio::test]
async fn sources_inside_are_not_read() {
    let inside = Origin::start("127.0.0.3", |_| Reply::ok("image/png", &still(Format::Png, &quarters(40, 20)))).await;
    let target = inside.url("/secret.png");
    let door = Origin::start("127.0.0.2", move |_| Reply::redirect(&target)).await;
    let open = origin_of("image/png", still(Format::Png, &quarters(40, 20))).await;
    let server = fetching(&[]);
    let app = server.app("shop", &[]);
    let handle = stored(&server, &app, "a.png", still(Format::Png, &quarters(40, 20))).await;
    let (direct, redirected) = (encoded(&inside.url("/secret.png")), encoded(&door.url("/a.png")));
    for path in [
        format!("flip/{direct}"),
        format!("flip/{redirected}"),
        redirected.clone(),
        format!("imagesize/{redirected}"),
        format!("watermark=file:%22{redirected}%22/{handle}"),
        format!("animate/[{handle},{redirected}]"),
    ] {
        let answer = get(&server, &format!("/{}/{path}", app.key)).await;
        assert_eq!((answer.status, answer.header("x-stowage-error")), (400, "url_not_fetched"), "{path}");
    }
    assert!(inside.received().is_empty());
    get(&server, &format!("/{}/flip/{}", app.key, encoded(&open.url("/a.png")))).await.expect(200);
}

/// A job that works until somebody ends it, running when this returns.
async fn endless(server: &Stowage, handle: &str, fallback: &str) -> JoinHandle<HttpAnswer> {
    let url = format!("{}/{}{fallback}{handle}", server.url(), "oil_paint=amount:100/".repeat(20));
    let job = tokio::spawn(send(client().get(url)));
    eventually("the job runs", async || figure(server, "stowage_image_jobs_running").await == 1).await;
    job
}

fn kill(pid: u32) {
    let status = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "the worker can be killed");
}

/// A worker that dies takes its own job along and nothing else; who waits for too long is told when to come back.
#[tokio::test]
async fn lost_workers_and_long_queues() {
    let server = server_with(&[("STOWAGE_IMAGES_WORKERS", "1"), ("STOWAGE_IMAGES_QUEUE_TIMEOUT", "50ms")]);
    let app = server.app("shop", &[]);
    let large = stored(&server, &app, "a.png", still(Format::Png, &quarters(3000, 3000))).await;
    let small = stored(&server, &app, "b.png", still(Format::Png, &quarters(40, 20))).await;
    let spare = stored(&server, &app, "spare.txt", b"spare".to_vec()).await;
    let job = endless(&server, &large, "").await;
    let busy = get(&server, &format!("/resize=width:10/{small}")).await.expect(503);
    assert_eq!((busy.header("x-stowage-error"), busy.header("cache-control")), ("busy", "no-store"));
    let seconds: u64 = busy.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
    let instead = get(&server, &format!("/resize=width:10/fallback=handle:{spare}/{small}")).await.expect(200);
    assert_eq!((instead.text(), instead.header("cache-control")), ("spare", "no-cache"));
    // What needs no worker is not held up.
    get(&server, &format!("/{small}")).await.expect(200);
    let [worker] = workers(&server)[..] else { panic!("one worker") };
    kill(worker);
    let broken = job.await.expect("an answer");
    assert_refused(&broken, "processing_failed", "Unsupported conversion", "the job of the killed worker");
    eventually("a new worker works", async || {
        let answer = get(&server, &format!("/resize=width:10/{small}")).await;
        answer.status == 200 && Shown::of(&answer.body).size() == (10, 5)
    })
    .await;
    assert_eq!(figure(&server, "stowage_image_jobs_crashed_total").await, 1);
    let job = endless(&server, &large, &format!("fallback=handle:{spare}/")).await;
    workers(&server).into_iter().for_each(kill);
    assert_eq!(job.await.expect("an answer").expect(200).text(), "spare");
}

#[tokio::test]
async fn long_jobs_are_ended() {
    let server = server_with(&[("STOWAGE_IMAGES_TIME_LIMIT", "1s")]);
    let app = server.app("shop", &[]);
    let large = stored(&server, &app, "a.png", still(Format::Png, &Bitmap::filled(3000, 3000, [9, 9, 9, 255]))).await;
    let job = endless(&server, &large, "").await.await.expect("an answer");
    assert_refused(&job, "processing_timeout", "Processing timeout", "an endless job");
    assert_eq!(figure(&server, "stowage_image_jobs_timed_out_total").await, 1);
    get(&server, &format!("/resize=width:10/{large}")).await.expect(200);
}
