//! Puts the sources together: flag > environment > file > default.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    Config, ConfigError, DevelopmentHost, Origin,
    error::{nearest, not_toml},
    settings::{self, SETTINGS, Setting},
};

const PREFIX: &str = "STOWAGE_";
const FILE_VARIABLE: &str = "STOWAGE_CONFIG";
const DEFAULT_FILE: &str = "/etc/stowage/stowage.toml";
/// Variables of the command line client and of the loader itself, which are no settings.
const OTHER_VARIABLES: [&str; 4] = [FILE_VARIABLE, "STOWAGE_SERVER", "STOWAGE_KEY", "STOWAGE_SECRET"];

/// Settings given on the command line.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--data`.
    pub data: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--dev-tls`.
    pub development: Option<DevelopmentHost>,
}

/// A configuration and where each of its values comes from.
#[derive(Debug)]
pub struct Loaded {
    /// The effective configuration.
    pub config: Config,
    origins: BTreeMap<&'static str, Origin>,
}

impl Config {
    /// Reads the configuration: `flags` win over `STOWAGE_…` variables, these over the TOML file, this over the defaults. The file is
    /// `file`, else the one that `STOWAGE_CONFIG` names (empty: none), else `/etc/stowage/stowage.toml` if it exists.
    pub fn load(file: Option<&Path>, flags: Overrides) -> Result<Self, ConfigError> {
        Loaded::load(file, flags).map(|loaded| loaded.config)
    }
}

impl Loaded {
    /// Like [`Config::load`], keeping the origin of each value.
    pub fn load(file: Option<&Path>, flags: Overrides) -> Result<Self, ConfigError> {
        Self::from_sources(file, std::env::vars_os().collect(), flags)
    }

    /// Origin of a setting's value.
    pub(super) fn origin(&self, setting: &Setting) -> &Origin {
        self.origins.get(setting.name).unwrap_or(&Origin::Default)
    }

    pub(super) fn from_sources(
        file: Option<&Path>,
        environment: Vec<(OsString, OsString)>,
        flags: Overrides,
    ) -> Result<Self, ConfigError> {
        let variables = own_variables(environment)?;
        let mut loaded = Self { config: Config::defaults(default_data_directory()), origins: BTreeMap::new() };
        if let Some(path) = choose_file(file, &variables) {
            loaded.read_file(&path)?;
        }
        loaded.read_variables(&variables)?;
        loaded.read_flags(flags);
        loaded.check_tls()?;
        Ok(loaded)
    }

    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let table: toml::Table = text.parse().map_err(|error| not_toml(path, &text, &error))?;
        for (name, value) in leaves(table) {
            let setting = settings::find(&name).ok_or_else(|| ConfigError::Unknown {
                kind: "setting",
                nearest: nearest(&name, SETTINGS.iter().map(|setting| setting.name.to_owned())),
                name,
                file: Some(path.to_owned()),
            })?;
            self.set(setting, plain_text(&value), Origin::File(path.to_owned()))?;
        }
        Ok(())
    }

    fn read_variables(&mut self, variables: &BTreeMap<String, String>) -> Result<(), ConfigError> {
        for (name, value) in variables {
            if OTHER_VARIABLES.contains(&name.as_str()) {
                continue;
            }
            let setting =
                SETTINGS.iter().find(|setting| setting.variable() == *name).ok_or_else(|| ConfigError::Unknown {
                    kind: "environment variable",
                    name: name.clone(),
                    file: None,
                    nearest: nearest(name, SETTINGS.iter().map(Setting::variable)),
                })?;
            self.set(setting, Ok(value.clone()), Origin::Variable(name.clone()))?;
        }
        Ok(())
    }

    fn read_flags(&mut self, flags: Overrides) {
        if let Some(data) = flags.data {
            self.config.data = data;
            self.origins.insert("data", Origin::Flag("--data"));
        }
        if let Some(listen) = flags.listen {
            self.config.listen = listen;
            self.origins.insert("listen", Origin::Flag("--listen"));
        }
        if let Some(development) = flags.development {
            self.config.tls.development = Some(development);
            self.origins.insert("tls.development", Origin::Flag("--dev-tls"));
        }
    }

    /// Settings that make no sense together; each is named with where it comes from.
    fn check_tls(&self) -> Result<(), ConfigError> {
        self.config.tls.check().map_err(|(name, reason)| ConfigError::BadValue {
            name,
            origin: self.origins.get(name).cloned().unwrap_or(Origin::Default),
            reason: reason.to_owned(),
        })
    }

    fn set(
        &mut self,
        setting: &'static Setting,
        text: Result<String, String>,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        match text.and_then(|text| (setting.read)(&mut self.config, &text)) {
            Ok(()) => {
                self.origins.insert(setting.name, origin);
                Ok(())
            }
            Err(reason) => Err(ConfigError::BadValue { name: setting.name, origin, reason }),
        }
    }
}

/// The `STOWAGE_…` part of an environment, as text.
fn own_variables(environment: Vec<(OsString, OsString)>) -> Result<BTreeMap<String, String>, ConfigError> {
    let own = environment
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX));
    own.map(|(name, value)| match value.into_string() {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(ConfigError::BadValue {
            name: SETTINGS
                .iter()
                .find(|setting| setting.variable() == name)
                .map_or("STOWAGE_…", |setting| setting.name),
            origin: Origin::Variable(name),
            reason: "not UTF-8 text".to_owned(),
        }),
    })
    .collect()
}

fn choose_file(explicit: Option<&Path>, variables: &BTreeMap<String, String>) -> Option<PathBuf> {
    if let Some(path) = explicit {
        return Some(path.to_owned());
    }
    match variables.get(FILE_VARIABLE) {
        Some(path) => (!path.is_empty()).then(|| PathBuf::from(path)),
        None => Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()),
    }
}

fn default_data_directory() -> PathBuf {
    let directory = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    directory("XDG_DATA_HOME")
        .or_else(|| directory("HOME").map(|home| home.join(".local/share")))
        .unwrap_or_else(|| PathBuf::from("/var/lib"))
        .join("stowage")
}

/// Dotted names of all values; an unknown table stands for itself, so that an empty one is noticed too.
fn leaves(table: toml::Table) -> Vec<(String, toml::Value)> {
    let is_section = |name: &str| SETTINGS.iter().any(|setting| setting.table_and_key().0 == name);
    let mut leaves = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) if !inner.is_empty() || is_section(&name) => {
                leaves.extend(inner.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)))
            }
            value => leaves.push((name, value)),
        }
    }
    leaves
}

/// A TOML value as an environment variable would hold it, so that every setting has one parser.
fn plain_text(value: &toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(flag) => Ok(flag.to_string()),
        toml::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain_text).collect::<Result<_, _>>()?;
            Ok(items.join(","))
        }
        other => Err(format!("a {} is not accepted here", other.type_str())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn load(file: &str, variables: &[(&str, &str)], flags: Overrides) -> Result<Loaded, ConfigError> {
        let mut path = tempfile::NamedTempFile::new().expect("a temporary file");
        path.write_all(file.as_bytes()).expect("the file is written");
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Loaded::from_sources(Some(path.path()), environment, flags)
    }

    fn refusal(file: &str, variables: &[(&str, &str)]) -> String {
        load(file, variables, Overrides::default()).expect_err("the configuration is refused").to_string()
    }

    #[test]
    fn flags_win_over_variables_over_the_file_over_defaults() {
        let file = "listen = '127.0.0.1:1'\ndrain_timeout = 1\n[limits]\nmax_fields = 7";
        let variables = [("STOWAGE_LISTEN", "127.0.0.1:2"), ("STOWAGE_DRAIN_TIMEOUT", "2m")];
        let flags = Overrides { listen: Some(SocketAddr::from(([127, 0, 0, 1], 3))), ..Overrides::default() };
        let config = load(file, &variables, flags).expect("valid").config;
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.drain_timeout.as_secs(), 120);
        assert_eq!(config.limits.max_fields, 7);
        assert_eq!(config.limits.max_connections, 4096);
    }

    #[test]
    fn every_origin_is_remembered() {
        let loaded =
            load("[log]\nlevel = 'warn'", &[("STOWAGE_LOG_FORMAT", "json")], Overrides::default()).expect("valid");
        let origin = |name| loaded.origin(settings::find(name).expect("a setting")).clone();
        assert!(matches!(origin("log.level"), Origin::File(_)));
        assert_eq!(origin("log.format"), Origin::Variable("STOWAGE_LOG_FORMAT".to_owned()));
        assert_eq!(origin("log.access"), Origin::Default);
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest_known_one() {
        let message = refusal("[limits]\nmax_file_sise = 5", &[]);
        assert!(message.contains("`limits.max_file_sise`"), "{message}");
        assert!(message.contains("did you mean `limits.max_file_size`?"), "{message}");
        let message = refusal("", &[("STOWAGE_LISTN", "127.0.0.1:1")]);
        assert!(message.contains("`STOWAGE_LISTN`"), "{message}");
        assert!(message.contains("did you mean `STOWAGE_LISTEN`?"), "{message}");
        assert!(refusal("[nonsense]", &[]).contains("`nonsense`"));
        assert!(refusal("[limits.max_fields]\ndeep = 1", &[]).contains("`limits.max_fields`"));
    }

    #[test]
    fn client_variables_are_no_settings() {
        let variables = [
            ("STOWAGE_SERVER", "http://127.0.0.1:1"),
            ("STOWAGE_KEY", "k"),
            ("STOWAGE_SECRET", "s"),
            ("STOWAGE_CONFIG", "/does/not/exist, but --config wins"),
            ("PATH", "/bin"),
        ];
        load("", &variables, Overrides::default()).expect("nothing of it is read");
    }

    #[test]
    fn bad_values_name_the_setting_and_where_they_came_from() {
        let message = refusal("", &[("STOWAGE_LIMITS_MAX_FILE_SIZE", "big")]);
        assert!(message.contains("`limits.max_file_size`"), "{message}");
        assert!(message.contains("STOWAGE_LIMITS_MAX_FILE_SIZE"), "{message}");
        assert!(message.contains("`big`"), "{message}");
        assert!(refusal("[log]\nlevel = 1.5", &[]).contains("`log.level`"));
    }

    #[test]
    fn a_broken_file_is_reported_by_line_without_its_text() {
        let message = refusal("listen = '127.0.0.1:0'\nmaster_key = 'hidden\n", &[]);
        assert!(message.contains("line 2"), "{message}");
        assert!(!message.contains("hidden"), "{message}");
    }

    #[test]
    fn lists_are_arrays_in_the_file_and_comma_separated_in_variables() {
        let file = "[fetch]\nports = [80, 8080]\nallow = ['127.0.0.2/32']";
        let config = load(file, &[], Overrides::default()).expect("valid").config;
        assert_eq!(config.fetch.ports, [80, 8080]);
        assert_eq!(config.fetch.allow.len(), 1);
        let variables = [("STOWAGE_FETCH_ALLOW", "127.0.0.2/32,10.0.0.0/8")];
        let config = load(file, &variables, Overrides::default()).expect("valid").config;
        assert_eq!(config.fetch.allow.len(), 2);
    }
}
