//! The configuration for people: what is in force, and the reference page.

use std::path::PathBuf;

use super::{
    Config, Loaded,
    settings::{SETTINGS, Setting},
};

const MASK: &str = "********";

/// The effective configuration as TOML, secrets masked, the origin of each value as a trailing comment.
#[must_use]
pub fn effective(loaded: &Loaded) -> String {
    let mut text = String::new();
    let mut current = "";
    for setting in SETTINGS {
        let (table, key) = setting.table_and_key();
        if table != current {
            text.push_str(&format!("\n[{table}]\n"));
            current = table;
        }
        let line = match (setting.show)(&loaded.config) {
            None => format!("# {key} is not set"),
            Some(_) if setting.secret => {
                format!("# {key} = \"{MASK}\" # {}", loaded.origin(setting))
            }
            Some(value) => format!("{key} = {value} # {}", loaded.origin(setting)),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// The reference of all settings as a Markdown page (`docs/configuration.md`).
#[must_use]
pub fn reference() -> String {
    let defaults = Config::defaults(PathBuf::from("~/.local/share/stowage"));
    let rows: String = SETTINGS.iter().map(|setting| reference_row(setting, &defaults)).collect();
    format!("{REFERENCE_HEAD}{rows}{REFERENCE_TAIL}")
}

fn reference_row(setting: &Setting, defaults: &Config) -> String {
    let default = (setting.show)(defaults).map_or_else(|| "–".to_owned(), |value| format!("`{value}`"));
    format!("| `{}` | `{}` | {} | {default} | {} |\n", setting.name, setting.variable(), setting.syntax, setting.doc,)
}

const REFERENCE_HEAD: &str = "\
<!-- Generated from the table of settings in crates/server/src/config/settings.rs.
     Rewrite it with: UPDATE_DOCS=1 cargo nextest run -p stowage configuration_page -->

# Configuration

Stowage runs without any configuration. Each setting below can be given in a TOML file and as an environment variable; `data` and
`listen` also as flags. A flag wins over a variable, a variable over the file, the file over the default.

The file is the one that `--config` names, else the one that `STOWAGE_CONFIG` names (empty: none), else `/etc/stowage/stowage.toml` if it
exists. A setting `a.b` is key `b` of table `[a]`:

```toml
listen = \"0.0.0.0:8080\"
data = \"/var/lib/stowage\"

[public_base]
cdn = \"https://cdn.example.com\"

[fetch]
allow = [\"10.0.0.0/8\"]
```

An unknown setting, an unknown `STOWAGE_…` variable or a bad value refuses to start and is named. `stowage config` prints what is in force
and where each value comes from.

| setting | variable | value | default | meaning |
|---|---|---|---|---|
";

const REFERENCE_TAIL: &str = "
How values are written:

- size: bytes (`1048576`) or with a unit: `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024), `kB`, `MB`, `GB`, `TB` (powers of 1000).
- duration: seconds (`30`) or with a unit: `250ms`, `30s`, `5m`, `1h`, `2d`.
- list: an array in the file, separated by commas in a variable.
- URL: `http` or `https`, without query; a trailing slash is dropped; empty means not set.

The commands `put`, `get`, `stat`, `rm` and `sign` read other variables, which the server accepts and ignores: `STOWAGE_SERVER` (URL of
the server, default `http://127.0.0.1:8080`), `STOWAGE_KEY` (API key) and `STOWAGE_SECRET` (app secret).
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    #[test]
    fn the_printed_configuration_reads_back_and_hides_secrets() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("stowage.toml");
        let key = "11".repeat(32);
        std::fs::write(&file, format!("master_key = '{key}'\n[fetch]\nallow = ['10.0.0.0/8']\nports = []\n"))
            .expect("the file is written");
        let load = || Loaded::from_sources(Some(&file), Vec::new(), Overrides::default()).expect("valid");
        let printed = effective(&load());
        assert!(!printed.contains(&key));
        assert!(printed.contains(MASK));
        std::fs::write(&file, &printed).expect("the file is written");
        let values = |text: &str| -> Vec<String> {
            text.lines()
                .filter(|line| !line.contains("master_key"))
                .map(|line| line.split(" # ").next().unwrap_or_default().to_owned())
                .collect()
        };
        assert_eq!(values(&effective(&load())), values(&printed));
    }

    #[test]
    fn names_are_unique_and_tables_stand_together() {
        let mut tables: Vec<&str> = SETTINGS.iter().map(|setting| setting.table_and_key().0).collect();
        tables.dedup();
        let mut names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SETTINGS.len());
        let count = tables.len();
        tables.sort_unstable();
        tables.dedup();
        assert_eq!(tables.len(), count, "a table is declared in two places");
    }
}
