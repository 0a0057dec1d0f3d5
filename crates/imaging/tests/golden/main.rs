//! Results beside those of ImageMagick, by a measure of what eyes see; `make.sh` makes the references.

use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};
use stowage_core::{delivery, tasks::Chain};
use stowage_imaging::{Inputs, Settings, run};

/// What a task makes of `source.png`, the reference, and the least score (100: the same).
const TASKS: &[(&str, &str, f64)] = &[
    ("resize=w:60,h:60", "clip.png", 92.0),
    ("resize=w:50,h:60,f:scale", "scale.png", 92.0),
    // The reference cuts at whole pixels, this engine in the middle of one.
    ("resize=w:50,h:50,f:crop", "crop-fit.png", 48.0),
    ("crop=d:[20,10,60,40]", "crop.png", 99.0),
    ("flip", "flip.png", 99.0),
    ("flop", "flop.png", 99.0),
    ("rotate=d:90", "quarter.png", 99.0),
    ("blur=a:2", "blur.png", 92.0),
    ("sharpen=a:2", "sharpen.png", 92.0),
    ("negative", "negative.png", 99.0),
    ("border=w:7,c:336699,b:336699", "border.png", 99.0),
    ("monochrome", "monochrome.png", 92.0),
    ("modulate=b:120,s:60", "modulate.png", 92.0),
];

/// Files that show the source, and the least score.
const FILES: &[(&str, f64)] = &[
    ("photo.jpg", 82.0),
    ("photo-2x1.jpg", 79.0),
    ("photo-1x2.jpg", 79.0),
    ("photo-2x2.jpg", 76.0),
    ("photo-4x1.jpg", 69.0),
    ("progressive.jpg", 82.0),
    ("photo.webp", 79.0),
    ("lossless.webp", 99.0),
    ("photo.tiff", 99.0),
    ("photo.bmp", 99.0),
    ("palette.gif", 59.0),
    ("deep.png", 99.0),
];

/// What the source is written as, and the least score of what comes back.
const WRITTEN: &[(&str, f64)] = &[
    ("output=f:jpg", 70.0),
    ("output=f:pjpg", 70.0),
    ("output=f:jpg,o:cmyk", 72.0),
    ("output=f:webp", 70.0),
    ("output=f:avif", 70.0),
    ("output=f:gif", 67.0),
    ("output=f:png", 99.0),
    ("output=f:tiff", 99.0),
    ("output=f:bmp", 99.0),
];

fn chain(written: &str) -> Chain {
    let path = format!("/{written}/7xSJALUhSlCDCNujt5Ku");
    Chain::read(&delivery::parse(&path, None).expect("a path").tasks).expect("a chain")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"))).expect("a committed file")
}

fn done(bytes: &[u8], written: &str) -> Vec<u8> {
    let inputs = Inputs { sources: &[bytes], overlays: &[] };
    run(inputs, &chain(written), &Settings::default()).expect("a result").bytes
}

fn pixels(png: &[u8]) -> Rgb {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().expect("a PNG file");
    let mut bytes = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut bytes).expect("its pixels");
    let channels = info.color_type.samples();
    let level = |byte: u8| f32::from(byte) / 255.0;
    let pixel =
        |pixel: &[u8]| if channels < 3 { [level(pixel[0]); 3] } else { [pixel[0], pixel[1], pixel[2]].map(level) };
    let data = bytes[..info.buffer_size()].chunks_exact(channels).map(pixel).collect();
    let (width, height) = (info.width as usize, info.height as usize);
    Rgb::new(data, width, height, TransferCharacteristic::SRGB, ColorPrimaries::BT709)
        .expect("the pixels fill the sides")
}

#[test]
fn results_look_like_the_references() {
    let mut poor = Vec::new();
    let tasks = TASKS.iter().map(|(task, reference, least)| (done(&file("source.png"), task), *reference, *least));
    let files = FILES.iter().map(|(name, least)| (done(&file(name), "output=f:png"), "source.png", *least));
    let written = WRITTEN
        .iter()
        .map(|(task, least)| (done(&done(&file("source.png"), task), "output=f:png"), "source.png", *least));
    for (result, reference, least) in tasks.chain(files).chain(written) {
        let score = compute_frame_ssimulacra2(pixels(&file(reference)), pixels(&result)).expect("the same sides");
        if score < least {
            poor.push(format!("{reference}: {score:.1} < {least}"));
        }
    }
    assert!(poor.is_empty(), "{poor:#?}");
}
