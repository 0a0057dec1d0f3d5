//! What holds for every step, and helpers for the tests of each.

use stowage_core::{delivery, tasks::Chain};

use super::*;
use crate::Layout;

/// A task as clients write it.
pub(super) fn task(written: &str) -> Task {
    let path = format!("/{written}/7xSJALUhSlCDCNujt5Ku");
    let tasks = delivery::parse(&path, None).expect(written).tasks;
    Chain::read(&tasks).expect(written).steps.remove(0)
}

/// What becomes of a bitmap.
pub(super) fn apply(written: &str, bitmap: Bitmap) -> Bitmap {
    let mut step = plain(&task(written), Bounds { max_pixels: 10_000_000 }).expect(written);
    step.apply(bitmap).expect(written)
}

pub(super) fn gray(width: u32, pixels: &[u8]) -> Bitmap {
    bitmap(Layout::Gray, width, pixels)
}

pub(super) fn rgb(width: u32, pixels: &[[u8; 3]]) -> Bitmap {
    bitmap(Layout::Rgb, width, pixels.as_flattened())
}

pub(super) fn rgba(width: u32, pixels: &[[u8; 4]]) -> Bitmap {
    bitmap(Layout::Rgba, width, pixels.as_flattened())
}

fn bitmap(layout: Layout, width: u32, pixels: &[u8]) -> Bitmap {
    let height = pixels.len() / width as usize / layout.channels();
    Bitmap::new(width, height as u32, layout, pixels.to_vec()).expect("the pixels fill the rows")
}

/// One colour everywhere, in the layout that has as many channels.
pub(super) fn plane<const N: usize>(width: u32, height: u32, pixel: [u8; N]) -> Bitmap {
    let layout = [Layout::Gray, Layout::Rgb, Layout::Rgba].into_iter().find(|layout| layout.channels() == N);
    let pixels = pixel.repeat(width as usize * height as usize);
    Bitmap::new(width, height, layout.expect("1, 3 or 4"), pixels).expect("the pixels fill the rows")
}

pub(super) fn pixel(bitmap: &Bitmap, column: u32, row: u32) -> &[u8] {
    let at = (row * bitmap.width + column) as usize * bitmap.layout.channels();
    &bitmap.pixels[at..at + bitmap.layout.channels()]
}

/// Something different everywhere, opaque, transparent and in between.
fn noise(layout: Layout, width: u32, height: u32) -> Bitmap {
    let count = width as usize * height as usize * layout.channels();
    let pixels = (0..count as u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
    Bitmap::new(width, height, layout, pixels).expect("the pixels fill the rows")
}

const EVERY_STEP: &[&str] = &[
    "flip",
    "flop",
    "rotate=d:0",
    "rotate=d:90",
    "rotate=d:1",
    "rotate=d:45,b:transparent",
    "rotate=d:359,b:FF000080",
    "rounded_corners",
    "rounded_corners=r:10000,l:20",
    "rounded_corners=r:max,l:0,b:red",
    "circle",
    "circle=b:FF000080",
    "border",
    "border=w:1000,c:red,b:transparent",
    "border=w:0,c:00000000",
    "polaroid",
    "polaroid=r:0,b:white",
    "polaroid=r:359,c:000000",
    "torn_edges",
    "torn_edges=s:[10000,1],b:blue",
    "torn_edges=s:[10000,10000]",
    "shadow",
    "shadow=l:20,o:100,v:[-1000,1000],c:red",
    "shadow=l:0,o:0,v:[0,0],b:white",
    "vignette",
    "vignette=a:100,m:linear",
    "vignette=a:0,b:black",
    "sharpen",
    "sharpen=a:20",
    "sharpen=a:0",
    "blur",
    "blur=a:20",
    "blur=a:0.8",
    "blur=a:0.001",
    "monochrome",
    "blackwhite",
    "blackwhite=t:100",
    "sepia",
    "sepia=t:0",
    "sepia=t:100",
    "pixelate",
    "pixelate=a:100",
    "oil_paint",
    "oil_paint=a:100",
    "negative",
    "modulate",
    "modulate=b:10000,h:359,s:10000",
    "modulate=b:0,s:0",
    "partial_pixelate=o:[[0,0,5,5]]",
    "partial_pixelate=o:[[10000,10000,10000,10000],[3,1,10000,10000]],a:100,l:20,t:oval",
    "partial_blur=o:[[0,0,5,5],[2,2,1,1]]",
    "partial_blur=o:[[0,0,10000,10000]],a:20,l:0,t:oval",
    "text=t:Ag",
    "text=t:\"日本 \u{301}\u{202e}Wort%00%0A%0A%E2%80%8D\",s:1000,p:1000,c:FF000080",
    "text=t:\"%20%0A\",a:[top,left],p:0",
    "upscale",
    "upscale=n:high,s:artwork",
    "upscale=u:false,n:low",
    "enhance",
    "enhance=preset:vivid",
    "enhance=preset:beautify",
    "enhance=preset:beautify_plus",
    "enhance=preset:fix_dark",
    "enhance=preset:fix_noise",
    "enhance=preset:fix_tint",
    "enhance=preset:outdoor",
    "enhance=preset:fireworks",
];

#[test]
fn every_step_takes_every_picture() {
    for written in EVERY_STEP {
        for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
            for (width, height) in [(1, 1), (1, 7), (33, 17)] {
                let result = apply(written, noise(layout, width, height));
                let bytes = result.width as usize * result.height as usize * result.layout.channels();
                assert_eq!(result.pixels.len(), bytes, "{written} {layout:?} {width}x{height}");
                assert!(bytes > 0, "{written} {layout:?} {width}x{height}");
            }
        }
    }
}

