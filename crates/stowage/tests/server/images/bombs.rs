//! Small files that claim more pixels than anybody could draw.

use std::{io::Write, time::Duration};

use flate2::{Compression, write::ZlibEncoder};
use stowage_imaging::{Bitmap, Format, Metadata, decode::heic};

use super::{encoding, file_of, fixture, quarters, still};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What each says with one picture: 65,535 × 65,535 pixels, or what its format and its library let through.
#[expect(clippy::print_stderr, reason = "a check that was not made must be seen")]
pub(super) fn large() -> Vec<(&'static str, Vec<u8>)> {
    let mut bombs = vec![
        ("png", png(65_535)),
        ("gif", gif(65_535, 1)),
        ("webp", webp()),
        ("jpeg", jpeg()),
        ("bmp", bmp()),
        ("svg", svg()),
        ("avif", with_sides(&still(Format::Avif, &quarters(40, 20)), 0x7000)),
        ("tiff in strips", tiff(&[(256, 65_535), (257, 65_535), (273, 8), (278, 65_535), (279, 100)])),
        ("tiff in tiles", tiff(&[(256, 1), (257, 16), (322, 1 << 30), (323, 16), (324, 8), (325, 100)])),
        ("jxl", jxl()),
        ("psd", photoshop("rgb.psd", 30_000)),
        ("psb", photoshop("rgb.psb", 300_000)),
        ("ico", ico(&png(65_535))),
    ];
    if heic::is_available() {
        bombs.push(("heic", with_sides(&fixture("turned.heic"), 0x7000)));
    } else {
        eprintln!("no bomb in HEIC: libheif is not installed");
    }
    bombs
}

/// Animations none of whose frames is too large.
pub(super) fn many_frames() -> Vec<(&'static str, Vec<u8>)> {
    vec![("gif of frames", gif(5_000, 5)), ("apng", apng(5_000, 5)), ("webp of frames", animated_webp(5_000, 5))]
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let checked = [&kind[..], data].concat();
    let length = u32::try_from(data.len()).expect("short").to_be_bytes();
    [&length[..], &checked, &crc32fast::hash(&checked).to_be_bytes()].concat()
}

fn png_head(side: u32) -> Vec<u8> {
    chunk(b"IHDR", &[&side.to_be_bytes()[..], &side.to_be_bytes(), &[8, 2, 0, 0, 0]].concat())
}

fn compressed_zeros() -> Vec<u8> {
    let mut zeros = ZlibEncoder::new(Vec::new(), Compression::best());
    zeros.write_all(&vec![0; 1 << 20]).expect("memory takes everything");
    zeros.finish().expect("memory takes everything")
}

fn png(side: u32) -> Vec<u8> {
    [PNG, &png_head(side), &chunk(b"IDAT", &compressed_zeros()), &chunk(b"IEND", b"")].concat()
}

fn apng(side: u32, frames: u32) -> Vec<u8> {
    let mut file = [PNG, &png_head(side), &chunk(b"acTL", &[frames.to_be_bytes(), [0; 4]].concat())].concat();
    let mut sequence = 0_u32..;
    let mut next = || sequence.next().expect("few chunks").to_be_bytes();
    for frame in 0..frames {
        let sides = [side.to_be_bytes(), side.to_be_bytes(), [0; 4], [0; 4]].concat();
        file.extend(chunk(b"fcTL", &[&next()[..], &sides, &[0, 1, 0, 10, 0, 0]].concat()));
        file.extend(match frame {
            0 => chunk(b"IDAT", &[0x78, 0x9c]),
            _ => chunk(b"fdAT", &[&next()[..], &[0x78, 0x9c]].concat()),
        });
    }
    file.extend(chunk(b"IEND", b""));
    file
}

fn gif(side: u16, frames: usize) -> Vec<u8> {
    let sides = [side.to_le_bytes(), side.to_le_bytes()].concat();
    let frame = [&b",\0\0\0\0"[..], &sides, b"\0\x02\x02\x4c\x01\0"].concat();
    [&b"GIF89a"[..], &sides, b"\x80\0\0\0\0\0\xff\xff\xff", &frame.repeat(frames), b";"].concat()
}

