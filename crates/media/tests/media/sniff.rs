//! Media types by content.

use crate::samples::{bmp, gif, heic, iso_box, jpeg, png, riff, tiff_image, webp, zip};
use proptest::prelude::*;
use stowage_media::{SNIFF_BYTES, sniff};

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";

#[track_caller]
fn assert_type(bytes: &[u8], expected: &str) {
    let found = sniff(bytes);
    assert_eq!(found.as_ref().map(|found| found.as_str()), Some(expected));
}

fn assert_unknown(bytes: &[u8]) {
    assert_eq!(sniff(bytes), None, "{:?}", String::from_utf8_lossy(bytes));
}

fn mp4(brand: &[u8; 4], handler: &[u8; 4]) -> Vec<u8> {
    let hdlr = iso_box(b"hdlr", &[&[0; 8], handler, &[0; 12]]);
    let mdia = iso_box(b"mdia", &[&hdlr]);
    let moov = iso_box(b"moov", &[&iso_box(b"trak", &[&mdia])]);
    [iso_box(b"ftyp", &[brand, &[0; 4], brand]), moov].concat()
}

fn matroska(doc_type: &[u8], codec: &[u8]) -> Vec<u8> {
    let element = |id: &[u8], content: &[u8]| {
        let size = 0x80 | u8::try_from(content.len()).expect("small");
        [id, &[size], content].concat()
    };
    let header = element(b"\x1a\x45\xdf\xa3", &element(b"\x42\x82", doc_type));
    let track = element(b"\xae", &element(b"\x86", codec));
    let segment = element(b"\x18\x53\x80\x67", &element(b"\x16\x54\xae\x6b", &track));
    [header, segment].concat()
}

