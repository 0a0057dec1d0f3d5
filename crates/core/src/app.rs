//! What an operator decides per application.

use crate::{
    location::{ContainerName, Location},
    media_type::{MediaType, MediaTypePattern},
};

/// Settings of one application; stored as JSON, unknown fields refused when read from a command line.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct AppSettings {
    /// Every call of spec 04 §5 needs a policy when set.
    pub security: bool,
    /// Where a request that names no location stores.
    pub default_location: Location,
    /// Locations that requests may name; empty: every configured one.
    pub allowed_locations: Vec<Location>,
    /// Container used when a request names none; `None`: the store's own default.
    pub default_container: Option<ContainerName>,
    /// Largest file in bytes; `None`: the server's limit.
    pub max_file_size: Option<u64>,
    /// Accepted media types such as `image/*`; empty: all.
    pub allowed_mime_types: Vec<MediaTypePattern>,
    /// Browser origins that may use this app, exact `scheme://host[:port]`; empty: any.
    pub cors_origins: Vec<String>,
    /// Clients may put parts of uploads straight to a provider that allows it. Such bytes are not looked at on their way.
    pub direct_uploads: bool,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self {
            security: false,
            default_location: Location::S3,
            allowed_locations: Vec::new(),
            default_container: None,
            max_file_size: None,
            allowed_mime_types: Vec::new(),
            cors_origins: Vec::new(),
            direct_uploads: false,
        }
    }
}

impl AppSettings {
    /// Whether files of this type may be stored.
    pub fn accepts_type(&self, media_type: &MediaType) -> bool {
        self.allowed_mime_types.is_empty() || self.allowed_mime_types.iter().any(|pattern| pattern.matches(media_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_json_and_fill_gaps_with_defaults() {
        let settings = AppSettings {
            security: true,
            allowed_locations: vec![Location::S3, Location::Local],
            default_container: Some(ContainerName::parse("bucket").expect("a name")),
            max_file_size: Some(1024),
            allowed_mime_types: vec![MediaTypePattern::parse("image/*").expect("a pattern")],
            ..AppSettings::default()
        };
        let json = serde_json::to_string(&settings).expect("serialises");
        assert_eq!(serde_json::from_str::<AppSettings>(&json).expect("reads back"), settings);
        assert_eq!(serde_json::from_str::<AppSettings>("{}").expect("empty object"), AppSettings::default());
    }

    #[test]
    fn type_list_restricts_only_when_given() {
        let png = MediaType::parse("image/png").expect("a type");
        let html = MediaType::parse("text/html").expect("a type");
        let mut settings = AppSettings::default();
        assert!(settings.accepts_type(&html));
        settings.allowed_mime_types = vec![MediaTypePattern::parse("image/*").expect("a pattern")];
        assert!(settings.accepts_type(&png));
        assert!(!settings.accepts_type(&html));
    }
}
