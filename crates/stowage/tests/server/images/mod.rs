//! Pictures by URL (spec 11): what comes out is decoded again, so sizes and pixels are those that a browser would show.

mod archives;
mod bombs;
mod cache;
mod convert;
mod elsewhere;
mod formats;
mod safety;
mod scripts;
mod strict;
mod tasks;

use std::time::Duration;

use stowage_imaging::{
    Bitmap, Format, Frame, Layout, Limits, Metadata,
    decode::{self, Wish},
    encode::{self, Encoding},
};
use stowage_testkit::{Origin, Reply};

use crate::support::{App, HttpAnswer, Stowage, get, server_with, store, text_of};

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const WHITE: [u8; 3] = [255; 3];
const BLACK: [u8; 3] = [0; 3];

/// Four quarters: red and green above, blue and white below.
fn quarters(width: u32, height: u32) -> Bitmap {
    let pixels = (0..height).flat_map(|y| {
        (0..width).flat_map(move |x| match (x * 2 < width, y * 2 < height) {
            (true, true) => RED,
            (false, true) => GREEN,
            (true, false) => BLUE,
            (false, false) => WHITE,
        })
    });
    Bitmap::new(width, height, Layout::Rgb, pixels.collect()).expect("pixels fit their sides")
}

fn encoding(format: Format) -> Encoding {
    Encoding { quality: Some(95), fast: true, ..Encoding::plain(format) }
}

/// A file of one or several frames.
fn file_of(encoding: &Encoding, metadata: &Metadata, frames: &[(Bitmap, Duration)]) -> Vec<u8> {
    let encoding = Encoding { animated: frames.len() > 1, ..*encoding };
    let mut writer = encode::writer(&encoding, metadata).expect("the format can be written");
    for (bitmap, delay) in frames {
        writer.write(Frame { bitmap: bitmap.clone(), delay: *delay }).expect("the frame fits");
    }
    writer.finish().expect("the file can be written")
}

/// A still picture.
fn still(format: Format, bitmap: &Bitmap) -> Vec<u8> {
    file_of(&encoding(format), &Metadata::default(), &[(bitmap.clone(), Duration::ZERO)])
}

/// The TIFF structure of EXIF that says how stored pixels have to be turned.
fn exif(orientation: u8) -> Vec<u8> {
    let entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    [&b"II*\0\x08\0\0\0\x01\0"[..], &entry, &[0; 4]].concat()
}

/// A decoded picture.
struct Shown {
    format: Format,
    frames: Vec<Frame>,
    metadata: Metadata,
}

impl Shown {
    #[track_caller]
    fn of(bytes: &[u8]) -> Self {
        let mut opened = decode::open(bytes, &Wish::default(), &Limits::default()).expect("the result is a picture");
        let mut frames = Vec::new();
        while let Some(frame) = opened.frames.next_frame().expect("every frame is whole") {
            frames.push(frame);
        }
        Self { format: opened.header.format, frames, metadata: opened.metadata }
    }

    fn size(&self) -> (u32, u32) {
        (self.frames[0].bitmap.width, self.frames[0].bitmap.height)
    }

    /// A pixel of the first frame, by its place in parts of the sides; the last is its opacity.
    fn at(&self, (x, y): (f64, f64)) -> [u8; 4] {
        let bitmap = self.frames[0].bitmap.clone().into_rgba();
        let place = |part: f64, side: u32| ((part * f64::from(side)) as usize).min(side as usize - 1);
        let (x, y) = (place(x, bitmap.width), place(y, bitmap.height));
        let start = (y * bitmap.width as usize + x) * 4;
        [0, 1, 2, 3].map(|channel| bitmap.pixels[start + channel])
    }

    #[track_caller]
    fn shows(&self, place: (f64, f64), colour: [u8; 3], case: &str) {
        let found = self.at(place);
        let far = found.iter().zip(colour).any(|(found, wanted)| found.abs_diff(wanted) > 40);
        assert!(!far, "{case}: {found:?} at {place:?} instead of {colour:?}");
    }

    /// All four quarters of [`quarters`] as they should be.
    #[track_caller]
    fn shows_quarters(&self, case: &str) {
        for (place, colour) in [((0.25, 0.25), RED), ((0.75, 0.25), GREEN), ((0.25, 0.75), BLUE), ((0.75, 0.75), WHITE)]
        {
            self.shows(place, colour, case);
        }
    }

    /// Mean difference of the samples of a frame from what it should show, on white.
    fn difference(&self, frame: usize, expected: &Bitmap) -> f64 {
        let flat = |bitmap: &Bitmap| bitmap.clone().flattened(WHITE).into_colour().pixels;
        let (shown, expected) = (flat(&self.frames[frame].bitmap), flat(expected));
        assert_eq!(shown.len(), expected.len(), "another size");
        let sum: u64 = shown.iter().zip(&expected).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / shown.len() as f64
    }
}

/// A committed picture of the imaging package.
fn fixture(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../imaging/tests/fixtures/");
    std::fs::read(format!("{path}{name}")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Stores a file and gives its handle.
async fn stored(server: &Stowage, app: &App, name: &str, content: Vec<u8>) -> String {
    text_of(&store(server, app, &format!("filename={name}"), content).await, "handle").to_owned()
}

/// A server that may fetch from 127.0.0.2, with further settings.
fn fetching(environment: &[(&str, &str)]) -> Stowage {
    let fetch = [("STOWAGE_FETCH_ALLOW", "127.0.0.2/32"), ("STOWAGE_FETCH_PORTS", "")];
    server_with(&[&fetch[..], environment].concat())
}

/// An origin that gives this file at every path.
async fn origin_of(media_type: &'static str, content: Vec<u8>) -> Origin {
    Origin::start("127.0.0.2", move |_| Reply::ok(media_type, &content)).await
}

/// A figure of `/metrics`.
async fn figure(server: &Stowage, name: &str) -> u64 {
    let metrics = get(server, "/metrics").await.expect(200);
    let value = metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}

/// Jobs that workers have answered.
async fn jobs(server: &Stowage) -> u64 {
    figure(server, "stowage_image_jobs_answered_total").await
}

/// A 400 that nobody keeps.
#[track_caller]
fn assert_refused(answer: &HttpAnswer, code: &str, sentence: &str, case: &str) {
    let told = answer.text();
    assert_eq!((answer.status, answer.header("x-stowage-error")), (400, code), "{case}: {told}");
    assert_eq!(answer.header("cache-control"), "no-store", "{case}");
    assert!(answer.json()["error"].as_str().is_some_and(|text| text.starts_with(sentence)), "{case}: {told}");
}
