//! What a ZIP archive is by the entries in its beginning; the directory at its end may be far away.

/// Signature of a local file header (APPNOTE section 4.3.7).
const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
/// Bytes of a local file header before the name.
const FIXED_BYTES: usize = 30;

/// Types that a `mimetype` entry may declare: packages by OASIS and their like. Anything else would let the uploader choose.
const DECLARED: &[&str] = &[
    "application/epub+zip",
    "application/vnd.adobe.indesign-idml-package",
    "application/vnd.oasis.opendocument.",
    "application/vnd.sun.xml.",
    "image/openraster",
];

/// Folders of Office Open XML packages.
const OFFICE: &[(&str, &str)] = &[
    ("word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("visio/", "application/vnd.ms-visio.drawing"),
];

/// The media type of an archive, `None` if the bytes are no ZIP.
pub(crate) fn sniff(head: &[u8]) -> Option<&str> {
    let empty = head.starts_with(b"PK\x05\x06");
    if !head.starts_with(LOCAL_HEADER) && !empty {
        return None;
    }
    let entries: Vec<Entry<'_>> = entries(head).collect();
    let has = |name: &str| entries.iter().any(|entry| entry.name == name.as_bytes());
    let declared = entries.first().and_then(Entry::declared_type);
    // A package is more than a folder of that name: an archive of `xl/` alone is just an archive.
    let is_package = has("[Content_Types].xml") || has("_rels/.rels");
    let office = OFFICE
        .iter()
        .filter(|_| is_package)
        .find(|(folder, _)| entries.iter().any(|entry| entry.name.starts_with(folder.as_bytes())))
        .map(|(_, media_type)| *media_type);
    let java = || {
        if has("AndroidManifest.xml") {
            Some("application/vnd.android.package-archive")
        } else {
            has("META-INF/MANIFEST.MF").then_some("application/java-archive")
        }
    };
    declared.or(office).or_else(java).or(Some("application/zip"))
}

struct Entry<'a> {
    name: &'a [u8],
    stored: bool,
    data: &'a [u8],
}

impl<'a> Entry<'a> {
    fn read(header: &'a [u8]) -> Option<Self> {
        let field = |at: usize| Some(u16::from_le_bytes(*header.get(at..)?.first_chunk()?));
        let name_end = FIXED_BYTES + usize::from(field(26)?);
        let data_start = name_end + usize::from(field(28)?);
        Some(Self { name: header.get(FIXED_BYTES..name_end)?, stored: field(8)? == 0, data: header.get(data_start..)? })
    }

    /// What the entry says about the archive if it is the `mimetype` of an OASIS package: first and stored plainly.
    fn declared_type(&self) -> Option<&'a str> {
        if self.name != b"mimetype" || !self.stored {
            return None;
        }
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-./".contains(byte);
        let end = self.data.iter().position(|byte| !is_part(byte)).unwrap_or(self.data.len());
        // The next header follows without a gap.
        let text = self.data.get(..end)?;
        let text = text.strip_suffix(b"PK").unwrap_or(text);
        let text = std::str::from_utf8(text).ok()?;
        DECLARED.iter().any(|known| text.starts_with(known)).then_some(text)
    }
}

/// Sizes in headers may be absent or lies, so headers are found by their signature.
fn entries(head: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    head.windows(LOCAL_HEADER.len())
        .enumerate()
        .filter(|(_, window)| *window == LOCAL_HEADER)
        .filter_map(|(at, _)| Entry::read(head.get(at..)?))
}
