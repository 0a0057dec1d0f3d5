//! The storage location after the slash of `/api/store/{location}` (spec 01 §1) and the other small store words.

use crate::text::{impl_text, impl_text_deserialize};
use std::str::FromStr;

/// A storage location that a request can name. Compared without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// `S3`, the default.
    S3,
    /// `azure`
    Azure,
    /// `gcs`
    Gcs,
    /// `dropbox`
    Dropbox,
    /// `rackspace`
    Rackspace,
    /// `local`: the server's own disk, named as such.
    Local,
}

impl Location {
    /// Every location, in documentation order.
    pub const ALL: [Location; 6] = [Self::S3, Self::Azure, Self::Gcs, Self::Dropbox, Self::Rackspace, Self::Local];
    /// Reads a location without regard to case; `None` if unknown.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|location| location.as_str().eq_ignore_ascii_case(text))
    }
    /// The spelling of the documentation: `S3`, `azure`, `gcs`, `dropbox`, `rackspace`, `local`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "S3",
            Self::Azure => "azure",
            Self::Gcs => "gcs",
            Self::Dropbox => "dropbox",
            Self::Rackspace => "rackspace",
            Self::Local => "local",
        }
    }
}

impl_text!(Location);
impl_text_deserialize!(Location, Location::from_str);

impl FromStr for Location {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("Invalid storage location: use one of {known}")
        })
    }
}

/// `access` of a stored object; `private` is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Only through Stowage.
    #[default]
    Private,
    /// Readable by anyone at the provider (S3 ACL `public-read`).
    Public,
}

impl Access {
    /// `private` or `public`, any case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Private, Self::Public].into_iter().find(|access| access.as_str().eq_ignore_ascii_case(text))
    }
    /// Lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
        }
    }
}

/// A bucket or container name: 1..=255 bytes, no `/`, `\`, control characters, not `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerName(String);

impl ContainerName {
    /// Reads a name from user text; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !(1..=255).contains(&text.len()) {
            return Err("a container name has 1 to 255 bytes");
        }
        if text.contains(['/', '\\']) {
            return Err("a container name holds no slash or backslash");
        }
        if text.contains(char::is_control) {
            return Err("a container name holds no control characters");
        }
        if matches!(text, "." | "..") {
            return Err("a container cannot be named `.` or `..`");
        }
        Ok(Self(text.to_owned()))
    }
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl_text!(ContainerName);
impl_text_deserialize!(ContainerName, ContainerName::parse);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_read_without_regard_to_case() {
        for location in Location::ALL {
            for spelling in [location.as_str().to_lowercase(), location.as_str().to_uppercase()] {
                assert_eq!(Location::parse(&spelling), Some(location));
            }
        }
        assert_eq!(Location::parse("ftp"), None);
        assert_eq!(Location::parse(""), None);
        let message = Location::from_str("ftp").expect_err("unknown");
        assert!(message.starts_with("Invalid storage location"), "{message}");
        assert!(message.contains("rackspace"), "{message}");
    }

    #[test]
    fn locations_travel_through_json_as_text() {
        assert_eq!(serde_json::to_string(&Location::S3).expect("serialises"), "\"S3\"");
        assert_eq!(serde_json::from_str::<Location>("\"s3\"").expect("any case"), Location::S3);
        assert!(serde_json::from_str::<Location>("\"moon\"").is_err());
    }

    #[test]
    fn access_is_private_unless_said_otherwise() {
        assert_eq!(Access::default(), Access::Private);
        assert_eq!(Access::parse("PUBLIC"), Some(Access::Public));
        assert_eq!(Access::parse("world"), None);
    }

    #[test]
    fn container_names_cannot_leave_their_place() {
        assert_eq!(ContainerName::parse("my-bucket").expect("good").as_str(), "my-bucket");
        for bad in ["", ".", "..", "a/b", "a\\b", "a\nb", "a\u{7f}", &"a".repeat(256)] {
            assert!(ContainerName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
