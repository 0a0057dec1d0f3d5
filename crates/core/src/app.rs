//! What an operator decides per application.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::{
    delivery,
    location::{ContainerName, Location},
    media_type::{MediaType, MediaTypePattern},
    tasks::Chain,
};

/// How much effort an app wants for its pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageProfile {
    /// Scaled decoding with twice the pixels to spare.
    #[default]
    Standard,
    /// Four times the pixels to spare, scaling in linear light.
    Quality,
    /// No pixels to spare, faster encoders.
    Fast,
}

impl FromStr for ImageProfile {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "standard" => Ok(Self::Standard),
            "quality" => Ok(Self::Quality),
            "fast" => Ok(Self::Fast),
            _ => Err("it is one of standard, quality and fast"),
        }
    }
}

impl fmt::Display for ImageProfile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Standard => "standard",
            Self::Quality => "quality",
            Self::Fast => "fast",
        })
    }
}

/// Tasks under a name, which URLs use as `preset=name:NAME`. Always a valid chain of tasks that presets may hold.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Preset(String);

/// What a preset must not do: these are for whoever writes the URL, and for whoever signs it.
const NOT_IN_PRESETS: &[&str] = &["store", "metadata", "preset", "run_workflow", "workflow_status"];

impl Preset {
    /// Reads tasks as they stand in a path, such as `resize=width:64/output=format:webp`.
    ///
    /// # Errors
    /// What is wrong with them, for people.
    pub fn parse(tasks: &str) -> Result<Self, String> {
        let preset = Self(tasks.trim_matches('/').to_owned());
        let path = delivery::parse(&preset.path(), None).map_err(|error| error.to_string())?;
        let alone =
            path.source == delivery::Source::None && path.key.is_none() && path.security.is_none() && !path.debug;
        if !alone || path.tasks.is_empty() {
            return Err("a preset is tasks and nothing else, such as resize=width:64/output=format:webp".to_owned());
        }
        if let Some(task) = path.tasks.iter().find(|task| NOT_IN_PRESETS.contains(&task.name.as_str())) {
            return Err(format!("`{}` cannot be part of a preset", task.name));
        }
        Chain::read(&path.tasks).map_err(|error| error.to_string())?;
        Ok(preset)
    }

    /// Its tasks, in order.
    pub fn tasks(&self) -> Vec<delivery::Task> {
        // It was read once already.
        delivery::parse(&self.path(), None).map(|path| path.tasks).unwrap_or_default()
    }

    /// As a path without a source.
    fn path(&self) -> String {
        format!("/{}/", self.0)
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

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
    /// Effort for pictures.
    pub image_profile: ImageProfile,
    /// Pictures are worked on for signed requests and by presets only.
    pub strict_images: bool,
    /// By name.
    pub presets: BTreeMap<String, Preset>,
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
            image_profile: ImageProfile::Standard,
            strict_images: false,
            presets: BTreeMap::new(),
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
    fn presets_are_tasks_and_nothing_else() {
        let preset = Preset::parse("/resize=w:64,h:64,fit:crop/output=f:webp/").expect("two tasks");
        let names: Vec<_> = preset.tasks().into_iter().map(|task| task.name).collect();
        assert_eq!(names, ["resize", "output"]);
        assert_eq!(preset.to_string(), "resize=w:64,h:64,fit:crop/output=f:webp");
        for wrong in [
            "",
            "resize=wide:64",
            "resize=width:64/7xSJALUhSlCDCNujt5Ku",
            "APIKEY/resize=width:64",
            "store=path:x",
            "preset=name:other",
            "security=p:a,s:b/resize=width:1",
            "debug/resize=width:1",
            "https://example.com/a.png",
        ] {
            assert!(Preset::parse(wrong).is_err(), "{wrong:?} was accepted");
        }
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
