//! Bytes become text: by their byte-order mark, by a named encoding, or as UTF-8.

use encoding_rs::{Encoding, UTF_8};
use kernel::{Code, Problem, codes};
use node::NodeError;

/// The text of `bytes`. `auto` looks for a byte-order mark and else expects UTF-8; other names are
/// those of the WHATWG Encoding Standard (`windows-1252`, `iso-8859-1`, `utf-16le`, `shift_jis` …).
/// A byte-order mark is always taken away. Bytes that are no text in the encoding are an error
/// with `invalid` as its code.
pub(crate) fn decode(
    bytes: Vec<u8>,
    encoding: &str,
    origin: &str,
    invalid: Code,
) -> Result<String, NodeError> {
    let (encoding, start) = match (encoding, Encoding::for_bom(&bytes)) {
        ("auto", Some((found, length))) => (found, length),
        ("auto", None) => (UTF_8, 0),
        (label, mark) => {
            let named = by_label(label)?;
            let length = mark.filter(|(found, _)| *found == named).map_or(0, |(_, length)| length);
            (named, length)
        }
    };
    if encoding == UTF_8 && start == 0 {
        return String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            malformed(origin, error.as_bytes(), valid, invalid)
        });
    }
    let body = &bytes[start..];
    if encoding == UTF_8 {
        return std::str::from_utf8(body)
            .map(str::to_owned)
            .map_err(|error| malformed(origin, body, error.valid_up_to(), invalid));
    }
    match encoding.decode_without_bom_handling_and_without_replacement(body) {
        Some(text) => Ok(text.into_owned()),
        None => {
            let detail = format!(
                "{origin} is not text in {}: set the encoding it was written in.",
                encoding.name()
            );
            Err(NodeError::fatal(invalid, detail))
        }
    }
}

fn by_label(label: &str) -> Result<&'static Encoding, NodeError> {
    Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        let detail = format!(
            "There is no encoding \"{label}\": write auto, utf-8, utf-16le, windows-1252, \
             iso-8859-1, shift_jis or another name of the WHATWG Encoding Standard."
        );
        let problem = Problem::new(codes::NODE_PARAMETER, detail.clone());
        NodeError::Fatal(problem.at("/encoding", codes::NODE_PARAMETER, detail))
    })
}

fn malformed(origin: &str, bytes: &[u8], valid: usize, code: Code) -> NodeError {
    let line = bytes[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
    let byte = bytes.get(valid).copied().unwrap_or_default();
    let detail = format!(
        "{origin} is not UTF-8 in line {line} (byte {byte:#04x}): set the encoding it was written \
         in, such as windows-1252."
    );
    NodeError::fatal(code, detail)
}