#[test]
fn steps_keep_the_sides_unless_they_say_otherwise() {
    let grows = ["rotate", "border", "polaroid", "shadow", "circle", "upscale"];
    for written in EVERY_STEP.iter().filter(|written| !grows.iter().any(|task| written.starts_with(task))) {
        let result = apply(written, noise(Layout::Rgba, 33, 17));
        assert_eq!((result.width, result.height), (33, 17), "{written}");
    }
}

#[test]
fn results_repeat_and_frames_of_an_animation_are_treated_alike() {
    for written in EVERY_STEP {
        let mut step = plain(&task(written), Bounds { max_pixels: 10_000_000 }).expect(written);
        let first = step.apply(noise(Layout::Rgb, 33, 17)).expect(written);
        let again = step.apply(noise(Layout::Rgb, 33, 17)).expect(written);
        assert_eq!(first, again, "{written}");
        assert_eq!(first, apply(written, noise(Layout::Rgb, 33, 17)), "{written}");
    }
}

#[test]
fn results_that_grow_too_large_are_refused() {
    for written in ["rotate=d:45", "border=w:1000", "polaroid", "shadow=v:[1000,1000]"] {
        let mut step = plain(&task(written), Bounds { max_pixels: 33 * 17 }).expect(written);
        assert_eq!(step.apply(noise(Layout::Rgb, 33, 17)), Err(ImageError::OutputTooLarge), "{written}");
    }
}

#[test]
fn invisible_colours_never_show() {
    // The left half is opaque gray, the right half green that nobody should see.
    let half = |column: u32| if column < 8 { [90, 90, 90, 255] } else { [0, 255, 0, 0] };
    let pixels: Vec<[u8; 4]> = (0..16).flat_map(|_| (0..16).map(half)).collect();
    for written in [
        "blur=a:3",
        "pixelate=a:3",
        "oil_paint=a:4",
        "rotate=d:30,b:transparent",
        "partial_blur=o:[[4,4,8,8]]",
        "partial_pixelate=o:[[4,4,8,8]],a:5",
        "sharpen",
        "shadow=c:5A5A5A",
        "polaroid=c:5A5A5A,b:transparent",
    ] {
        let result = apply(written, rgba(16, &pixels)).into_rgba();
        for [red, green, blue, opacity] in result.pixels.as_chunks::<4>().0 {
            let seen = u32::from(green.saturating_sub(*red.max(blue))) * u32::from(*opacity) / 255;
            assert!(seen <= 2, "{written}: {:?}", [red, green, blue, opacity]);
        }
    }
}