#[test]
fn images() {
    assert_type(&png(1, 1, None), "image/png");
    assert_type(&jpeg(1, 1, None), "image/jpeg");
    assert_type(&gif(1, 1), "image/gif");
    assert_type(&bmp(1, 1), "image/bmp");
    assert_type(&webp(1, 1, None), "image/webp");
    assert_type(&tiff_image(true, 1, 1), "image/tiff");
    assert_type(&tiff_image(false, 1, 1), "image/tiff");
    assert_type(&heic(1, 1, b""), "image/heic");
    assert_type(&mp4(b"avif", b"pict"), "image/avif");
    assert_type(b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0", "image/x-icon");
    assert_type(b"P6 16 16 255\n\0\0\0", "image/x-portable-pixmap");
}

#[test]
fn sound_and_video() {
    assert_type(b"ID3\x03\0\0\0\0\0\x0aTIT2", "audio/mpeg");
    assert_type(b"\xff\xfb\x90\x64\0\0\0\0", "audio/mpeg");
    assert_type(b"fLaC\0\0\0\x22", "audio/flac");
    assert_type(&riff(b"WAVEfmt \x10\0\0\0"), "audio/wav");
    assert_type(b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead", "audio/ogg");
    assert_type(&mp4(b"M4A ", b"soun"), "audio/mp4");
    assert_type(&mp4(b"isom", b"soun"), "audio/mp4");
    assert_type(&mp4(b"isom", b"vide"), "video/mp4");
    assert_type(&mp4(b"qt  ", b"vide"), "video/quicktime");
    assert_type(&matroska(b"matroska", b"V_VP9"), "video/x-matroska");
    assert_type(&matroska(b"matroska", b"A_OPUS"), "audio/x-matroska");
    assert_type(&matroska(b"webm", b"V_VP9"), "video/webm");
}

/// The head ends before the tracks are described.
#[test]
fn containers_that_are_cut_off() {
    let ftyp = iso_box(b"ftyp", &[b"isom\0\0\0\0isom"]);
    assert_type(&[ftyp.as_slice(), b"\x7f\xff\xff\xffmdat"].concat(), "video/mp4");
    assert_type(&[ftyp.as_slice(), b"\0\0"].concat(), "video/mp4");
    assert_type(&iso_box(b"ftyp", &[b"new!\0\0\0\0new!"]), "video/mp4");
    assert_type(&matroska(b"matroska", b"V_VP9")[..13], "video/x-matroska");
    assert_type(&matroska(b"webm", b"V_VP9")[..12], "video/webm");
}

#[test]
fn documents_and_archives() {
    assert_type(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "application/pdf");
    assert_type(b"{\\rtf1\\ansi hello}", "application/rtf");
    assert_type(b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "application/gzip");
    assert_type(b"7z\xbc\xaf\x27\x1c\0\x04", "application/x-7z-compressed");
}

#[test]
fn office_packages() {
    let types = ("[Content_Types].xml", b"<Types/>".as_slice());
    let relations = ("_rels/.rels", b"<Relationships/>".as_slice());
    for (part, media_type) in [("word/document.xml", DOCX), ("xl/workbook.xml", XLSX), ("ppt/presentation.xml", PPTX)] {
        assert_type(&zip(&[types, relations, (part, b"<x/>")]), media_type);
        // LibreOffice writes the list of types last, beyond the head of a long document.
        let long = zip(&[relations, (part, &[b'a'; 2 * SNIFF_BYTES]), types]);
        assert_type(&long, media_type);
        assert_type(&long[..SNIFF_BYTES], media_type);
    }
}

#[test]
fn archives_are_no_packages_by_the_name_of_a_folder() {
    for part in ["xl/readme.txt", "word/list.txt", "ppt/a"] {
        assert_type(&zip(&[(part, b"hello")]), "application/zip");
    }
    assert_type(&zip(&[]), "application/zip");
    let types = ("[Content_Types].xml", b"<Types/>".as_slice());
    assert_type(&zip(&[types, ("other/word/x", b"")]), "application/zip");
}

#[test]
fn declared_packages() {
    let odt = "application/vnd.oasis.opendocument.text";
    assert_type(&zip(&[("mimetype", odt.as_bytes()), ("content.xml", b"")]), odt);
    assert_type(&zip(&[("mimetype", b"application/epub+zip")]), "application/epub+zip");
    // The uploader does not choose freely, and not from the second place.
    assert_type(&zip(&[("mimetype", b"text/html")]), "application/zip");
    assert_type(&zip(&[("a", b""), ("mimetype", odt.as_bytes())]), "application/zip");
    assert_type(&zip(&[("META-INF/MANIFEST.MF", b"")]), "application/java-archive");
}

/// Threats F1 and F3: what a browser would run is called by its name, whatever the file is called.
#[test]
fn html_in_every_dress() {
    for page in [
        "<!doctype html>",
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\">",
        "<html>",
        "<HTML lang=en>",
        "<head><title>x",
        "<script>alert(1)</script>",
        "<ScRiPt src=//evil>",
        "<body onload=alert(1)>",
        "<iframe/src=x>",
        "<a href=x>",
        "<p>text",
        " \t\r\n\u{c}<html>",
        "<!-- comment --><html>",
        "<!-- comment -->\n<!-- another -->text",
        "<!-- never closed <html>",
        "<?php echo 1 ?><html>",
        "<!---->\n<!doctype html>",
    ] {
        assert_type(page.as_bytes(), "text/html");
        assert_type(&[b"\xef\xbb\xbf", page.as_bytes()].concat(), "text/html");
        let little: Vec<u8> = page.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_type(&[b"\xff\xfe", little.as_slice()].concat(), "text/html");
        let big: Vec<u8> = page.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_type(&[b"\xfe\xff", big.as_slice()].concat(), "text/html");
    }
}

#[test]
fn svg_and_other_markup() {
    for image in [
        "<svg xmlns='http://www.w3.org/2000/svg'/>",
        "<SVG>",
        "\n<svg\n>",
        "<?xml version='1.0'?><svg/>",
        "<?xml version='1.0'?>\n<!-- made by hand -->\n<svg:svg xmlns:svg='x'/>",
        "<?xml version='1.0'?><!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x'><svg/>",
        "<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY x 'y'>]><svg/>",
        "<!-- comment --><svg>",
        "<!DOCTYPE svg><svg>",
        "<?xml version='1.0'?><?xml-stylesheet href='x'?><svg/>",
    ] {
        assert_type(image.as_bytes(), "image/svg+xml");
    }
    assert_type(b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>", "application/xhtml+xml");
    assert_type(b"<?xml version='1.0'?><xsl:stylesheet version='1.0'/>", "application/xslt+xml");
    assert_type(b"<?xml version='1.0'?><note/>", "text/xml");
}

#[test]
fn text_and_the_unknown_are_nobodys() {
    for text in [
        "",
        "hello world",
        "name,age\nAnn,7\n",
        "{\"a\":1}",
        "BM is short for bitmap",
        "BZh is how it begins",
        "MZ is the initials of somebody",
        "P1 is the first of the tasks",
        "CWS and FWS",
        "a < b and <script> later",
        "<scripture>",
        "< html>",
        "PK is not always an archive",
        "grüße\r\n\tüberall",
    ] {
        assert_unknown(text.as_bytes());
    }
    assert_unknown(&[0; 1000]);
    assert_unknown(&[0x80, 0x81, 0x82, 0x83]);
}

#[test]
fn only_the_head_counts() {
    let mut bytes = vec![b' '; SNIFF_BYTES];
    bytes.extend(b"<html>");
    assert_unknown(&bytes);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = sniff(&bytes);
    }

    #[test]
    fn any_markup_is_survived(text in "(<(!--|!doctype|\\?xml|svg|html|script|/)? ?|-->|\\?>|[>\\[\\] a:é]){0,30}") {
        let _ = sniff(text.as_bytes());
    }

    #[test]
    fn broken_files_are_survived(
        sample in 0_usize..7,
        at in any::<proptest::sample::Index>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..16),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut file = vec![
            mp4(b"isom", b"vide"),
            matroska(b"matroska", b"V_VP9"),
            zip(&[("mimetype", b"application/epub+zip"), ("xl/a", b"b"), ("_rels/.rels", b"")]),
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".iter().copied().chain([0; 1200]).collect(),
            b"%PDF-1.7 AIPrivateData".to_vec(),
            heic(4, 4, b"II"),
            tiff_image(true, 4, 4),
        ].swap_remove(sample);
        let start = 4 + at.index(file.len() - 4);
        let end = (start + bytes.len()).min(file.len());
        file.splice(start..end, bytes);
        let _ = sniff(&file);
        let _ = sniff(&file[..cut.index(file.len())]);
    }
}
