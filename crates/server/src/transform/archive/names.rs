//! What entries are called.

use std::collections::HashSet;

/// A name for each file, in their order: harmless wherever the archive is unpacked (threat J2), and no two equal, also where case
/// does not count. Equal ones get a number: `a.jpg`, `a(1).jpg`.
pub(super) fn distinct(filenames: impl Iterator<Item = String>) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut name_of = |filename: String| {
        let name = harmless(&filename);
        let numbered = (1..).map(|number| with_number(&name, number));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| taken.insert(name.to_lowercase()));
        free.unwrap_or(name)
    };
    filenames.map(&mut name_of).collect()
}

/// One component of a path that leads nowhere else.
fn harmless(filename: &str) -> String {
    let is_special = |letter: char| letter.is_control() || "/\\:*?\"<>|".contains(letter);
    let name: String = filename.chars().map(|letter| if is_special(letter) { '_' } else { letter }).collect();
    match name.trim_end_matches(['.', ' ']) {
        "" => "file".to_owned(),
        name => name.to_owned(),
    }
}

fn with_number(name: &str, number: u32) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}({number}).{extension}"),
        _ => format!("{name}({number})"),
    }
}

#[cfg(test)]
mod tests {
    use super::distinct;

    fn named(filenames: &[&str]) -> Vec<String> {
        distinct(filenames.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn equal_names_are_numbered() {
        assert_eq!(named(&["a.jpg", "a.jpg", "b", "A.JPG", "b"]), ["a.jpg", "a(1).jpg", "b", "A(2).JPG", "b(1)"]);
        assert_eq!(named(&["a(1).jpg", "a.jpg", "a.jpg"]), ["a(1).jpg", "a.jpg", "a(2).jpg"]);
        assert_eq!(named(&[".env", ".env"]), [".env", ".env(1)"]);
    }

    #[test]
    fn no_name_leads_anywhere() {
        assert_eq!(
            named(&["../../etc/passwd", "..", "", "C:\\a", "a\0\n.txt"]),
            [".._.._etc_passwd", "file", "file(1)", "C__a", "a__.txt"]
        );
    }
}
