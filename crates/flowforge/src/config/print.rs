//! The configuration as it is shown: every setting, defaults included, secrets left out.

use super::Config;

impl Config {
    /// As TOML. URLs come without their passwords.
    pub(crate) fn to_toml(&self) -> String {
        toml::to_string(self).expect("texts, numbers and lists of them have a form in TOML")
    }

    /// The JSON Schema of the configuration file, as `contracts/config.schema.json` has it.
    pub(crate) fn schema_text() -> String {
        let mut text = format!("{:#}", super::schema::of_config());
        text.push('\n');
        text
    }
}
