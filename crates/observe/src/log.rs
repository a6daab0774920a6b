//! The log of the process.

use kernel::{Problem, codes};
use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// What is logged and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// Which events: `info`, or `info,engine=debug`.
    pub filter: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// Starts logging to standard error for the whole process. A second call in one process is refused.
///
/// # Errors
/// `config.invalid` when the filter does not parse.
pub fn start(settings: &LogSettings) -> Result<(), Problem> {
    subscriber(settings, std::io::stderr)?.try_init().map_err(|_| {
        Problem::new(codes::CONFIG_INVALID, "Logging was started twice in one process.")
    })
}

/// A subscriber that writes where it is told.
pub fn subscriber<W>(
    settings: &LogSettings,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, Problem>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(&settings.filter).map_err(|error| {
        let detail = format!(
            "`log.filter` does not parse: {error}; write a level, or levels by crate such as \
             `info,engine=debug`."
        );
        Problem::new(codes::CONFIG_INVALID, detail)
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match settings.format {
        LogFormat::Text => Box::new(builder.with_ansi(false).finish()),
        LogFormat::Json => {
            Box::new(builder.json().flatten_event(true).with_current_span(false).finish())
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use kernel::{Secret, Value};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(settings: &LogSettings, act: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(settings, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, act);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_json_line_carries_dotted_fields_and_those_of_the_request_around_it() {
        let settings = LogSettings { format: LogFormat::Json, filter: "info".to_owned() };
        let text = logged(&settings, || {
            let _span = tracing::info_span!("request", request.id = "abc").entered();
            tracing::info!(run.id = "r1", "done");
            tracing::debug!("not at this level");
        });
        let line: Value = kernel::json::parse_str(text.trim()).unwrap();
        assert_eq!(line["run.id"], "r1");
        assert_eq!(line["message"], "done");
        assert_eq!(line["spans"][0]["request.id"], "abc");
    }

    #[test]
    fn a_secret_stays_secret_in_a_log_line() {
        let secret = Secret::new("hunter2".to_owned());
        let text = logged(&LogSettings::default(), || tracing::info!(key = %secret, "seen"));
        assert!(text.contains("seen") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_filter_that_does_not_parse_is_refused_with_an_example() {
        let settings = LogSettings { filter: "info,=".to_owned(), ..LogSettings::default() };
        let problem = subscriber(&settings, std::io::sink).err().unwrap();
        assert!(problem.detail.contains("engine=debug"));
    }
}
