//! Small real files, made by hand.

/// A TIFF structure: directories with their tags, laid out one after another.
pub(crate) struct Tiff {
    big_endian: bool,
    directories: Vec<Vec<Tag>>,
}

/// Number, type, count and value of a tag.
pub(crate) struct Tag {
    number: u16,
    kind: u16,
    count: u32,
    value: Value,
}

enum Value {
    Bytes(Vec<u8>),
    /// Offset of the directory with this index.
    Directory(usize),
}

impl Tiff {
    pub(crate) fn new(big_endian: bool) -> Self {
        Self { big_endian, directories: Vec::new() }
    }

    pub(crate) fn u16(&self, number: u16) -> [u8; 2] {
        if self.big_endian { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    pub(crate) fn u32(&self, number: u32) -> [u8; 4] {
        if self.big_endian { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    pub(crate) fn directory(mut self, tags: Vec<Tag>) -> Self {
        self.directories.push(tags);
        self
    }

    pub(crate) fn ascii(number: u16, text: &str) -> Tag {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        Self::raw(number, 2, bytes.len(), bytes)
    }

    pub(crate) fn short(&self, number: u16, value: u16) -> Tag {
        Self::raw(number, 3, 1, self.u16(value).to_vec())
    }

    pub(crate) fn long(&self, number: u16, value: u32) -> Tag {
        Self::raw(number, 4, 1, self.u32(value).to_vec())
    }

    pub(crate) fn rationals(&self, number: u16, values: &[(u32, u32)]) -> Tag {
        let parts = values.iter().flat_map(|(top, bottom)| [self.u32(*top), self.u32(*bottom)]);
        Self::raw(number, 5, values.len(), parts.flatten().collect())
    }

    pub(crate) fn pointer(number: u16, directory: usize) -> Tag {
        Tag { number, kind: 4, count: 1, value: Value::Directory(directory) }
    }

    pub(crate) fn raw(number: u16, kind: u16, count: usize, bytes: Vec<u8>) -> Tag {
        Tag { number, kind, count: u32::try_from(count).expect("a small count"), value: Value::Bytes(bytes) }
    }

    /// The bytes; the second directory follows the first if `chained` says so.
    pub(crate) fn build(&self, chained: Option<usize>) -> Vec<u8> {
        let mut offsets = Vec::new();
        let mut end = 8;
        for tags in &self.directories {
            offsets.push(end);
            end += 6 + 12 * tags.len();
        }
        let mut head = if self.big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        head.extend(self.u16(42));
        head.extend(self.u32(8));
        let mut values: Vec<u8> = Vec::new();
        for (index, tags) in self.directories.iter().enumerate() {
            head.extend(self.u16(u16::try_from(tags.len()).expect("few tags")));
            for tag in tags {
                head.extend(self.u16(tag.number));
                head.extend(self.u16(tag.kind));
                head.extend(self.u32(tag.count));
                match &tag.value {
                    Value::Directory(directory) => head.extend(self.offset(offsets[*directory])),
                    Value::Bytes(bytes) if bytes.len() <= 4 => {
                        let mut field = [0; 4];
                        field[..bytes.len()].copy_from_slice(bytes);
                        head.extend(field);
                    }
                    Value::Bytes(bytes) => {
                        head.extend(self.offset(end + values.len()));
                        values.extend_from_slice(bytes);
                    }
                }
            }
            let next = chained.filter(|_| index == 0);
            head.extend(self.offset(next.map_or(0, |next| offsets[next])));
        }
        head.extend(values);
        head
    }

    fn offset(&self, offset: usize) -> [u8; 4] {
        self.u32(u32::try_from(offset).expect("a small file"))
    }
}

/// What a camera writes: all five groups.
pub(crate) fn camera_tiff(big_endian: bool) -> Vec<u8> {
    let tiff = Tiff::new(big_endian);
    let image = vec![
        Tiff::ascii(0x010f, "Canon"),
        tiff.short(0x0112, 6),
        tiff.rationals(0x011a, &[(72, 1)]),
        Tiff::pointer(0x8769, 1),
        Tiff::pointer(0x8825, 2),
    ];
    let exif = vec![
        tiff.rationals(0x829a, &[(1, 8)]),
        Tiff::raw(0x9000, 7, 4, b"0232".to_vec()),
        Tiff::ascii(0x9003, "2026:11:23 13:31:43"),
        tiff.rationals(0x9206, &[(u32::MAX, 0)]),
        Tiff::raw(0x927c, 7, 5000, vec![0xab; 5000]),
        Tiff::raw(0x9286, 7, 13, b"ASCII\0\0\0hello".to_vec()),
        Tiff::pointer(0xa005, 3),
    ];
    let gps = vec![Tiff::ascii(0x0001, "N"), tiff.rationals(0x0002, &[(48, 1), (51, 1), (295, 10)])];
    let interop = vec![Tiff::ascii(0x0001, "R98")];
    let thumbnail = vec![tiff.long(0x0201, 1000), tiff.long(0x0202, 500)];
    tiff.directory(image).directory(exif).directory(gps).directory(interop).directory(thumbnail).build(Some(4))
}

pub(crate) fn png(width: u32, height: u32, exif: Option<&[u8]>) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], content: &[u8]| {
        file.extend(u32::try_from(content.len()).expect("small").to_be_bytes());
        file.extend(kind);
        file.extend(content);
        file.extend([0; 4]);
    };
    chunk(b"IHDR", &header);
    if let Some(exif) = exif {
        chunk(b"eXIf", exif);
    }
    chunk(b"IDAT", &[]);
    chunk(b"IEND", &[]);
    file
}

pub(crate) fn jpeg(width: u16, height: u16, exif: Option<&[u8]>) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8];
    let mut segment = |marker: u8, parts: &[&[u8]]| {
        let content = parts.concat();
        file.extend([0xff, marker]);
        let length = u16::try_from(content.len() + 2).expect("a small segment");
        file.extend(length.to_be_bytes());
        file.extend(content);
    };
    segment(0xe0, &[b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0"]);
    if let Some(exif) = exif {
        segment(0xe1, &[b"Exif\0\0", exif]);
    }
    let size = [height.to_be_bytes(), width.to_be_bytes()].concat();
    segment(0xc0, &[&[8], &size, &[1, 1, 0x11, 0]]);
    segment(0xda, &[&[1, 1, 0, 0, 63, 0]]);
    file.extend([0xff, 0xd9]);
    file
}

pub(crate) fn gif(width: u16, height: u16) -> Vec<u8> {
    let size = [width.to_le_bytes(), height.to_le_bytes()].concat();
    [b"GIF89a", size.as_slice(), &[0, 0, 0, 0x3b]].concat()
}

pub(crate) fn bmp(width: i32, height: i32) -> Vec<u8> {
    let mut file = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file.extend([1, 0, 24, 0]);
    file.extend([0; 40]);
    file
}

pub(crate) fn webp(width: u32, height: u32, exif: Option<&[u8]>) -> Vec<u8> {
    let [w, h] = [width - 1, height - 1].map(u32::to_le_bytes);
    let extended = [&[8, 0, 0, 0], &w[..3], &h[..3]].concat();
    let mut chunks = b"WEBP".to_vec();
    let mut chunk = |kind: &[u8; 4], content: &[u8]| {
        chunks.extend(kind);
        chunks.extend(u32::try_from(content.len()).expect("small").to_le_bytes());
        chunks.extend(content);
        chunks.extend(vec![0; content.len() % 2]);
    };
    chunk(b"VP8X", &extended);
    chunk(b"ICCP", b"odd");
    if let Some(exif) = exif {
        chunk(b"EXIF", exif);
    }
    riff(&chunks)
}

pub(crate) fn riff(chunks: &[u8]) -> Vec<u8> {
    let length = u32::try_from(chunks.len()).expect("small").to_le_bytes();
    [b"RIFF", length.as_slice(), chunks].concat()
}

pub(crate) fn tiff_image(big_endian: bool, width: u32, height: u32) -> Vec<u8> {
    let tiff = Tiff::new(big_endian);
    let tags = vec![tiff.long(0x100, width), tiff.long(0x101, height)];
    tiff.directory(tags).build(None)
}

/// A box of the ISO base media format.
pub(crate) fn iso_box(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u32::try_from(content.len() + 8).expect("a small box");
    [length.to_be_bytes().as_slice(), kind, &content].concat()
}

/// HEIC with the size in its properties and the EXIF item in `mdat`.
pub(crate) fn heic(width: u32, height: u32, exif: &[u8]) -> Vec<u8> {
    let ftyp = iso_box(b"ftyp", &[b"heic\0\0\0\0mif1heic"]);
    let item = [b"\0\0\0\x06Exif\0\0".as_slice(), exif].concat();
    let size = [[0; 4], width.to_be_bytes(), height.to_be_bytes()].concat();
    let ispe = iso_box(b"ispe", &[&size]);
    let build = |offset: u32| {
        let picture = iso_box(b"infe", &[b"\x02\0\0\0\0\x01\0\0hvc1\0"]);
        let metadata = iso_box(b"infe", &[b"\x02\0\0\0\0\x02\0\0Exif\0"]);
        let iinf = iso_box(b"iinf", &[b"\0\0\0\0\0\x02", &picture, &metadata]);
        let length = u32::try_from(item.len()).expect("small").to_be_bytes();
        let iloc = iso_box(
            b"iloc",
            &[
                b"\0\0\0\0\x44\0\0\x02",
                b"\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0",
                b"\0\x02\0\0\0\x01",
                &offset.to_be_bytes(),
                &length,
            ],
        );
        let iprp = iso_box(b"iprp", &[&iso_box(b"ipco", &[&ispe])]);
        [ftyp.clone(), iso_box(b"meta", &[&[0; 4], &iinf, &iloc, &iprp])].concat()
    };
    let data_offset = u32::try_from(build(0).len() + 8).expect("small");
    [build(data_offset), iso_box(b"mdat", &[&item])].concat()
}

/// A ZIP archive of stored entries; only what readers of the beginning look at is filled in.
pub(crate) fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = Vec::new();
    for (name, content) in entries {
        let length = u32::try_from(content.len()).expect("small").to_le_bytes();
        file.extend(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0");
        file.extend(length);
        file.extend(length);
        file.extend(u16::try_from(name.len()).expect("short").to_le_bytes());
        file.extend([0, 0]);
        file.extend(name.as_bytes());
        file.extend(*content);
    }
    file.extend(b"PK\x05\x06");
    file.extend([0; 18]);
    file
}