/// 16,384 × 16,384 is the most that WebP can say.
fn webp() -> Vec<u8> {
    let size = 0x3fff | 0x3fff << 14_u32;
    let lossless = [&[0x2f][..], &u32::to_le_bytes(size), &[0; 7]].concat();
    let length = u32::try_from(lossless.len()).expect("short");
    [&b"RIFF"[..], &(length + 12).to_le_bytes(), b"WEBPVP8L", &length.to_le_bytes(), &lossless].concat()
}

/// Small frames on a large canvas: each of them is shown as a whole canvas.
fn animated_webp(side: u32, frames: u8) -> Vec<u8> {
    let frame = |number| (Bitmap::filled(8, 8, [number * 40, 0, 0, 255]), Duration::from_millis(100));
    let frames: Vec<_> = (0..frames).map(frame).collect();
    let mut file = file_of(&encoding(Format::WebP), &Metadata::default(), &frames);
    assert_eq!(&file[12..16], b"VP8X");
    let side = &(side - 1).to_le_bytes()[..3];
    file[24..30].copy_from_slice(&[side, side].concat());
    file
}

fn jpeg() -> Vec<u8> {
    let mut file = still(Format::Jpeg, &quarters(40, 20));
    let frame = file.windows(2).position(|marker| marker[0] == 0xff && matches!(marker[1], 0xc0..=0xc2));
    let sides = frame.expect("a frame") + 5;
    file[sides..sides + 4].fill(0xff);
    file
}

fn bmp() -> Vec<u8> {
    let mut file = still(Format::Bmp, &quarters(40, 20));
    file[18..26].copy_from_slice(&[65_535_u32.to_le_bytes(), 65_535_u32.to_le_bytes()].concat());
    file
}

fn svg() -> Vec<u8> {
    br#"<svg xmlns="http://www.w3.org/2000/svg" width="65535" height="65535"><rect width="9" height="9"/></svg>"#
        .to_vec()
}

/// A file of the HEIF family, all of whose pictures have these sides now.
fn with_sides(file: &[u8], side: u32) -> Vec<u8> {
    let mut file = file.to_vec();
    let boxes: Vec<_> = (0..file.len() - 16).filter(|at| file[*at..].starts_with(b"ispe")).collect();
    assert!(!boxes.is_empty());
    for at in boxes {
        file[at + 8..at + 16].copy_from_slice(&[side.to_be_bytes(), side.to_be_bytes()].concat());
    }
    file
}

/// A directory of gray samples without compression, and of these numbers.
fn tiff(tags: &[(u16, u32)]) -> Vec<u8> {
    let mut tags = [tags, &[(258, 8), (259, 1), (262, 1), (277, 1)]].concat();
    tags.sort_unstable();
    let mut file = [&b"II*\0\x08\0\0\0"[..], &u16::try_from(tags.len()).expect("few").to_le_bytes()].concat();
    for (tag, value) in tags {
        file.extend([&tag.to_le_bytes()[..], &[4, 0, 1, 0, 0, 0], &value.to_le_bytes()].concat());
    }
    file.extend([0; 4]);
    file
}

/// Sides of 20,000 pixels, in 18 bits of which the second is like the first, and otherwise what is usual.
fn jxl() -> Vec<u8> {
    let height_less_one: String = (0..18).map(|bit| if 19_999 >> bit & 1 == 1 { '1' } else { '0' }).collect();
    let bits = format!("0{}{height_less_one}{}{}", "01", "100", "11");
    let byte = |bits: &[u8]| bits.iter().enumerate().fold(0, |sum, (at, bit)| sum | (bit - b'0') << at);
    [&[0xff, 0x0a][..], &bits.as_bytes().chunks(8).map(byte).collect::<Vec<u8>>(), &[0; 64]].concat()
}

fn photoshop(name: &str, side: u32) -> Vec<u8> {
    let mut file = fixture(name);
    file[14..22].copy_from_slice(&[side.to_be_bytes(), side.to_be_bytes()].concat());
    file
}

/// An icon of this picture.
fn ico(picture: &[u8]) -> Vec<u8> {
    let length = u32::try_from(picture.len()).expect("short");
    let entry = [&[0, 0, 0, 0, 1, 0, 32, 0][..], &length.to_le_bytes(), &22_u32.to_le_bytes()].concat();
    [&[0, 0, 1, 0, 1, 0][..], &entry, picture].concat()
}
