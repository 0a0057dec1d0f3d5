use super::*;
use crate::{
    Layout, Limits,
    decode::{Wish, open},
    encode::pattern::{frame, picture},
};

fn written(encoding: &Encoding, layouts: &[Layout]) -> Vec<u8> {
    let mut output = writer(encoding, &Metadata::default()).expect("a writer");
    for layout in layouts {
        output.write(frame(*layout)).expect("a frame");
    }
    output.finish().expect("a file")
}

fn has(file: &[u8], text: &str) -> bool {
    file.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The bytes of the first stream behind a text.
fn stream<'a>(file: &'a [u8], text: &str) -> &'a [u8] {
    let find = |from: usize, what: &[u8]| {
        from + file[from..].windows(what.len()).position(|window| window == what).expect("it is there")
    };
    let start = find(find(0, text.as_bytes()), b"stream\n") + 7;
    &file[start..find(start, b"\nendstream")]
}

#[test]
fn a_page_for_each_frame() {
    let file = written(&Encoding::plain(Format::Pdf), &[Layout::Rgb, Layout::Gray]);
    assert!(file.starts_with(b"%PDF-1.") && file.ends_with(b"%%EOF"));
    assert!(has(&file, "/Count 2") && has(&file, "/MediaBox [0 0 21 13]"));
    // The table of objects is where the end of the file says, and each entry points to its object.
    let text = String::from_utf8_lossy(&file);
    let start: usize = text
        .rsplit("startxref\n")
        .next()
        .and_then(|tail| tail.lines().next())
        .and_then(|line| line.parse().ok())
        .expect("a number");
    assert!(file[start..].starts_with(b"xref"));
    let table = String::from_utf8_lossy(&file[start..]).into_owned();
    for entry in table.lines().filter(|line| line.trim_end().ends_with(" n")) {
        let offset: usize = entry[..10].parse().expect("an offset");
        assert!(String::from_utf8_lossy(&file[offset..offset + 12]).contains(" 0 obj"), "{entry}");
    }
    let jpeg = stream(&file, "/DCTDecode");
    let header = open(jpeg, &Wish::default(), &Limits::default()).expect("a JPEG").header;
    assert_eq!((header.format, header.width, header.height), (Format::Jpeg, 21, 13));
}

#[test]
fn density_and_the_largest_page() {
    let dense = written(&Encoding { density: Some(144), ..Encoding::plain(Format::Pdf) }, &[Layout::Rgb]);
    assert!(has(&dense, "/MediaBox [0 0 10.5 6.5]"));
    let coarse = written(&Encoding { density: Some(0), ..Encoding::plain(Format::Pdf) }, &[Layout::Rgb]);
    assert!(has(&coarse, "/MediaBox [0 0 1512 936]"));
    let mut output = writer(&Encoding::plain(Format::Pdf), &Metadata::default()).expect("a writer");
    let wide = Frame { bitmap: Bitmap::filled(28_800, 10, [1, 2, 3, 255]), delay: std::time::Duration::ZERO };
    output.write(wide).expect("a frame");
    assert!(has(&output.finish().expect("a file"), "/MediaBox [0 0 14400 5]"));
}

#[test]
fn transparent_pictures_have_a_mask() {
    let file = written(&Encoding::plain(Format::Pdf), &[Layout::Rgba]);
    assert!(has(&file, "/SMask") && has(&file, "/FlateDecode") && !has(&file, "/DCTDecode"));
    // The same stream in a PNG gives back the opacities.
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mask = stream(&file, "/DeviceGray");
    for (kind, content) in [(b"IHDR", &[0, 0, 0, 21, 0, 0, 0, 13, 8, 0, 0, 0, 0][..]), (b"IDAT", mask), (b"IEND", &[])]
    {
        png.extend((content.len() as u32).to_be_bytes());
        png.extend(kind);
        png.extend(content);
        png.extend([0; 4]);
    }
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.ignore_checksums(true);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut found = vec![0; 21 * 13];
    reader.next_frame(&mut found).expect("a PNG");
    let expected: Vec<u8> = picture(Layout::Rgba).pixels.chunks_exact(4).map(|pixel| pixel[3]).collect();
    assert_eq!(found, expected);
}
