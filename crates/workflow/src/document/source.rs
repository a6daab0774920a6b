//! The text a document came from, kept with its comments and layout.

use kernel::Problem;
use serde::{Deserialize, Serialize};

use super::yaml_reader;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaType {
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
}

impl MediaType {
    /// The media type a `Content-Type` or `Accept` header names; `None` for anything else.
    pub fn of_header(header: &str) -> Option<Self> {
        let name = header.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        match name.as_str() {
            "application/json" | "text/json" => Some(Self::Json),
            "application/yaml"
            | "application/x-yaml"
            | "text/yaml"
            | "text/x-yaml"
            | "application/vnd.yaml" => Some(Self::Yaml),
            _ => None,
        }
    }

    /// The media type a file's name says: `.json`, else YAML.
    pub fn of_file_name(name: &str) -> Self {
        if name.to_ascii_lowercase().ends_with(".json") { Self::Json } else { Self::Yaml }
    }

    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// A document's text as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// How it is written.
    pub media_type: MediaType,
    /// The text, unchanged.
    pub text: String,
}

impl Source {
    /// Adds line and column to every fault of a problem whose place in the text is known.
    pub(crate) fn place(&self, mut problem: Problem) -> Problem {
        let pointers: Vec<String> =
            problem.errors.iter().map(|fault| fault.pointer.clone()).collect();
        // JSON is read as the YAML it nearly always is; where it is not, places are missing.
        let places = yaml_reader::locate(&self.text, &pointers);
        for (fault, place) in problem.errors.iter_mut().zip(&places) {
            if let Some(place) = place {
                fault.detail =
                    format!("line {}, column {}: {}", place.line, place.column, fault.detail);
            }
        }
        if let Some(Some(place)) = places.first() {
            problem.detail =
                format!("line {}, column {}: {}", place.line, place.column, problem.detail);
        }
        problem
    }
}
